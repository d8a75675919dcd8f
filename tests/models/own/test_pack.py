import json

import numpy as np
import onnx
import pytest
import typer
from typer.testing import CliRunner

from models.bert_graph import Head, bert_graph
from models.errors import MakeError
from models.own.command import pack as command
from models.own.examples import FIELDS, examples
from models.own.pack import pack
from models.own.prepare import MODEL_FILE, UNSIGNED_FILE
from server.errors import BadBundle
from server.inference.bundle import load_bundle
from server.inference.predictor import Predictor
from server.inference.values import Answers, Entities, Labels, Task
from tests.models.own.conftest import HEADS, SHAPE, VOCABULARY, quantised

KINDS = {Task.CLASSIFY: Labels, Task.PAIR: Labels, Task.NER: Entities, Task.QA: Answers}


def answers(bundle):
    predictor = Predictor(bundle)
    predictor.start()
    return [predictor.answer(text) for text in examples(bundle.manifest.task, None)]


@pytest.mark.parametrize("task", list(Task))
def test_every_task_is_carried_from_export_to_answer(wish, exports, tmp_path, task):
    float_bundle = pack(wish(task)).bundle
    stock = quantised(exports[task, False], tmp_path / "stock.onnx", per_channel=True)
    int8 = pack(wish(task, onnx=stock, out=tmp_path / "int8", name="int8"))
    expected, found = answers(load_bundle(float_bundle.folder)), answers(load_bundle(int8.bundle.folder))
    assert {type(answer) for answer in expected + found} == {KINDS[task]}
    if task in (Task.CLASSIFY, Task.PAIR):
        for one, other in zip(expected, found, strict=True):
            scores = {label.label: label.score for label in one.labels}
            assert {label.label: label.score for label in other.labels} == pytest.approx(scores, abs=0.1)
    assert float_bundle.manifest.graphs[0].form == "float32"
    assert any("rewritten from one a batch to one a row" in note for note in int8.notes)


def test_signed_weights_are_for_cpus_with_vnni_and_unsigned_ones_for_all(wish, exports, tmp_path):
    stock = quantised(exports[Task.CLASSIFY, False], tmp_path / "stock.onnx")
    bundle = pack(wish(onnx=stock)).bundle
    chosen = {
        name: load_bundle(bundle.folder, cpu=frozenset(cpu)).graph
        for name, cpu in {
            "old": {"avx2"},
            "server": {"avx2", "avx512_vnni"},
            "arm": {"asimd", "asimddp"},
        }.items()
    }
    assert {name: graph.file for name, graph in chosen.items()} == {
        "old": UNSIGNED_FILE,
        "server": MODEL_FILE,
        "arm": MODEL_FILE,
    }
    assert {graph.max_rows for graph in bundle.manifest.graphs} == {16}
    reduced = quantised(exports[Task.CLASSIFY, False], tmp_path / "reduced.onnx", reduce_range=True)
    (graph,) = pack(wish(onnx=reduced, out=tmp_path / "reduced", name="reduced")).bundle.manifest.graphs
    assert (graph.file, graph.cpu) == (MODEL_FILE, ())


def test_what_cannot_be_rewritten_runs_one_text_at_a_time(wish, exports, tmp_path):
    stock = quantised(exports[Task.CLASSIFY, True], tmp_path / "stock.onnx")
    packed = pack(wish(onnx=stock))
    assert {graph.max_rows for graph in packed.bundle.manifest.graphs} == {1}
    assert packed.bundle.manifest.cost.rows == (1,)
    assert any("QAttention" in note and "one text at a time" in note for note in packed.notes)


def test_an_answer_that_leans_on_its_company_is_found_by_running(wish, exports):
    model = onnx.load(exports[Task.CLASSIFY, False])
    model.graph.node[-1].output[0] = "own"
    mean = onnx.helper.make_node("ReduceMean", ["own", "all"], ["mean"], keepdims=1)
    model.graph.node.extend([mean, onnx.helper.make_node("Add", ["own", "mean"], ["logits"])])
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.int64([0]), "all"))
    path = exports[Task.CLASSIFY, False].with_name("leaning.onnx")
    onnx.save(model, path)
    packed = pack(wish(onnx=path))
    assert packed.bundle.manifest.graphs[0].max_rows == 1
    assert any("differ in company" in note for note in packed.notes)


@pytest.mark.parametrize(
    ("task", "changes", "said"),
    [
        (Task.CLASSIFY, {"labels": "a,b"}, "gives 3 scores, but 2 labels"),
        (Task.CLASSIFY, {"labels": None}, "needs --labels"),
        (Task.QA, {"labels": "a,b"}, "takes no labels"),
        (Task.CLASSIFY, {"name": "Große"}, "small letters"),
        (Task.CLASSIFY, {"max_length": 100}, "fails on 100 tokens.*--max-length"),
        (Task.CLASSIFY, {"max_length": 6}, "leaves no room"),
        (Task.CLASSIFY, {"overlap": 31}, "--overlap 31"),
    ],
)
def test_a_wish_that_cannot_be_met_leaves_nothing_behind(wish, tmp_path, task, changes, said):
    with pytest.raises(MakeError, match=said):
        pack(wish(task, **changes))
    assert list(tmp_path.iterdir()) == []


def test_the_wrong_task_is_said(wish, exports):
    with pytest.raises(MakeError, match="--task ner"):
        pack(wish(Task.CLASSIFY, onnx=exports[Task.NER, False], labels="a,b,c,d,e"))
    with pytest.raises(MakeError, match="an answer a text"):
        pack(wish(Task.NER, onnx=exports[Task.CLASSIFY, False]))
    with pytest.raises(MakeError, match="start and an end"):
        pack(wish(Task.QA, onnx=exports[Task.CLASSIFY, False]))


@pytest.mark.parametrize("count", [len(VOCABULARY) + 1, len(VOCABULARY) - 300])
def test_anothers_tokenizer_is_refused(wish, tmp_path, count):
    pieces = [*VOCABULARY, "龘"][:count]
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(pieces), encoding="utf-8")
    with pytest.raises(MakeError, match="another network"):
        pack(wish(tokenizer=path))


def test_widths_fixed_inside_the_graph_are_said(wish, exports):
    model = onnx.load(exports[Task.NER, False])
    model.graph.node[-1].output[0] = "free"
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.int64([1, 16, 5]), "frozen"))
    model.graph.node.append(onnx.helper.make_node("Reshape", ["free", "frozen"], ["logits"]))
    path = exports[Task.NER, False].with_name("frozen.onnx")
    onnx.save(model, path)
    with pytest.raises(MakeError, match="Export it so that rows and width may vary"):
        pack(wish(Task.NER, onnx=path))


def test_an_existing_folder_is_never_touched(wish, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "dear.txt").write_text("x")
    with pytest.raises(MakeError, match="exists already"):
        pack(wish())
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["dear.txt"]


def test_several_labels_at_once(wish):
    manifest = pack(wish(multi_label=True, threshold=0.3)).bundle.manifest
    assert manifest.multi_label
    assert manifest.thresholds == (0.3, 0.3, 0.3)


def test_the_users_examples_are_the_golden_ones(wish, tmp_path):
    sure = [each.text for each in pack(wish()).bundle.manifest.golden][:2]
    path = tmp_path / "examples.jsonl"
    path.write_text(json.dumps({"text": sure[1]}) + f"\n\n{sure[0]}\n", encoding="utf-8")
    golden = pack(wish(examples=path, out=tmp_path / "other")).bundle.manifest.golden
    assert [each.text for each in golden] == [sure[1], sure[0]]


@pytest.mark.parametrize(
    ("task", "line"),
    [
        (Task.PAIR, "只有一句"),
        (Task.PAIR, '{"text": "a"}'),
        (Task.QA, '{"question": 1, "context": "x"}'),
        (Task.NER, "{}"),
    ],
)
def test_an_example_that_does_not_fit_the_task_is_named(tmp_path, task, line):
    path = tmp_path / "examples.jsonl"
    good = json.dumps(dict.fromkeys(FIELDS[task], "好"))
    path.write_text(f"{good}\n{line}\n", encoding="utf-8")
    with pytest.raises(MakeError, match="Line 2"):
        examples(task, path)


def test_a_flipped_byte_is_refused(wish):
    folder = pack(wish()).bundle.folder
    weights = bytearray((folder / MODEL_FILE).read_bytes())
    weights[len(weights) // 2] ^= 1
    (folder / MODEL_FILE).write_bytes(weights)
    with pytest.raises(BadBundle, match=MODEL_FILE):
        load_bundle(folder)


def test_the_command_says_what_it_did_and_why_it_did_not(exports, vocabulary, tmp_path):
    app = typer.Typer()
    app.command()(command)
    arguments = ["--onnx", str(exports[Task.NER, False]), "--tokenizer", str(vocabulary), "--task", "ner"]
    arguments += ["--max-length", "32", "--out", str(tmp_path / "people"), "--labels"]
    refused = CliRunner().invoke(app, [*arguments, "O,B-PER"])
    assert refused.exit_code == 1
    assert "5 scores, but 2 labels" in refused.stderr
    done = CliRunner().invoke(app, [*arguments, HEADS[Task.NER][1]])
    assert done.exit_code == 0, done.output
    assert "equal to the bit" in done.stderr
    assert load_bundle(tmp_path / "people").manifest.name == "people"


@pytest.mark.parametrize("task", [Task.CLASSIFY, Task.PAIR])
def test_one_score_for_two_labels_is_the_second_labels(wish, tmp_path, task):
    """As cross-encoders have it that rank."""
    onnx.save(bert_graph(SHAPE, Head(1)), tmp_path / "one.onnx")
    bundle = pack(wish(task, onnx=tmp_path / "one.onnx", labels="no,yes")).bundle
    found = answers(load_bundle(bundle.folder))
    assert all(sum(label.score for label in answer.labels) == pytest.approx(1) for answer in found)
    with pytest.raises(MakeError, match="gives 1 scores, but 3 labels"):
        pack(wish(task, onnx=tmp_path / "one.onnx", labels="a,b,c", out=tmp_path / "three"))


def test_examples_may_begin_with_a_byte_order_mark(wish, tmp_path):
    path = tmp_path / "examples.txt"
    path.write_bytes('\ufeff{"text": "央行宣布下调"}\n'.encode())
    assert pack(wish(examples=path)).bundle.manifest.golden[0].text == "央行宣布下调"
    path.write_bytes("央行".encode("gbk"))
    with pytest.raises(MakeError, match=r"examples\.txt, line 1: .* not UTF-8"):
        pack(wish(examples=path, out=tmp_path / "other"))
