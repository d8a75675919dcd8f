"""One bundle wired up: text to tickets, examples to logits to answer; warmed up and self-tested at start."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from server.errors import BadBundle, NotReady
from server.inference.batching import Lane
from server.inference.bundle import Bundle
from server.inference.check import PAIRED
from server.inference.cost import Cost, measure_factor
from server.inference.decoding import decoder_for
from server.inference.encoding import Encoder
from server.inference.golden import difference
from server.inference.job import Job, Waiting
from server.inference.runtime import Logits, Session, collate, own_rows
from server.inference.values import Answer, Encoded, Example, Options, Task, Text

_SAMPLE = "今天天气很好，我们去公园看花。The 3rd 5G phone costs 1999 yuan! 新闻：国内外经济形势总体平稳。"


class Predictor:
    """A bundle that answers. Its methods may be called by several threads at once, after `start`.

    Raises:
        BadBundle: The tokenizer and the layout do not go together.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        manifest = bundle.manifest
        self.name = manifest.name
        self.task = manifest.task
        self.cost = Cost(manifest.cost, max_rows=bundle.graph.max_rows)
        self._pad = manifest.layout.pad
        self._encoder = Encoder(bundle.tokenizer, manifest.task, manifest.layout)
        self._decoder = decoder_for(manifest)
        self._session: Session | None = None

    def start(self) -> None:
        """Open the graph, measure this machine, run every width once, and ask the golden examples.

        A width at which an answer would depend on its company, be it in the last bit, runs one row at a time.

        Raises:
            BadBundle: The graph does not do what the manifest says.
        """
        manifest = self.bundle.manifest
        self._session = Session(self.bundle.graph_path, manifest.layout, self.name)
        samples = self._samples()
        try:
            self._check_shapes(samples)
            factor = measure_factor(manifest.cost, lambda width: self._run_sample(samples, width))
            cost = Cost(manifest.cost, factor, self.bundle.graph.max_rows)
            alone = frozenset(width for width in cost.widths if not self._independent(samples, width, cost))
            self.cost = Cost(manifest.cost, factor, self.bundle.graph.max_rows, alone)
        except BadBundle:
            raise
        except Exception as error:
            raise BadBundle(f"Bundle {self.name}: the graph fails on a sample text: {error}") from error
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

    def fill(self, job: Job, encoded: Sequence[Encoded], arrived: float, deadline: float, lane: Lane) -> None:
        """Write a ticket for every example of a request into its empty job.

        Args:
            job: Empty.
            encoded: The texts of the request, in order.
            arrived: On the line's clock.
            deadline: On the same; infinite for none.
            lane: Where the tickets are to wait.
        """
        for text, each in enumerate(encoded):
            for example in each.examples:
                width = self.cost.width_for(example.length)
                most_rows = self.cost.most_rows(width)
                # A lone text may have to run alone; bulk fills its batches.
                rows = 1 if lane is Lane.SINGLE else most_rows
                cost = self.cost.seconds(rows, width) / rows
                job.add(
                    Waiting(self.name, width, lane, most_rows, cost, arrived, deadline, example, job, text)
                )

    def _samples(self) -> Example:
        text = _SAMPLE * (self.bundle.manifest.layout.max_length // len(_SAMPLE) * 4 + 4)
        return self.encode(Text(text, text if self.task in PAIRED else None)).examples[0]

    def _check_shapes(self, sample: Example) -> None:
        manifest = self.bundle.manifest
        width = self.cost.widths[0]
        (logits,) = self.run(list(_rows(sample, 1, width)), width)
        wide = {Task.NER: (width, len(manifest.tags)), Task.QA: (width, 2)}
        shape = wide.get(self.task, (len(manifest.labels),))
        if logits.shape != shape:
            raise BadBundle(
                f"Bundle {self.name}: the graph gives scores of shape {list(logits.shape)} for a text of "
                f"{width} tokens; the task {self.task} needs {list(shape)}."
            )
        if not np.isfinite(logits).all():
            raise BadBundle(f"Bundle {self.name}: the graph gives scores that are not finite.")

    def _run_sample(self, sample: Example, width: int) -> None:
        self.run(list(_rows(sample, 1, width)), width)

    def _independent(self, sample: Example, width: int, cost: Cost) -> bool:
        """Whether the first and the last row of a full batch come out as alone, to the last bit."""
        examples = list(_rows(sample, cost.most_rows(width), width))
        together = self.run(examples, width)
        return all(
            np.array_equal(together[row], self.run([examples[row]], width)[0])
            for row in {0, len(examples) - 1}
        )

    def _ask_golden(self) -> None:
        for number, golden in enumerate(self.bundle.manifest.golden):
            found = difference(golden.expected, self.answer(Text(golden.text, golden.second)))
            if found:
                raise BadBundle(f"Bundle {self.name}: golden example {number} came out otherwise: {found}")


def _rows(sample: Example, rows: int, width: int) -> Iterator[Example]:
    """Different rows of one sample, each `width` tokens wide where the sample is long enough."""
    for row in range(rows):
        ids = np.resize(np.roll(sample.ids, -row), width)
        types = None if sample.types is None else np.resize(sample.types, width)
        yield Example(ids, types, sample.window)
