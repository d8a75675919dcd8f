"""Whether a manifest makes sense: the rules that its schema cannot say. Reads no files."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from itertools import pairwise

from server.inference.manifest import Manifest
from server.inference.values import Task


def broken_rule(manifest: Manifest) -> str:
    """One sentence on the first rule that the manifest breaks; empty if it breaks none."""
    rules: tuple[Callable[[Manifest], str], ...] = (_labels, _tags, _thresholds, _layout, _cost, _files)
    return next((problem for rule in rules if (problem := rule(manifest))), "")


def entity_types(tags: tuple[str, ...]) -> tuple[str, ...]:
    """The types that the tags of a tagger name, such as `per` in `B-per`, in order of first mention."""
    return tuple(dict.fromkeys(tag[2:] for tag in tags if tag != "O"))


def _labels(manifest: Manifest) -> str:
    labels = [each.label for each in manifest.labels]
    if len(set(labels)) < len(labels):
        return f"lists the label {Counter(labels).most_common(1)[0][0]!r} twice."
    if manifest.task is Task.QA and labels:
        return "has labels, but question answering takes none."
    least = 1 if manifest.multi_label else 2
    if manifest.task in (Task.CLASSIFY, Task.PAIR) and len(labels) < least:
        return f"has {len(labels)} labels, but the task {manifest.task} takes at least {least}."
    return ""


def _tags(manifest: Manifest) -> str:
    if manifest.task is not Task.NER:
        return "has tags, but only the task ner takes them." if manifest.tags else ""
    tags = manifest.tags
    if "O" not in tags or len(set(tags)) < len(tags):
        return "needs the tag O and each other tag once."
    odd = [tag for tag in tags if tag != "O" and (tag[:2] not in {"B-", "I-", "E-", "S-"} or len(tag) < 3)]
    if odd:
        return f"has the tag {odd[0]!r}; tags are O and B-, I-, E- or S- with a type."
    types, labels = set(entity_types(tags)), {each.label for each in manifest.labels}
    if types != labels:
        return f"has tags of the types {sorted(types)}, but the labels {sorted(labels)}."
    return ""


def _thresholds(manifest: Manifest) -> str:
    if not manifest.thresholds:
        return ""
    if not manifest.multi_label:
        return "has thresholds, but only a bundle of several labels a text takes them."
    if len(manifest.thresholds) != len(manifest.labels):
        return f"has {len(manifest.thresholds)} thresholds for {len(manifest.labels)} labels."
    if not all(0 <= threshold <= 1 for threshold in manifest.thresholds):
        return "has a threshold outside 0 to 1."
    return ""


def _layout(manifest: Manifest) -> str:
    layout = manifest.layout
    special = len(layout.prefix) + len(layout.middle) + len(layout.suffix)
    if layout.max_length <= special:
        return f"has max_length {layout.max_length}, which leaves no room beside {special} special tokens."
    if not 0 <= layout.overlap < layout.max_length - special:
        return f"has overlap {layout.overlap}; windows of {layout.max_length} tokens would not move on."
    most = 2 if manifest.task is Task.QA else 1
    if not 1 <= len(layout.outputs) <= most:
        return f"reads {len(layout.outputs)} outputs, but the task {manifest.task} takes 1 to {most}."
    return ""


def _cost(manifest: Manifest) -> str:
    cost = manifest.cost
    if not _rising(cost.rows) or not _rising(cost.widths) or cost.rows[0] != 1:
        return "has a cost curve whose rows (from 1 on) and widths do not rise."
    if cost.widths[-1] < manifest.layout.max_length:
        return f"has runs of at most {cost.widths[-1]} tokens, but windows of {manifest.layout.max_length}."
    if [len(row) for row in cost.seconds] != [len(cost.widths)] * len(cost.rows):
        return "has a cost curve without a time for each of its rows and widths."
    if not all(math.isfinite(seconds) and seconds > 0 for row in cost.seconds for seconds in row):
        return "has a cost curve with a time that is not above zero."
    return ""


def _files(manifest: Manifest) -> str:
    listed = Counter(each.path for each in manifest.files)
    twice = [path for path, count in listed.items() if count > 1]
    if twice:
        return f"lists the file {twice[0]!r} twice."
    needed = (*(graph.file for graph in manifest.graphs), "tokenizer.json")
    missing = [name for name in needed if name not in listed]
    return f"does not list the digest of {missing[0]!r}." if missing else ""


def _rising(numbers: tuple[int, ...]) -> bool:
    return bool(numbers) and all(low < high for low, high in pairwise(numbers))
