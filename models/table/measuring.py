"""Asks one model after another its official split, in every form that is here; looks are recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec import UNSET, UnsetType

from models.errors import MakeError
from models.layout import encode
from models.quality import Official, ask, quality_of, read_official, record_look, stated_official
from models.table.lines import Answered, Seen, line_of, untouched
from models.table.sheet import Line
from models.table.subject import Subject
from models.table.twin import float_twin, milliseconds
from models.workspace import Trained, load_trained
from server.inference.bundle import Bundle
from server.inference.predictor import Predictor
from server.inference.values import Encoded

TIMED = 300  # texts


class Measuring:
    """One run over several models; what a network says in torch is asked once.

    Args:
        data: The folder with the data sets.
        work: Where recipes are made.
    """

    def __init__(self, data: Path, work: Path) -> None:
        self._data, self._work = data, work
        self._said: dict[tuple[Path, str, float | UnsetType], Answered] = {}

    def line(self, subject: Subject) -> Line:
        """All that can be found out; MakeError where the data set is not there."""
        if subject.bundle:
            official = stated_official(subject.bundle.manifest, self._data)
            seen = self._of_bundle(subject.bundle, subject, official)
        elif subject.trained and subject.recipe:
            official = read_official(subject.recipe.task, self._data, subject.recipe.data.set)
            seen = self._of_network(subject.trained, official)
        else:
            return untouched(subject)
        return line_of(subject, official, replace(seen, teacher=self._teacher(subject, official)))

    def _of_bundle(self, bundle: Bundle, subject: Subject, official: Official) -> Seen:
        """Beside its twin with the float graph; without such a graph its network is asked in torch."""
        with TemporaryDirectory() as scratch:
            twin = float_twin(bundle, subject.graph, Path(scratch) / "twin") if subject.graph else None
            seen = _in_turn(bundle, twin, official)
        if subject.trained is None:
            return seen
        _looked(subject.trained, official, seen.int8, "the int8 bundle")
        if seen.fp32 is None:
            return replace(seen, fp32=self._in_torch(subject.trained, official, bundle.manifest.brevity))
        _looked(subject.trained, official, seen.fp32, "the float graph")
        return seen

    def _of_network(self, trained: Trained, official: Official) -> Seen:
        asked = [row.asked for row in official.rows]
        tokens = _tokens(encode(trained.config, trained.tokenizer(), asked))
        return Seen(tokens, fp32=self._in_torch(trained, official))

    def _teacher(self, subject: Subject, official: Official) -> Answered | None:
        """What its teacher says; None where it has none, or it is not here, or another was made since."""
        if not subject.teacher:
            return None
        try:
            trained = load_trained(self._work / subject.teacher / "finetune")
        except MakeError:
            return None
        if trained.record.made > subject.made:
            return None
        brevity = subject.bundle.manifest.brevity if subject.bundle else UNSET
        return self._in_torch(trained, official, brevity)

    def _in_torch(self, trained: Trained, official: Official, brevity: float | UnsetType = UNSET) -> Answered:
        """The answers of a network that has no graph; a reader's with `brevity`."""
        from models.teachers import answers_of  # noqa: PLC0415 - needs torch

        key = trained.folder, official.name, brevity
        if key not in self._said:
            self._said[key] = answers_of(trained, official.rows, brevity)
            _looked(trained, official, self._said[key], "the network in torch")
        return self._said[key]


def _looked(trained: Trained, official: Official, said: Answered | None, what: str) -> None:
    assert said is not None, "only what was asked was looked at. This is a bug."
    quality = quality_of(official, said, trained.record.seed)
    record_look(trained, official, quality, f"{what}, for the table of models")


def _in_turn(bundle: Bundle, twin: Bundle | None, official: Official) -> Seen:
    """Both asked all rows, and timed on some, evenly taken."""
    predictors = [Predictor(each) for each in (bundle, twin) if each]
    for predictor in predictors:
        predictor.start()
    answers = [ask(predictor, official.rows) for predictor in predictors]
    texts = [row.asked for row in official.rows]
    times = milliseconds(predictors, texts[:: max(1, len(texts) // TIMED)][:TIMED])
    seen = Seen(_tokens([predictors[0].encode(text) for text in texts]), int8=answers[0], int8_ms=times[0])
    return replace(seen, fp32=answers[1], fp32_ms=times[1]) if twin else seen


def _tokens(encoded: Sequence[Encoded]) -> float:
    """Of all windows of a text, special ones included; the mean over texts."""
    return sum(example.length for one in encoded for example in one.examples) / len(encoded)
