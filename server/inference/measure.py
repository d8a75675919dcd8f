"""The engine's own speed on given texts, without HTTP or line: what `qingmo-serve measure` prints."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from server.inference.job import Logits
from server.inference.predictor import Predictor
from server.inference.values import Example, Options, Text

S = TypeVar("S")
T = TypeVar("T")
_WARM_UP = 20
_PORTION = 64
_OPTIONS = Options()
_Batch = tuple[int, list[Example]]


@dataclass(frozen=True, slots=True)
class Stage:
    """Milliseconds a text in one stage: median and 95th percentile of wall time, mean of CPU time."""

    p50_ms: float
    p95_ms: float
    cpu_ms: float


@dataclass(frozen=True, slots=True)
class Lone:
    """Texts asked one after another, each alone, in one thread."""

    tokenise: Stage
    infer: Stage
    decode: Stage
    total: Stage


@dataclass(frozen=True, slots=True)
class Loaded:
    """The same texts at full load: sorted into widths, in the batches that pay.

    `cpu_ms` is the process's CPU time a text, in each stage and in all.
    """

    texts_a_second: float
    rows_a_batch: float
    tokenise_cpu_ms: float
    infer_cpu_ms: float
    decode_cpu_ms: float
    cpu_ms: float


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast a bundle answers here; `padding` is the share of slots at full load that hold no token."""

    texts: int
    tokens_a_text: float
    padding: float
    threads: int
    lone: Lone
    loaded: Loaded


def measure(predictor: Predictor, texts: Sequence[Text], *, threads: int = 1) -> Speed:
    """Answer all texts twice, alone and at full load, and say what it took.

    Args:
        predictor: Started.
        texts: Checked, one at least; several hundred give steady figures.
        threads: That share the full load.
    """
    encoded = [predictor.encode(text) for text in texts]
    examples = [example for each in encoded for example in each.examples]
    batches = _batches(predictor, examples)
    tokens = sum(example.length for example in examples)
    slots = sum(width * len(batch) for width, batch in batches)
    return Speed(
        texts=len(texts),
        tokens_a_text=tokens / len(texts),
        padding=1 - tokens / slots,
        threads=threads,
        lone=_lone(predictor, texts),
        loaded=_loaded(predictor, texts, threads),
    )


def _lone(predictor: Predictor, texts: Sequence[Text]) -> Lone:
    for text in texts[:_WARM_UP]:
        predictor.answer(text)
    marks = np.array([_marks(predictor, text) for text in texts])  # [texts, 4 moments, wall and CPU]
    spent = np.diff(marks, axis=1) * 1000
    stages = [*spent.transpose(1, 0, 2), spent.sum(axis=1)]  # each [texts, wall and CPU]
    return Lone(*(_stage(stage[:, 0], stage[:, 1]) for stage in stages))


def _marks(predictor: Predictor, text: Text) -> list[tuple[float, float]]:
    marks = [_now()]
    encoded = predictor.encode(text)
    marks.append(_now())
    logits = [predictor.run([each], predictor.cost.width_for(each.length))[0] for each in encoded.examples]
    marks.append(_now())
    predictor.decode(encoded, logits, _OPTIONS)
    marks.append(_now())
    return marks


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.thread_time()


def _stage(wall: NDArray[np.float64], cpu: NDArray[np.float64]) -> Stage:
    p50, p95 = np.percentile(wall, [50, 95])
    return Stage(float(p50), float(p95), float(cpu.mean()))


def _loaded(predictor: Predictor, texts: Sequence[Text], threads: int) -> Loaded:
    with ThreadPoolExecutor(threads) as pool:
        began, cpu = time.perf_counter(), [time.process_time()]
        encoded = _spread(pool, predictor.encode, texts)
        cpu.append(time.process_time())
        batches = _batches(predictor, [example for each in encoded for example in each.examples])
        rows = _run(pool, predictor, batches)
        cpu.append(time.process_time())
        _spread(
            pool, lambda each: predictor.decode(each, [rows[id(e)] for e in each.examples], _OPTIONS), encoded
        )
        cpu.append(time.process_time())
        wall = time.perf_counter() - began
    tokenise, infer, decode = (float(ms) for ms in np.diff(cpu) * 1000 / len(texts))
    return Loaded(
        texts_a_second=len(texts) / wall,
        rows_a_batch=len(rows) / len(batches),
        tokenise_cpu_ms=tokenise,
        infer_cpu_ms=infer,
        decode_cpu_ms=decode,
        cpu_ms=tokenise + infer + decode,
    )


def _spread(pool: ThreadPoolExecutor, work: Callable[[S], T], things: Sequence[S]) -> list[T]:
    """`work` on all things, in portions large enough to hide the pool's own cost."""
    portions = [things[at : at + _PORTION] for at in range(0, len(things), _PORTION)]
    done = pool.map(lambda portion: [work(thing) for thing in portion], portions)
    return [result for results in done for result in results]


def _run(pool: ThreadPoolExecutor, predictor: Predictor, batches: Sequence[_Batch]) -> dict[int, Logits]:
    """The logits by the identity of their example."""
    done = pool.map(lambda batch: predictor.run(batch[1], batch[0]), batches)
    return {
        id(example): row
        for (_, examples), rows in zip(batches, done, strict=True)
        for example, row in zip(examples, rows, strict=True)
    }


def _batches(predictor: Predictor, examples: Sequence[Example]) -> list[_Batch]:
    """Full batches of one width each, as the line forms them when much waits."""
    batches: list[_Batch] = []
    for width in predictor.cost.widths:
        waiting = iter([each for each in examples if predictor.cost.width_for(each.length) == width])
        while batch := list(islice(waiting, predictor.cost.most_rows(width))):
            batches.append((width, batch))
    return batches
