"""What a making keeps and what it makes anew, on a tiny recipe really made."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import pytest
from rich.console import Console

pytest.importorskip("torch")
pytest.importorskip("onnx")

from models.errors import MakeError
from models.made import made_of
from models.make import make
from models.recipe import read_recipe
from models.workspace import alone, load_trained
from server.inference.bundle import load_bundle
from tests.kit import making_kit as kit

TRAINING = "epochs = 1\nrate = 1e-3\nhead_rate = 1e-3\n"
STAGES = ("base", "finetune", "export", "quantise", "evaluate", "pack")


class Place:
    """A folder with a recipe, its data and what was made of it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.recipe, self.data = folder, folder / "tiny.toml", folder / "data"
        self.work = folder / "work"

    @property
    def base(self) -> str:
        """The recipe's line that names it."""
        return next(line for line in self.recipe.read_text("utf-8").splitlines() if line.startswith("base ="))

    def make(self, *, out: io.StringIO | None = None, first: str = "", last: str = "") -> list[str]:
        """The stages that were made and not kept."""
        said = out or io.StringIO()
        console = Console(file=said, width=200)
        make(str(self.recipe), self.data, self.work, console, first=first, last=last)
        return [stage for stage in STAGES if f"{stage}: begins" in said.getvalue()]

    def change(self, old: str, new: str) -> None:
        text = self.recipe.read_text("utf-8")
        assert old in text
        self.recipe.write_text(text.replace(old, new), "utf-8")


class Interrupted(io.StringIO):
    """A console that is interrupted when the second epoch has ended."""

    def write(self, text: str) -> int:
        written = super().write(text)
        if "epoch 2: loss" in self.getvalue():
            raise KeyboardInterrupt
        return written


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    place = Place(tmp_path_factory.mktemp("made"))
    kit.write_data(place.data)
    kit.write_recipe(place.folder, kit.write_base(place.folder / "tiny.bin"))
    assert place.make() == list(STAGES)
    return place


@pytest.fixture
def place(made, tmp_path):
    shutil.copytree(made.folder, tmp_path, dirs_exist_ok=True)
    return Place(tmp_path)


def test_what_is_done_is_kept(place):
    assert place.make() == []
    assert made_of(str(place.recipe), place.work).stages == list(STAGES)


def test_an_interrupted_stage_goes_on_and_what_stood_on_its_old_result_is_made_anew(place):
    before = load_trained(place.work / "tiny/finetune").record
    with pytest.raises(KeyboardInterrupt):
        place.make(out=Interrupted(), first="finetune")
    assert load_trained(place.work / "tiny/finetune").record == before, "the old result stays until then"
    said = io.StringIO()
    assert place.make(out=said) == list(STAGES[1:])
    assert "goes on after" in said.getvalue()
    assert load_trained(place.work / "tiny/finetune").record.looks[: len(before.looks)] == before.looks


def test_a_stage_made_anew_alone_makes_the_later_ones_out_of_date(place):
    assert place.make(first="base", last="base") == ["base"]
    assert made_of(str(place.recipe), place.work).stages == ["base"]
    assert place.make() == list(STAGES[1:])


@pytest.mark.parametrize(
    ("old", "new", "anew"),
    [
        ("rate = 3e-3", "rate = 2e-3", STAGES[1:]),
        ("gate = 10", "gate = 20", STAGES[3:]),
        ('title = "小"', 'title = "大"', STAGES[4:]),
        ("size = 140", "size = 139", STAGES),
        ('name = "tiny"', 'name = "other"', STAGES[4:]),
        ("bfloat16 = false", "bfloat16 = false\ncheckpoint_seconds = 7", ()),
    ],
)
def test_a_changed_recipe_makes_anew_what_it_changes_and_all_that_stands_on_it(place, old, new, anew):
    place.change(old, new)
    finished = made_of(str(place.recipe), place.work).stages
    assert finished == list(STAGES[: len(STAGES) - len(anew)])
    assert place.make() == list(anew)


def test_other_rows_to_be_measured_on_are_measured_on(place):
    path = place.data / "tnews/dev.json"
    path.write_text("".join(path.read_text("utf-8").splitlines(keepends=True)[:30]), "utf-8")
    assert place.make() == ["evaluate", "pack"]


def test_rows_of_another_set_are_learnt_anew_where_other_rows_are_measured_on(place):
    (place.data / "more").mkdir()
    row = json.dumps({"text": "今天的足球比赛进球队员很好", "label": "news_sports"})
    (place.data / "more/train.jsonl").write_text(row, "utf-8")
    place.change("validation = 20", "validation = 20\nalso = { more = 5 }")
    assert place.make() == list(STAGES)
    path = place.data / "tnews/dev.json"
    path.write_text("".join(path.read_text("utf-8").splitlines(keepends=True)[:30]), "utf-8")
    assert place.make() == list(STAGES), "what is measured on is not to be learnt"


def test_another_base_under_the_same_name_is_taken(place):
    place.change(place.base, f'base = "{place.folder / "tiny.bin"}"')
    assert place.make(last="base") == ["base"]
    kit.write_base(place.folder / "tiny.bin", seed=1)
    assert place.make() == list(STAGES)


def test_what_changes_while_a_stage_is_made_is_not_vouched_for(place):
    path = place.data / "tnews/train.json"

    class Meddling(io.StringIO):
        def write(self, text: str) -> int:
            if "counting" in text:
                path.write_text(path.read_text("utf-8") * 2, "utf-8")
            return super().write(text)

    assert place.make(out=Meddling(), first="base", last="base") == ["base"]
    assert place.make(last="base") == ["base"]


def test_a_network_that_a_former_version_left_is_taken_over_if_it_is_of_this_recipe(place):
    for stamp in (place.work / "tiny").glob("*/stamp.json"):
        stamp.unlink()
    assert place.make() == list(STAGES[2:])
    assert place.make() == []
    for stamp in (place.work / "tiny").glob("*/stamp.json"):
        stamp.unlink()
    place.change("rate = 3e-3", "rate = 2e-3")
    assert place.make(last="finetune") == ["base", "finetune"]


def test_a_bundle_that_was_a_base_may_go_once_it_was_taken(place):
    bundle = shutil.copytree(place.work / "tiny/pack/tiny", place.folder / "bundle")
    version = load_bundle(bundle).manifest.version[:12]
    place.change(place.base, f'base = "{bundle}@{version}"')
    place.change("[0, 2]", "[0, 1]")
    place.change('work = "tiny"', 'work = "further"')
    assert place.make() == list(STAGES)
    shutil.rmtree(bundle)
    assert place.make(first="pack") == ["pack"]


def test_looks_are_kept_once_each(place):
    for times in (1, 2, 3):
        record = load_trained(place.work / "tiny/finetune").record
        assert len(record.looks) == times
        place.make(first="finetune")


def test_from_after_until_is_refused(place):
    with pytest.raises(MakeError, match='"evaluate" comes after "base"'):
        place.make(first="evaluate", last="base")
    assert place.make() == []


def test_other_data_under_the_same_name_is_learnt(place):
    path = place.data / "tnews/train.json"
    row = json.loads(path.read_text("utf-8").splitlines()[0])
    with path.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps({**row, "sentence": row["sentence"] + "消息"}, ensure_ascii=False) + "\n")
    assert place.make(last="base") == ["base"]


def test_a_layer_that_the_base_has_not_is_said_whatever_is_done(place):
    place.change("layers = [0, 2]", "layers = [0, 99]")
    with pytest.raises(MakeError, match="has 0 to 2"):
        place.make()


def test_a_base_that_is_gone_is_said_whatever_is_done(place):
    place.change("tiny.bin", "gone.bin")
    with pytest.raises(MakeError, match=r"gone\.bin"):
        place.make()


def test_a_label_of_the_official_split_that_the_recipe_does_not_name_is_said_at_once(place):
    path = place.data / "tnews/dev.json"
    rows = path.read_text("utf-8").replace("news_finance", "news_weather", 1)
    path.write_text(rows, "utf-8")
    with pytest.raises(MakeError, match=r'dev\.json, row \d+: the label "news_weather"'):
        place.make()


@pytest.mark.parametrize("change", [("seed = 3", "seed = 4"), ("validation = 20", "validation = 30")])
def test_a_teacher_that_knows_what_is_held_out_is_refused_at_once(place, change):
    place.change(*change)
    place.change('work = "tiny"', 'work = "student"')
    with place.recipe.open("a", encoding="utf-8") as recipe:
        recipe.write(
            '[distil]\nteacher = "tiny"\n[distil.training]\nepochs = 1\nrate = 1e-3\nhead_rate = 1e-3\n'
        )
    with pytest.raises(MakeError, match="held out other rows"):
        place.make()
    assert not (place.work / "student/base").exists()


def test_layers_to_imitate_that_the_base_has_not_are_said_at_once(place):
    place.change('work = "tiny"', 'work = "other"')
    with place.recipe.open("a", encoding="utf-8") as recipe:
        recipe.write(
            "[pretrain]\ntexts = { tnews = 50 }\n[pretrain.imitate]\nlayers = [2, 3]\nhidden = 1.0\n"
        )
        recipe.write("[pretrain.training]\nepochs = 1\nrate = 1e-3\nhead_rate = 1e-3\n")
    with pytest.raises(MakeError, match=r"\[pretrain\] imitates layers \[2, 3\]; there are 0 to 2"):
        place.make()


def test_two_makings_do_not_share_a_folder(place):
    with (
        alone(place.work / read_recipe(str(place.recipe))[0].work),
        pytest.raises(MakeError, match="Another making"),
    ):
        place.make()
    assert place.make() == []
