"""Networks of other architectures, saved by transformers with random weights, taken the whole way."""

from __future__ import annotations

import io
import json

import msgspec
import numpy as np
import pytest
from rich.console import Console

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("onnx")

from models.base import open_base  # noqa: E402
from models.errors import MakeError  # noqa: E402
from models.graphs import REPORT_FILE, Rounded, graph_logits  # noqa: E402
from models.infer import load_network, logits_of, padded  # noqa: E402
from models.make import make  # noqa: E402
from models.workspace import FLOAT_FILE, INT8_FILE, load_trained  # noqa: E402
from server.inference.bundle import load_bundle  # noqa: E402
from server.inference.predictor import Predictor  # noqa: E402
from server.inference.values import Text  # noqa: E402
from tests.kit import making_kit as kit  # noqa: E402
from tests.kit import rows_kit  # noqa: E402

QUIET = Console(file=io.StringIO())
LETTERS = [*"abcdefghijklmnopqrstuvwxyz0123456789"]
CHARACTERS = sorted(set("".join(kit.TOPICS.values()) + kit.FILLER))
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "，", *CHARACTERS, *LETTERS]
VOCABULARY += [f"##{letter}" for letter in LETTERS]
SIZES = {
    "vocab_size": len(VOCABULARY),
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 32,
}
DISTIL = {"dim": 32, "n_layers": 3, "n_heads": 4, "hidden_dim": 64}
MADE = {
    "bert": lambda: transformers.BertModel(transformers.BertConfig(**SIZES)),
    "ernie": lambda: transformers.ErnieModel(transformers.ErnieConfig(**SIZES, use_task_id=True)),
    "electra": lambda: transformers.ElectraModel(transformers.ElectraConfig(**SIZES, embedding_size=16)),
    "albert": lambda: transformers.AlbertModel(
        transformers.AlbertConfig(**SIZES, embedding_size=16, hidden_act="gelu_new")
    ),
    "distilbert": lambda: transformers.DistilBertModel(
        transformers.DistilBertConfig(vocab_size=len(VOCABULARY), max_position_embeddings=32, **DISTIL)
    ),
}
ACTIVATION = {"albert": "gelu_tanh"}


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """A function that saves an architecture's random network once and gives its folder."""
    place = tmp_path_factory.mktemp("hub")

    def saved(family):
        folder = place / family
        if not folder.exists():
            torch.manual_seed(4)
            network = MADE[family]().eval()
            for name, weight in network.named_parameters():
                if "LayerNorm" not in name and "layer_norm" not in name:
                    weight.data.normal_(std=0.1)
            network.save_pretrained(folder)
            (folder / "vocab.txt").write_text("\n".join(VOCABULARY), "utf-8")
        return folder

    return saved


def write_recipe(folder, base, family, task):
    text = kit.write_task_recipe(folder, base, task, epochs=8).read_text("utf-8")
    text = text.replace('tokens = "characters"\n', "").replace('pooling = "compared"', 'pooling = "cls"')
    text = text.replace("layers = [0, 2]", "layers = [0, 1, 2]")
    text = text.replace("[network]", f'[network]\nactivation = "{ACTIVATION.get(family, "gelu")}"')
    path = folder / f"{task}.toml"
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize("family", sorted(MADE))
def test_the_network_is_the_one_that_transformers_runs(hub, family, tmp_path):
    folder = hub(family)
    rows_kit.write_pairs(tmp_path / "data")
    recipe = write_recipe(tmp_path, folder, family, "pair")
    make(str(recipe), tmp_path / "data", tmp_path / "work", QUIET, last="base")
    base = load_trained(tmp_path / "work/pair/base")
    config, ids = base.config, base.tokenizer().encode("今天足球").ids
    assert config.middle == 1
    asked = [config.start, *ids, config.end, *ids[:2], config.end]
    theirs = transformers.AutoModel.from_pretrained(folder).eval()
    given = torch.tensor([[VOCABULARY.index(base.tokenizer().id_to_token(i)) for i in asked]])
    types = torch.tensor([[0] * (len(ids) + 2) + [1] * 3])
    extra = {} if family == "distilbert" else {"token_type_ids": types}
    with torch.no_grad():
        want = theirs(input_ids=given, **extra).last_hidden_state
        network = load_network(base)
        if family == "distilbert":
            network.embed.second.zero_()
        got = network.hidden(*padded([asked], config.pad))
    torch.testing.assert_close(got, want, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("family", "task"),
    [("bert", "qa"), ("ernie", "ner"), ("electra", "pair"), ("albert", "ner"), ("distilbert", "pair")],
)
def test_from_another_architecture_to_a_bundle_that_answers(hub, family, task, tmp_path):
    write = {"ner": rows_kit.write_entities, "pair": rows_kit.write_pairs, "qa": rows_kit.write_questions}
    write[task](tmp_path / "data")
    make(str(write_recipe(tmp_path, hub(family), family, task)), tmp_path / "data", tmp_path / "work", QUIET)
    work = tmp_path / "work" / task
    trained = load_trained(work / "finetune")
    assert trained.record.epochs[-1].loss < trained.record.epochs[0].loss
    predictor = Predictor(load_bundle(work / "pack" / task))
    predictor.start()
    text = Text("今天我们说足球比赛很好") if task == "ner" else Text("足球比赛", "今天我们说银行股票的消息")
    ids = [example.ids.tolist() for example in predictor.encode(text).examples]
    (here,) = logits_of(load_network(trained), ids, trained.config.pad)
    (exact,) = graph_logits(work / "export" / FLOAT_FILE, trained.config, ids)
    (rough,) = graph_logits(work / "quantise" / INT8_FILE, trained.config, ids)
    np.testing.assert_allclose(exact, here, atol=1e-4)
    assert (np.argmax(rough, -1) == np.argmax(exact, -1)).mean() > 0.85
    report = msgspec.json.decode((work / "quantise" / REPORT_FILE).read_bytes(), type=Rounded)
    assert report.agreement >= 0.98, "of the answers on validation"
    if family == "albert":
        assert trained.config.shape.parameters == sum(map(np.size, trained.weights().values()))
        assert (work / "export" / FLOAT_FILE).stat().st_size < 5 * trained.config.shape.parameters


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({"model_type": "t5"}, "known are albert, bert"),
        ({"model_type": "bert", "hidden_act": "silu"}, "silu"),
        ({"model_type": "bert", "position_embedding_type": "relative_key"}, "can be taken"),
        ({"model_type": "albert", "num_hidden_groups": 2}, "can be taken"),
        ({"model_type": "bert", "hidden_act": "gelu"}, "model.safetensors"),
    ],
)
def test_what_cannot_be_taken_is_refused_with_a_sentence(tmp_path, config, why):
    (tmp_path / "config.json").write_text(json.dumps(config), "utf-8")
    with pytest.raises(MakeError, match=why):
        open_base(str(tmp_path))


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_weights_that_are_none_are_refused_with_a_sentence(tmp_path, name):
    """Such as the pointer that a clone without its large files holds."""
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert", "hidden_act": "gelu"}), "utf-8")
    (tmp_path / "vocab.txt").write_text(
        "\n".join(("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "中", "文")), "utf-8"
    )
    (tmp_path / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "utf-8")
    with pytest.raises(MakeError, match=f"{name} holds no weights that can be read"):
        open_base(str(tmp_path)).embedding([0], 2)
