"""Draws what was taken for what. Knows matplotlib, knows no task."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

from models.tasks.figures import Confusion

FONTS = ["Noto Sans CJK SC", "Noto Sans CJK JP", "WenQuanYi Zen Hei", "SimHei", "DejaVu Sans"]


def draw(confusion: Confusion, title: str, path: Path) -> None:
    """A square for each pair of labels, dark where many of the true label were answered so; an SVG file."""
    import matplotlib as mpl  # noqa: PLC0415 - slow to import
    from matplotlib.figure import Figure  # noqa: PLC0415
    from matplotlib.font_manager import get_font_names  # noqa: PLC0415

    counts = confusion.counts
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = 2.5 + 0.45 * len(confusion.answered)
    fonts = [font for font in FONTS if font in get_font_names()]
    with mpl.rc_context({"font.family": fonts, "svg.fonttype": "none"}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # the picture names its fonts; who looks at it has them
        figure = Figure(figsize=(size, size), layout="constrained")
        axes = figure.add_subplot()
        axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
        axes.set_xticks(range(len(confusion.answered)), confusion.answered, rotation=90)
        axes.set_yticks(range(len(confusion.true)), confusion.true)
        axes.set(xlabel="answered", ylabel="true", title=title)
        for line, row in enumerate(counts.tolist()):
            for column, count in enumerate(row):
                if count:
                    shade = "white" if share[line, column] > 0.5 else "black"
                    axes.text(column, line, str(count), ha="center", va="center", color=shade, fontsize=7)
        figure.savefig(path, format="svg")
