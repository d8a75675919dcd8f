"""The whole way of a user who trained with transformers and exported with torch."""

import json
import logging
import warnings

import pytest

from models.own.pack import Wish, pack
from server.inference.predictor import Predictor
from server.inference.values import Task, Text
from tests.models.own.conftest import VOCABULARY, quantised

torch = pytest.importorskip("torch", reason="torch is needed to export with it")
transformers = pytest.importorskip("transformers", reason="transformers is needed to make the model")


def exported(folder):
    config = transformers.BertConfig(
        vocab_size=len(VOCABULARY), hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=64, num_labels=3,
        id2label={0: "体育", 1: "财经", 2: "科技"}, initializer_range=0.3, attn_implementation="eager",
    )  # fmt: skip
    torch.manual_seed(0)
    model = transformers.BertForSequenceClassification(config).eval()
    names = ["input_ids", "attention_mask", "token_type_ids"]
    ids = torch.randint(0, len(VOCABULARY), (2, 9))
    feeds = (ids, torch.ones_like(ids), torch.zeros_like(ids))
    path = folder / "model.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model, feeds, str(path), input_names=names, output_names=["logits"], opset_version=14,
            dynamic_axes={name: {0: "rows", 1: "width"} for name in names} | {"logits": {0: "rows"}},
            dynamo=False,
        )  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config.to_dict()))
    return path, model


def test_a_classifier_exported_by_torch_is_packed_and_answers_the_same(tmp_path, vocabulary, caplog):
    caplog.set_level(logging.ERROR)
    path, model = exported(tmp_path)
    for kind, graph, tolerance in (
        ("float", path, 1e-4),
        ("int8", quantised(path, tmp_path / "int8.onnx", per_channel=True), 0.1),
    ):
        wish = Wish(
            graph,
            vocabulary,
            Task.CLASSIFY,
            kind,
            tmp_path / kind,
            str(tmp_path / "config.json"),
            max_length=32,
        )
        packed = pack(wish)
        assert {graph.max_rows for graph in packed.bundle.manifest.graphs} == {16}
        predictor = Predictor(packed.bundle)
        predictor.start()
        encoding = packed.bundle.tokenizer.encode("一二三")
        with torch.no_grad():
            scores = model(torch.tensor([encoding.ids])).logits.softmax(-1)[0].tolist()
        answer = {label.label: label.score for label in predictor.answer(Text("一二三")).labels}
        assert answer == pytest.approx(
            dict(zip(("体育", "财经", "科技"), scores, strict=True)), abs=tolerance
        )
