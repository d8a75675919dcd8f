"""The work that every peer does for a batch of texts, so that only the servers around it differ.

The same file of the network, the same tokenizer, the same windows and labels as qingmo's, in plain
onnxruntime with one thread: what a user of those servers would write.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from tokenizers import Tokenizer

TOP = 5
Scores = NDArray[np.float32]


def options() -> argparse.Namespace:
    """The flags that all peers take; qingmo-serve's others are let through."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--bundles", type=Path, required=True)
    parser.add_argument("--models", required=True)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--wait-ms", type=float, default=0.0)
    return parser.parse_known_args()[0]


class Model:
    """A bundle's network; `classify` runs all texts in one call of it."""

    def __init__(self, folder: Path) -> None:
        self.manifest = json.loads((folder / "bundle.json").read_bytes())
        self.layout = self.manifest["layout"]
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.encode_special_tokens = True
        threads = ort.SessionOptions()
        threads.intra_op_num_threads = threads.inter_op_num_threads = 1
        graph = str(folder / self.manifest["graphs"][0]["file"])
        self.session = ort.InferenceSession(graph, threads, providers=["CPUExecutionProvider"])

    def classify(self, texts: list[str]) -> list[dict[str, Any]]:
        """The best labels of each text; a long text is the mean of its windows."""
        cut = [self._windows(e.ids) for e in self.tokenizer.encode_batch(texts, add_special_tokens=False)]
        logits = iter(self._run([window for windows in cut for window in windows]))
        return [self._labels(np.mean([next(logits) for _ in windows], axis=0)) for windows in cut]

    def _windows(self, ids: list[int]) -> list[list[int]]:
        prefix, suffix = self.layout["prefix"], self.layout["suffix"]
        room = self.layout["max_length"] - len(prefix) - len(suffix)
        stride = room - min(self.layout["overlap"], room // 2)
        starts = range(0, max(len(ids) - room, 0) + stride, stride)
        return [prefix + ids[start : start + room] + suffix for start in starts]

    def _run(self, windows: list[list[int]]) -> Scores:
        width = max(map(len, windows))
        ids = np.full((len(windows), width), self.layout["pad"], dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, window in enumerate(windows):
            ids[row, : len(window)], mask[row, : len(window)] = window, 1
        feed = {self.layout["ids"]: ids, self.layout["mask"]: mask}
        scores: Scores = self.session.run(self.layout["outputs"], feed)[0]
        return scores

    def _labels(self, logits: Scores) -> dict[str, Any]:
        shares = np.exp(logits - logits.max())
        shares /= shares.sum()
        best = np.argsort(-shares)[:TOP]
        return {"labels": [self.manifest["labels"][i] | {"score": float(shares[i])} for i in best]}
