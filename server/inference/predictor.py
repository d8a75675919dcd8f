"""One bundle wired up: text to tickets, examples to logits to answer; warmed up and self-tested at start."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from server.errors import BadBundle, NotReady
from server.inference.batching import Lane
from server.inference.bundle import Bundle
from server.inference.check import PAIRED
from server.inference.cost import MAX_RUN_SECONDS, Cost, measure_factor
from server.inference.decoding import decoder_for
from server.inference.encoding import Encoder
from server.inference.golden import difference
from server.inference.job import Job, Waiting
from server.inference.runtime import Logits, Session, collate, own_rows
from server.inference.values import Answer, Encoded, Example, Options, Task, Text

_SAMPLE = "今天天气很好，我们去公园看花。The 3rd 5G phone costs 1999 yuan! 新闻：国内外经济形势总体平稳。"


class Predictor:
    """A bundle that answers. Its methods may be called by several threads at once, after `start`.

    Args:
        bundle: As loaded.
        max_run_seconds: The longest run of several rows.

    Raises:
        BadBundle: The tokenizer and the layout do not go together.
    """

    def __init__(self, bundle: Bundle, max_run_seconds: float = MAX_RUN_SECONDS) -> None:
        self.bundle = bundle
        manifest = bundle.manifest
        self.name = manifest.name
        self.task = manifest.task
        self._max_run_seconds = max_run_seconds
        self.cost = self._cost(1.0, bundle.graph.max_rows)
        self._pad = manifest.layout.pad
        self._encoder = Encoder(bundle.tokenizer, manifest.task, manifest.layout)
        self._decoder = decoder_for(manifest)
        self._session: Session | None = None

    def start(self) -> None:
        """Open the graph, measure this machine, run every width once, and ask the golden examples.

        A graph whose answers depend on their company, be it in the last bit, runs one row at a time.

        Raises:
            BadBundle: The graph does not do what the manifest says.
        """
        manifest, max_rows = self.bundle.manifest, self.bundle.graph.max_rows
        self._session = Session(self.bundle.graph_path, manifest.layout, self.name)
        sample = self._sample()
        try:
            self._check_shape(sample)
            factor = measure_factor(manifest.cost, lambda width: self._run_sample(sample, width))
            cost = self._cost(factor, max_rows)
            alike = [self._independent(sample, width, cost.most_rows(width)) for width in cost.widths]
        except BadBundle:
            raise
        except Exception as error:
            raise BadBundle(f"Bundle {self.name}: the graph fails on a sample text: {error}") from error
        self.cost = cost if all(alike) else self._cost(factor, 1)
        self._ask_golden()

    def encode(self, text: Text) -> Encoded:
        """A checked text as the network sees it."""
        return self._encoder.encode(text)

    def decode(self, encoded: Encoded, logits: Sequence[Logits], options: Options) -> Answer:
        """The answer in the logits of a text's examples, in order."""
        return self._decoder.decode(encoded, logits, options)

    def run(self, examples: Sequence[Example], width: int) -> list[Logits]:
        """Run examples of at most `width` tokens together: one array an example, cut to its own length."""
        if self._session is None:
            raise NotReady(f"The model {self.name} has not been started.")
        return own_rows(self._session.run(collate(examples, width, self._pad)), examples)

    def seconds(self, rows: int, width: int) -> float:
        """Predicted wall time of such a run."""
        return self.cost.seconds(rows, width)

    def answer(self, text: Text, options: Options = Options()) -> Answer:  # noqa: B008 (frozen)
        """Answer one checked text in this thread, past the waiting line; evaluation and self-test do so."""
        encoded = self.encode(text)
        logits = [self.run([each], self.cost.width_for(each.length))[0] for each in encoded.examples]
        return self.decode(encoded, logits, options)

    def fill(self, job: Job, place: int, encoded: Encoded, deadline: float, lane: Lane) -> None:
        """Write a ticket for every example of a text into the job of its request.

        Args:
            job: Not submitted yet; holds the texts before this one.
            place: Of the text in its request.
            encoded: The text.
            deadline: On the line's clock; infinite for none.
            lane: Where the tickets are to wait.
        """
        for example in encoded.examples:
            width = self.cost.width_for(example.length)
            most_rows = self.cost.most_rows(width)
            # A lone text may have to run alone; bulk fills its batches.
            rows = 1 if lane is Lane.SINGLE else most_rows
            cost = self.cost.seconds(rows, width) / rows
            job.add(Waiting(self.name, width, lane, most_rows, cost, deadline, example, job, place))

    def _cost(self, factor: float, max_rows: int) -> Cost:
        return Cost(self.bundle.manifest.cost, factor, max_rows, self._max_run_seconds)

    def _sample(self) -> Example:
        text = _SAMPLE * (self.bundle.manifest.layout.max_length // len(_SAMPLE) * 4 + 4)
        return self.encode(Text(text, text if self.task in PAIRED else None)).examples[0]

    def _check_shape(self, sample: Example) -> None:
        manifest = self.bundle.manifest
        width = self.cost.widths[0]
        (logits,) = self.run([_cut(sample, width)], width)
        wide = {Task.NER: (width, len(manifest.tags)), Task.QA: (width, 2)}
        shape = wide.get(self.task, (len(manifest.labels),))
        one_of_two = shape == (2,) and logits.shape == (1,) and not manifest.multi_label
        if logits.shape != shape and not one_of_two:
            raise BadBundle(
                f"Bundle {self.name}: the graph gives scores of shape {list(logits.shape)} for a text of "
                f"{width} tokens; the task {self.task} needs {list(shape)}."
            )
        if not np.isfinite(logits).all():
            raise BadBundle(f"Bundle {self.name}: the graph gives scores that are not finite.")

    def _run_sample(self, sample: Example, width: int) -> None:
        self.run([_cut(sample, width)], width)

    def _independent(self, sample: Example, width: int, rows: int) -> bool:
        """Whether the rows of a full batch come out as alone, to the last bit; some rows are asked."""
        examples = _company(sample, rows, width)
        together = self.run(examples, width)
        asked = {0, rows // 2, rows - 1}
        return all(np.array_equal(together[row], self.run([examples[row]], width)[0]) for row in asked)

    def _ask_golden(self) -> None:
        for number, golden in enumerate(self.bundle.manifest.golden):
            found = difference(golden.expected, self.answer(Text(golden.text, golden.second)))
            if found:
                raise BadBundle(f"Bundle {self.name}: golden example {number} came out otherwise: {found}")


def _cut(sample: Example, width: int, start: int = 0, period: int | None = None) -> Example:
    """`width` tokens of the sample from `start` on, over and over if it is shorter or has a period."""
    ids = sample.ids[start:] if period is None else sample.ids[start : start + period]
    types = None if sample.types is None else np.resize(sample.types, width)
    return Example(np.resize(ids, width), types, sample.window)


def _company(sample: Example, rows: int, width: int) -> list[Example]:
    """Rows as unlike as can be: the sample, two of its tokens over and over, and hardly more than padding."""
    alike = [_cut(sample, width, start=row % len(sample.ids), period=2) for row in range(1, rows)]
    return [_cut(sample, width), *alike[:-1], *(_cut(each, 3) for each in alike[-1:])]
