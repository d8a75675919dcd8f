"""Manifests for tests that need no graph: only what decoders read is true."""

from __future__ import annotations

from collections.abc import Sequence

from server.inference.manifest import SCHEMA, CostCurve, Graph, LabelName, Layout, Lineage, Manifest, Terms
from server.inference.values import Task
from tests.kit.tokenizer_kit import layout


def manifest(
    task: Task,
    *,
    labels: Sequence[str] = (),
    tags: Sequence[str] = (),
    thresholds: Sequence[float] | None = None,
    no_answer: bool = False,
    max_answer_chars: int = 64,
    inputs: Layout | None = None,
) -> Manifest:
    """A manifest with names made of the labels; several labels at once where thresholds are a tuple."""
    return Manifest(
        schema=SCHEMA,
        name="tiny",
        task=task,
        title="A test's bundle",
        labels=tuple(LabelName(label=label, name=label.upper()) for label in labels),
        tags=tuple(tags),
        multi_label=thresholds is not None,
        thresholds=tuple(thresholds or ()),
        no_answer=no_answer,
        max_answer_chars=max_answer_chars,
        parameters=1,
        layout=inputs or layout(),
        graphs=(Graph(file="model.onnx", form="fp32"),),
        cost=CostCurve(machine="none", rows=(1,), widths=(64,), seconds=((0.001,),)),
        files=(),
        lineage=Lineage(base="", recipe="", recipe_sha256="", seed=0, commit="", made=""),
        terms=Terms(name="", text="", commercial_use=None),
    )
