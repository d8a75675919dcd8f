"""Recipes of every method, made whole on tiny networks: what each stage leaves is what the next one takes."""

from __future__ import annotations

import io

import numpy as np
import pytest
from rich.console import Console

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from models.data.rows import Labelled  # noqa: E402
from models.errors import MakeError  # noqa: E402
from models.infer import load_network  # noqa: E402
from models.job import Job  # noqa: E402
from models.make import make  # noqa: E402
from models.pretrain import rows_without  # noqa: E402
from models.recipe import read_recipe  # noqa: E402
from models.task_data import Split  # noqa: E402
from models.teachers import whole_base  # noqa: E402
from models.theseus import Ship  # noqa: E402
from models.workspace import load_trained  # noqa: E402
from tests.kit import making_kit as kit  # noqa: E402

PRETRAIN = f"""
[pretrain]
texts = {{ tnews = 1000, zhihu_titles = 1000 }}
masked = 0.5
[pretrain.imitate]
layers = [0, 2]
hidden = 1.0
attention = 0.1
[pretrain.training]{kit.TRAINING}
"""
IMITATE = f"""
[imitate]
teacher = "grown"
texts = {{ zhihu_titles = 10 }}
altered = 1
[imitate.imitate]
layers = [0, 2]
embedding = 1.0
hidden = 1.0
attention = 1.0
[imitate.training]{kit.TRAINING}
"""
DISTIL = f"""
[distil]
teacher = "grown"
hard = 0.0
[distil.training]{kit.TRAINING}
"""
THESEUS = f"""
[theseus]
teacher = "grown"
[theseus.training]{kit.TRAINING}
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Data, a base, and a fine-tuned teacher of all layers."""
    folder = tmp_path_factory.mktemp("methods")
    data = kit.write_data(folder / "data")
    (data / "zhihu_titles").mkdir()
    titles = [
        f"{way}的{word}怎么样{i}\n" for i in range(280) for way, word in (("北京", "足球"), ("我们", "银行"))
    ]
    titles += [f"上海{i}很好吗\n" for i in range(300)]
    (data / "zhihu_titles/unique_titles.txt").write_text("".join(titles), encoding="utf-8")
    kit.write_recipe(folder, kit.write_base(folder / "tiny.bin"), epochs=3)
    teacher = _recipe(folder).replace("[0, 2]", "[0, 1, 2]").replace('"tiny"', '"grown"')
    _make(folder, "grown", teacher.split("[bundle]")[0] + "[labels]" + teacher.split("[labels]")[1])
    return folder


def _recipe(folder):
    return (folder / "tiny.toml").read_text(encoding="utf-8")


def _make(folder, name, text):
    path = folder / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    make(str(path), folder / "data", folder / "work", Console(file=io.StringIO()))
    return folder / "work" / name


def _student(folder, name, sections, *, finetune=True):
    """A recipe with `sections` before [finetune], or in its place."""
    head, rest = _recipe(folder).replace('"tiny"', f'"{name}"').split("[finetune]")
    training, rest = rest.split("[quantise]")
    return head + sections + ("[finetune]" + training if finetune else "") + "[quantise]" + rest


@pytest.mark.parametrize("replaced", [0.0, 1.0])
def test_a_network_learns_raw_texts_before_its_task(place, replaced):
    name = f"raw{replaced:.0f}"
    sections = PRETRAIN.replace("masked = 0.5\n", f"masked = 0.5\nreplaced = {replaced}\n")
    made = _make(place, name, _student(place, name, sections))
    pretrained, tuned = load_trained(made / "pretrain"), load_trained(made / "finetune")
    first, last = pretrained.record.epochs[0], pretrained.record.epochs[-1]
    assert last.loss < first.loss
    assert pretrained.record.rows > 500
    assert pretrained.record.validation_rows == 0
    assert [each.source[:9] for each in pretrained.record.data] == ["raw texts"] * 2
    assert [each.source[:9] for each in tuned.record.data][1:] == ["raw texts"] * 2, (
        "its data are not forgotten"
    )
    assert tuned.record.best > 0.8
    assert (made / "pack" / name / "bundle.json").exists()


def test_rows_are_read_as_the_task_shows_them(place):
    text = _student(place, "rows", PRETRAIN.replace("masked = 0.5\n", "masked = 0.5\nrows = true\n"))
    record = load_trained(_make(place, "rows", text) / "pretrain").record
    plain = load_trained(place / "work/raw0/pretrain").record
    learnt = load_trained(place / "work/rows/finetune").record.rows
    assert plain.rows < record.rows <= plain.rows + learnt
    assert record.epochs[0].tokens > plain.epochs[0].tokens
    assert [each.source[:9] for each in record.data][1:] == ["raw texts"] * 2


def test_no_row_shows_a_text_that_the_words_are_scored_on():
    rows = [
        Labelled("甲 一", "a", "乙"),
        Labelled("丙", "a", "甲一"),
        Labelled("丙", "a", "乙"),
        Labelled("丁", "a"),
    ]
    assert rows_without(["甲一", "丁", "没有"], Split(rows, [], ())) == [rows[2]]


def test_the_whole_base_speaks_the_students_vocabulary(place):
    recipe, digest = read_recipe(str(place / "grown.toml"))
    job = Job(recipe, digest, "", place / "data", place / "work", Console(file=io.StringIO()))
    start = load_trained(place / "work/grown/base")
    whole, same = whole_base(job, start), load_network(start).eval()
    ids = torch.tensor([[0, 8, 9, 40, 2]])
    assert whole.shape.layers == kit.LAYERS
    torch.testing.assert_close(whole.embed(ids), same.embed(ids))
    assert whole.shape.activation == "gelu" != same.shape.activation


def test_a_student_imitates_its_teacher_then_learns_its_scores(place):
    made = _make(place, "bert", _student(place, "bert", IMITATE + DISTIL, finetune=False))
    assert read_recipe(str(place / "bert.toml"))[0].networks == ("base", "imitate", "distil")
    imitating = load_trained(made / "imitate").record
    assert imitating.epochs[-1].loss < imitating.epochs[0].loss
    assert imitating.epochs[-1].validation > imitating.epochs[0].validation
    assert load_trained(made / "distil").record.best > 0.8


def test_a_ship_keeps_the_teachers_embedding_and_ends_with_none_of_its_layers(place):
    text = _student(place, "ship", THESEUS).replace("[0, 2]", "[1]")
    made = _make(place, "ship", text)
    ship, teacher = load_trained(made / "theseus"), load_trained(place / "work/grown/finetune")
    assert ship.record.best > 0.7
    assert np.array_equal(ship.weights()["embed.word"], teacher.weights()["embed.word"])
    assert np.array_equal(ship.weights()["head.weight"], teacher.weights()["head.weight"])
    assert ship.weights().keys() == load_trained(made / "base").weights().keys()
    start = load_trained(made / "base").weights()["layers.0.out.weight"]
    assert not np.array_equal(ship.weights()["layers.0.out.weight"], start)


def test_layers_are_replaced_by_a_chance_that_rises_to_certainty(place):
    start, teacher = load_trained(place / "work/grown/base"), load_trained(place / "work/grown/finetune")
    student, predecessor = load_network(start), load_network(teacher)
    ship = Ship(student, predecessor, 0.5)
    ship.rising = 100
    ids, mask = torch.tensor([[0, 8, 9, 40, 2]]), torch.ones(1, 5, dtype=torch.long)
    calls = []
    for run in ship.runs:
        run[0].register_forward_hook(lambda *_: calls.append(int(ship.step)))
    torch.manual_seed(0)
    ship.train()
    for _ in range(300):
        ship.hidden(ids, mask)
    early, late = [at for at in calls if at <= 50], [at for at in calls if at > 101]
    assert 35 < len(early) < 72  # three layers, the teacher's share falls from 1/2 to 1/4 in 50 steps
    assert not late
    before = len(calls)
    ship.eval()(ids, mask)
    assert len(calls) == before, "the student alone is scored"


def test_what_a_method_cannot_do_is_said_before_anything_is_trained(place):
    fewer = IMITATE.replace("layers = [0, 2]", "layers = [0]")
    cases = {
        "imitates 1 layers with a network of 2": _student(place, "no", fewer),
        "nothing to learn": _student(
            place, "no", PRETRAIN[: PRETRAIN.index("masked")] + "[pretrain.training]" + kit.TRAINING
        ),
        "the generator would learn nothing": _student(
            place, "no", PRETRAIN.replace("masked = 0.5", "replaced = 1.0")
        ),
        "nothing would teach the network its task": _student(place, "no", "", finetune=False),
        "holds no trained network": _student(place, "no", IMITATE.replace('"grown"', '"nobody"')),
        "a multiple of its": _student(place, "no", THESEUS),
        "for the task classify nothing can be made": _student(
            place, "no", "[rehearse]\nquestions = { tnews = 9 }\n[rehearse.training]" + kit.TRAINING
        ),
    }
    for sentence, text in cases.items():
        with pytest.raises(MakeError, match=sentence):
            _make(place, "no", text)
