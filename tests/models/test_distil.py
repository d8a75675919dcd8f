from __future__ import annotations

import io
import re

import msgspec
import numpy as np
import pytest
from rich.console import Console

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from models.distil import for_windows  # noqa: E402
from models.errors import MakeError  # noqa: E402
from models.job import Job  # noqa: E402
from models.layout import encode  # noqa: E402
from models.losses import choices_of, hard_loss, said_choices, soft_loss, targets_of  # noqa: E402
from models.make import make  # noqa: E402
from models.quality import read_official  # noqa: E402
from models.recipe import read_recipe  # noqa: E402
from models.task_data import Examples, split_of  # noqa: E402
from models.tasks.figures import NO_LABEL  # noqa: E402
from models.teachers import answers_of, said_of_texts, said_of_windows  # noqa: E402
from models.unlabelled import spoken_on, unlabelled  # noqa: E402
from models.workspace import load_trained, update_record  # noqa: E402
from server.inference.bundle import load_bundle  # noqa: E402
from server.inference.values import Task, Text  # noqa: E402
from tests.kit import making_kit as kit  # noqa: E402

SECTION = """
[distil]
teacher = "grown"
temperature = 2.0
hard = 0.5
texts = { zhihu_titles = 10 }

[distil.training]
epochs = 2
tokens_a_batch = 128
rate = 1e-3
head_rate = 1e-3
bfloat16 = false
"""


def test_the_soft_loss_is_the_divergence_computed_by_hand():
    student = torch.tensor([[0.0, 0.0], [2.0, 0.0]])
    teacher = torch.tensor([[2 * np.log(3.0), 0.0], [2.0, 0.0]])
    # at temperature 2: (3/4, 1/4) against (1/2, 1/2), then equal; mean of two rows, times 4
    divergence = 0.75 * np.log(1.5) + 0.25 * np.log(0.5)
    assert soft_loss(student, teacher, 2.0).item() == pytest.approx(4 * divergence / 2, abs=1e-6)


def test_the_hard_loss_leaves_out_rows_without_a_label():
    logits = torch.tensor([[np.log(3.0), 0.0], [9.0, -9.0]])
    assert hard_loss(logits, torch.tensor([0, NO_LABEL])).item() == pytest.approx(np.log(4 / 3), abs=1e-6)
    assert hard_loss(logits, torch.tensor([NO_LABEL, NO_LABEL])).item() == 0


def test_every_head_becomes_rows_of_choices_and_padding_none():
    logits = torch.arange(12.0).reshape(2, 3, 2)
    mask = torch.tensor([[1, 1, 1], [1, 1, 0]])
    assert choices_of("classify", logits[:, 0], mask).tolist() == [[0, 1], [6, 7]]
    assert choices_of("tokens", logits, mask).tolist() == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]
    starts = choices_of("spans", logits, mask)
    assert starts.tolist() == [[0, 2, 4], [1, 3, 5], [6, 8, -1e4], [7, 9, -1e4]]
    assert targets_of([[0, 2], [1, 1]]).tolist() == [0, 2, 1, 1]


@pytest.mark.parametrize("head", ["classify", "tokens", "spans"])
def test_a_teachers_logits_are_choices_in_the_same_order(head):
    logits = torch.randn(2, 2) if head == "classify" else torch.randn(2, 3, 2)
    mask = torch.tensor([[1, 1, 1], [1, 1, 0]])
    own = [logits[0].numpy(), logits[1].numpy() if head == "classify" else logits[1, :2].numpy()]
    torch.testing.assert_close(said_choices(head, own), choices_of(head, logits, mask))
    assert soft_loss(choices_of(head, logits, mask), said_choices(head, own), 2.0).item() == pytest.approx(0)


def test_the_gradient_pulls_towards_the_teacher():
    student = torch.zeros(1, 2, requires_grad=True)
    soft_loss(student, torch.tensor([[1.0, -1.0]]), 3.0).backward()
    assert student.grad[0, 0] < 0 < student.grad[0, 1]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A teacher of all layers and a student with a recipe that learns from it, made to the end."""
    folder = tmp_path_factory.mktemp("distil")
    data = kit.write_data(folder / "data")
    (data / "zhihu_titles").mkdir()
    titles = [f"{row.text}\n" for row in split_of(job_of(folder, kit.write_recipe(folder, folder))).train[:3]]
    titles += [f"北京的足球比赛{i}\n" for i in range(9)] + [f"上海的股票基金{i}\n" for i in range(9)]
    (data / "zhihu_titles/unique_titles.txt").write_text("".join(titles), encoding="utf-8")
    text = kit.write_recipe(folder, kit.write_base(folder / "tiny.bin"), epochs=3).read_text(encoding="utf-8")
    teacher = text.replace("[0, 2]", "[0, 1, 2]").replace('work = "tiny"', 'work = "grown"')
    head, rest = teacher.split("[quantise]")
    (folder / "teacher.toml").write_text(head + "[labels]" + rest.split("[labels]")[1], encoding="utf-8")
    (folder / "student.toml").write_text(
        text.replace("[quantise]", SECTION + "\n[quantise]"), encoding="utf-8"
    )
    for name in ("teacher", "student"):
        make(str(folder / f"{name}.toml"), data, folder / "work", Console(file=io.StringIO()))
    return folder


def job_of(folder, recipe):
    return Job(*read_recipe(str(recipe)), "", folder / "data", folder / "work", Console(file=io.StringIO()))


def test_a_recipe_without_a_bundle_ends_with_the_network(place):
    assert read_recipe(str(place / "teacher.toml"))[0].stages == ("base", "finetune")
    assert sorted(path.name for path in (place / "work/grown").iterdir() if path.is_dir()) == [
        "base",
        "checkpoints",
        "finetune",
    ]


def test_the_distilled_student_is_the_one_that_is_packed(place):
    distilled = load_trained(place / "work/tiny/distil")
    assert distilled.record.stage == "distil"
    assert len(distilled.record.looks) == 1
    assert not load_trained(place / "work/tiny/finetune").record.looks
    assert distilled.record.best > 0.9
    assert (place / "work/tiny/pack/tiny/bundle.json").exists()


def test_the_bundle_states_its_teachers_score_and_how_often_both_agree(place):
    quality = load_bundle(place / "work/tiny/pack/tiny").manifest.quality
    teacher = load_trained(place / "work/grown/finetune")
    (look,) = teacher.record.looks
    assert {f"{each.metric}, {each.split}": each.teacher for each in quality} == look.figures
    assert "beside its student" in look.why
    rows = read_official(Task.CLASSIFY, place / "data", "tnews").rows
    said = answers_of(teacher, rows)
    right = np.mean([answer.labels[0].label == row.label for answer, row in zip(said, rows, strict=True)])
    assert quality[0].teacher == pytest.approx(right)
    assert re.search(r"Its teacher says the same of \d+\.\d % of the texts\.", quality[0].notes)


def test_what_the_teacher_said_is_kept_and_not_asked_again(place):
    job = job_of(place, place / "student.toml")
    teacher = load_trained(place / "work/grown/finetune")
    rows = split_of(job).validation
    texts, truth = [row.asked for row in rows], [list(kit.TOPICS).index(row.label) for row in rows]
    said = said_of_texts(job, teacher, texts)
    assert np.mean([own.argmax() == true for own, true in zip(said, truth, strict=True)]) > 0.8
    (part,) = [path for path in (place / "work/tiny/teacher").rglob("*.npy") if len(np.load(path)) == 20]
    np.save(part, np.full((20, 2), 7, np.float32))
    assert all((own == 7).all() for own in said_of_texts(job, teacher, texts))


def test_a_teacher_speaks_on_altered_copies_too(place):
    text = (place / "student.toml").read_text("utf-8")
    more = text.replace("hard = 0.5", "hard = 0.5\naltered = 2").replace('work = "tiny"', 'work = "altered"')
    (place / "altered.toml").write_text(more, "utf-8")
    job = job_of(place, place / "altered.toml")
    make(str(place / "altered.toml"), job.data, job.work, Console(file=io.StringIO()), last="distil")
    split, tokenizer = split_of(job), load_trained(job.before("distil")).tokenizer()
    raw = unlabelled(job, job.distil.texts, split, tokenizer)
    copies = spoken_on(job, job.distil, split, tokenizer)[: -len(raw)]
    asked = [row.asked for row in split.train]
    assert len(asked) < len(copies) <= 2 * len(asked)
    assert not set(copies) & set(asked)
    said = [np.load(path) for path in (job.work / "altered/teacher").rglob("*.npy")]
    assert len(asked) + len(copies) + len(raw) in {len(rows) for rows in said}


def test_of_a_text_in_windows_a_teacher_of_classes_says_their_mean(place):
    job, teacher = job_of(place, place / "student.toml"), load_trained(place / "work/grown/finetune")
    long = Text("足球比赛" * 3 + "股票基金" * 6)
    (encoded,) = encode(teacher.config, teacher.tokenizer(), [long])
    each = said_of_windows(job, teacher, [example.ids.tolist() for example in encoded.examples])
    assert len(each) > 1
    (said,) = said_of_texts(job, teacher, [long])
    np.testing.assert_allclose(said, np.mean(each, axis=0), rtol=1e-5)
    assert np.ptp([own[0] for own in each]) > 0.01


def test_a_teacher_that_knows_the_validation_rows_is_refused(place):
    teacher = load_trained(place / "work/grown/finetune")
    update_record(teacher, msgspec.structs.replace(teacher.record, seed=99))
    try:
        with pytest.raises(MakeError, match="held out other rows"):
            make(
                str(place / "student.toml"),
                place / "data",
                place / "work",
                Console(file=io.StringIO()),
                first="distil",
            )
    finally:
        update_record(teacher, teacher.record)
    assert (place / "work/tiny/distil/network.safetensors").exists()


def test_what_a_teacher_says_of_a_text_holds_for_each_window_of_the_student():
    one, other = np.array([1.0, 3.0]), np.array([1.0, 2.0])
    assert [row.tolist() for row in for_windows([one, other], [2, 1])] == [[1, 3], [1, 3], [1, 2]]


def test_windows_with_an_answer_and_those_of_raw_texts_are_all_learnt():
    targets = [[3, 5], [NO_LABEL, NO_LABEL], *([[0, 0]] * 400)]
    examples = Examples([[place] for place in range(402)], targets, [402])
    kept = examples.without_most_empty(0.4, seed=1)
    assert kept[:2] == [0, 1]
    assert 120 < len(kept) < 200
    assert examples.of(kept).ids == [[place] for place in kept]
    assert kept == examples.without_most_empty(0.4, seed=1)
