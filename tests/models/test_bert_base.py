import pytest

from models.bert_base import Form, make_bert_base
from server.inference.bundle import load_bundle
from server.inference.predictor import Predictor
from server.inference.values import Task
from tests.kit.bundle_kit import GOLDEN, write_bundle


@pytest.mark.parametrize("task", list(Task))
def test_it_takes_tokens_task_and_labels_from_the_other(tmp_path, task):
    like = load_bundle(write_bundle(tmp_path / "like", task))
    made = make_bert_base(like, tmp_path / "big", name="bert-base", form=Form.FP32, layers=1, width=64)
    assert made.manifest.name == "bert-base"
    same = ("task", "labels", "tags")
    assert [getattr(made.manifest, name) for name in same] == [getattr(like.manifest, name) for name in same]
    assert made.manifest.cost.widths == like.manifest.cost.widths
    assert made.tokenizer.to_str() == like.tokenizer.to_str()
    for bundle in (like, made):
        predictor = Predictor(bundle)
        predictor.start()
        assert type(predictor.answer(GOLDEN[task])).__name__ in {"Labels", "Entities", "Answers"}


def test_its_forms(tmp_path):
    like = load_bundle(write_bundle(tmp_path / "like"))
    forms = {
        form: make_bert_base(like, tmp_path / form, name=form, form=form, layers=1, width=64).manifest.graphs
        for form in Form
    }
    assert forms[Form.FP32][0].form == forms[Form.FUSED][0].form == "float32"
    assert forms[Form.INT8][0].form == "int8 dynamic per row"
    assert {graph.max_rows for graphs in forms.values() for graph in graphs} == {16}


def test_weights_are_the_same_every_time(tmp_path):
    like = load_bundle(write_bundle(tmp_path / "like"))
    digests = []
    for name in ("one", "two"):
        made = make_bert_base(like, tmp_path / name, name="same", form=Form.FP32, layers=1, width=64)
        digests.append([file.sha256 for file in made.manifest.files if file.path == "model.onnx"])
    assert digests[0] == digests[1]
