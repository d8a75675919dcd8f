import msgspec
import pytest

from models.errors import MakeError
from models.seal import card, fresh_bundle, golden_answers, seal, seal_with_golden
from server.errors import BadBundle
from server.inference.bundle import load_bundle
from server.inference.manifest import Quality
from server.inference.values import Task, Text
from tests.kit.bundle_kit import GOLDEN, write_bundle


@pytest.mark.parametrize("task", list(Task))
def test_a_sealed_folder_is_served_with_its_golden_answers(tmp_path, task):
    folder = write_bundle(tmp_path / "mine", task, golden=())
    bundle = seal_with_golden(folder, load_bundle(folder).manifest, [GOLDEN[task]])
    assert [(each.text, each.second) for each in bundle.manifest.golden] == [
        (GOLDEN[task].first, GOLDEN[task].second)
    ]
    assert {file.path for file in bundle.manifest.files} == {"README.md", "model.onnx", "tokenizer.json"}
    assert load_bundle(folder).manifest.version == bundle.manifest.version


def test_an_answer_whose_runner_up_is_near_is_no_golden_one(tmp_path):
    bundle = load_bundle(write_bundle(tmp_path / "mine", golden=()))
    assert [each.text for each in golden_answers(bundle, [Text("看球"), Text("看球股"), Text("公园")])] == [
        "看球"
    ]


def test_a_span_that_is_hardly_likelier_than_others_is_no_golden_one(tmp_path):
    bundle = load_bundle(write_bundle(tmp_path / "mine", Task.QA, golden=()))
    vague = Text("去看花", "我们去公园看花")
    (golden,) = golden_answers(bundle, [GOLDEN[Task.QA], vague])
    assert golden.second == GOLDEN[Task.QA].second


def test_the_version_stands_for_the_content(tmp_path):
    folder = write_bundle(tmp_path / "mine")
    first = seal(folder, load_bundle(folder).manifest)
    assert seal(folder, first).version == first.version
    assert seal(folder, msgspec.structs.replace(first, title="other")).version != first.version
    (folder / "README.md").write_text("other")
    with pytest.raises(BadBundle, match=r"README\.md"):
        load_bundle(folder)


def test_the_card_says_labels_quality_and_terms(tmp_path):
    manifest = load_bundle(write_bundle(tmp_path / "mine")).manifest
    quality = Quality(
        metric="accuracy",
        value=0.53,
        split="dev",
        n=10_000,
        low=0.52,
        high=0.54,
        baseline=0.11,
        teacher=0.55,
        published=0.56,
        published_name="BERT-base",
    )
    text = card(msgspec.structs.replace(manifest, quality=(quality,)))
    for said in (
        "`news_sports` 体育",
        "accuracy 0.53 on dev, n = 10000",
        "baseline 0.11; its teacher 0.55; BERT-base 0.56",
        manifest.terms.text,
    ):
        assert said in text


def test_a_failure_leaves_no_folder(tmp_path):
    with pytest.raises(FileNotFoundError), fresh_bundle(tmp_path / "mine") as fresh:
        (fresh / "half.onnx").read_bytes()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_stands_is_left(tmp_path):
    (tmp_path / "mine").mkdir()
    with pytest.raises(MakeError, match="exists already"), fresh_bundle(tmp_path / "mine"):
        pass
