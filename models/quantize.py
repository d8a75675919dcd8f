"""A float network as an int8 graph whose answers cannot depend on batch mates.

Every dense layer multiplies unsigned 8-bit activations by signed 7-bit weights (-63..63, one scale an
output column). Two products of 255 x 63 fit 16 bits, so the instruction that CPUs without VNNI use
(VPMADDUBSW) cannot saturate: the same integers come out of every CPU.

Activation scales are constants: one scale a channel, found on calibration texts and folded into the
weights around it (cross-layer equalisation as in Nagel et al. 2019, arXiv 1906.04721, and the
smoothing of SmoothQuant, Xiao et al. 2022, arXiv 2211.10438), so that the graph quantises with scale 1.
ReLU costs nothing: the 8-bit output of the first dense layer of the feed-forward half has zero point 0
and clips what is negative.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx
from numpy.typing import NDArray

from models.export import Walk, Weights, activated
from models.graph import FLOAT, MICROSOFT, GraphBuilder
from models.observed import Observed, observe
from models.shape import Shape

Floats = NDArray[np.float32]
ALPHAS = (0.0, 0.25, 0.4, 0.5, 0.6, 0.75)
CLIPS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)
WEIGHT_CLIPS = (1.0, 0.95, 0.9, 0.85, 0.8)
WEIGHT_TOP = 63
UNITS = 16
"""Inner units that a CPU multiplies at once."""


@dataclass(frozen=True, slots=True)
class Site:
    """One dense layer in integers: y = (round(x / step) . weight) * scale + bias, column by column.

    `step` is the activation's scale by channel; signed activations have zero point 128, those after a
    ReLU 0. `error` is the mean squared error over the mean square of the float output.
    """

    step: Floats  # [inputs]
    signed: bool
    weight: NDArray[np.int8]  # [inputs, outputs]
    scale: Floats  # [outputs]
    bias: Floats  # [outputs]
    error: float

    @property
    def zero(self) -> int:
        """Zero point of the activation."""
        return 128 if self.signed else 0


def fit_site(seen: Observed, weight: Floats, bias: Floats, *, signed: bool) -> Site:
    """The steps and integer weights that disturb the layer's output least on the inputs seen.

    Args:
        seen: What the layer was given over the texts it is calibrated on.
        weight: [inputs, outputs].
        bias: [outputs].
        signed: False after a ReLU.
    """
    peak = np.maximum(seen.peak, 1e-6)  # [inputs]
    strength = np.maximum(np.abs(weight).max(axis=1), 1e-6)
    best: Site | None = None
    for alpha in ALPHAS:
        smooth = peak**alpha / strength ** (1 - alpha) if alpha else np.ones_like(peak)
        top = float((peak / smooth).max())
        for clip in CLIPS:
            step = (smooth * top * clip / (127 if signed else 255)).astype(np.float32)
            site = _site(seen.sample, weight, bias, step, signed=signed)
            if best is None or site.error < best.error:
                best = site
    assert best is not None, "there is at least one candidate. This is a bug."
    return best


def _site(x: Floats, weight: Floats, bias: Floats, step: Floats, *, signed: bool) -> Site:
    """The site at these steps, its bias corrected for the mean error on `x`."""
    columns = weight * step[:, None]
    integers, scale = quantize_columns(columns)
    zero = 128 if signed else 0
    rounded = np.clip(np.rint(x / step) + zero, 0, 255) - zero
    exact = x @ weight
    difference = exact - (rounded.astype(np.float32) @ integers.astype(np.float32)) * scale
    shift = difference.mean(axis=0)
    error = float(((difference - shift) ** 2).mean() / np.maximum((exact**2).mean(), 1e-12))
    return Site(step, signed, integers, scale, (bias + shift).astype(np.float32), error)


def quantize_columns(columns: Floats) -> tuple[NDArray[np.int8], Floats]:
    """Integers (-63..63) for `columns` [inputs, outputs], and the scales [outputs] that multiply them.

    What is large is clipped where that lowers the squared error.
    """
    peak = np.maximum(np.abs(columns).max(axis=0), 1e-12)
    best = np.full(columns.shape[1], np.inf)
    scale = peak / WEIGHT_TOP
    for clip in WEIGHT_CLIPS:
        trial = peak * clip / WEIGHT_TOP
        error = ((np.clip(np.rint(columns / trial), -WEIGHT_TOP, WEIGHT_TOP) * trial - columns) ** 2).sum(
            axis=0
        )
        scale, best = np.where(error < best, trial, scale), np.minimum(best, error)
    integers = np.clip(np.rint(columns / scale), -WEIGHT_TOP, WEIGHT_TOP).astype(np.int8)
    return integers, scale.astype(np.float32)


def fit_sites(shape: Shape, weights: Weights, inputs: Mapping[str, Observed]) -> dict[str, Site]:
    """A Site for every dense layer whose inputs were seen, by its stored name."""
    relu = shape.activation == "relu"
    return {
        name: fit_site(
            seen,
            np.ascontiguousarray(weights[f"{name}.weight"].T),
            weights[f"{name}.bias"],
            signed=not (relu and name.endswith("ffn_out")),
        )
        for name, seen in inputs.items()
    }


def without_idle(sites: Mapping[str, Site]) -> dict[str, Site]:
    """Leave out the inner units of feed-forward halves that nothing takes: what comes out is the same.

    Most that no text of calibration made fire are rounded away; of the others a multiple of UNITS is kept.
    """
    lean = dict(sites)
    for name, outer in sites.items():
        if name.endswith("ffn_out"):
            before = name.replace("ffn_out", "ffn_in")
            kept = _used_first(np.abs(outer.weight).max(axis=1) > 0)
            inner = lean[before]
            lean[name] = replace(outer, step=outer.step[kept], weight=outer.weight[kept])
            weight, scale, bias = inner.weight[:, kept], inner.scale[kept], inner.bias[kept]
            lean[before] = replace(inner, weight=weight, scale=scale, bias=bias)
    return lean


def parameters_left(shape: Shape, sites: Mapping[str, Site]) -> int:
    """All weights of the network less those of the inner units that were left out."""
    left = sum(len(site.bias) for name, site in sites.items() if name.endswith("ffn_in"))
    stored = 1 if shape.shared else shape.layers
    return shape.parameters - (stored * shape.ffn - left) * (2 * shape.hidden + 1)


def _used_first(used: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Places of all that are used, filled up with others to a multiple of UNITS, in order."""
    count = max(1, -(-int(used.sum()) // UNITS)) * UNITS
    return np.sort(np.argsort(~used, kind="stable")[:count])


class IntegerBlocks:
    """Dense layers in 8-bit integers, at the scales of `sites`."""

    def __init__(
        self, graph: GraphBuilder, shape: Shape, weights: Weights, sites: Mapping[str, Site]
    ) -> None:
        self.graph, self.shape, self.weights, self.sites = graph, shape, weights, sites
        self.one = graph.constant(np.float32(1))

    def embed(self, ids: str) -> str:
        """Rows of an int8 table with one scale a row."""
        table = self.weights["embed.word"]
        scale = np.maximum(np.abs(table).max(axis=1, keepdims=True), 1e-12).astype(np.float32) / 127
        integers = np.rint(table / scale).astype(np.int8)
        graph = self.graph
        rows = graph.node("Cast", graph.node("Gather", graph.constant(integers), ids), to=FLOAT)
        return graph.node("Mul", rows, graph.node("Gather", graph.constant(scale), ids))

    def attend(self, layer: int, x: str, mask: str, shape: str) -> str:
        """QAttention of onnxruntime at static scales, then the output projection."""
        graph, size = self.graph, self.shape.attention
        qkv, out = self._site(layer, "qkv"), self._site(layer, "out")
        fold = np.concatenate([np.ones(2 * size, np.float32), 1 / out.step])
        rows = graph.node(
            "Reshape",
            self._rounded(x, qkv),
            graph.node("Concat", shape, graph.ints(self.shape.hidden), axis=0),
        )
        context = graph.node(
            "QAttention",
            *(rows, graph.constant(qkv.weight), graph.constant(qkv.bias * fold), self.one),
            *(graph.constant(qkv.scale * fold), mask, self._zero(qkv), self._zeros(qkv)),
            domain=MICROSOFT,
            num_heads=self.shape.heads,
        )
        flat = graph.node("Reshape", context, graph.ints(-1, size))
        return self._dense(graph.node("QuantizeLinear", flat, self.one, self._zero(out)), out)

    def feed_forward(self, layer: int, x: str) -> str:
        """Dense, activation, dense; with ReLU the integers between them never become floats."""
        inner, outer = self._site(layer, "ffn_in"), self._site(layer, "ffn_out")
        rounded = self._rounded(x, inner)
        if self.shape.activation == "relu":
            return self._dense(self._dense(rounded, inner, into=outer), outer)
        fed = activated(self.graph, self.shape, self._dense(rounded, inner))
        return self._dense(self._rounded(fed, outer), outer)

    def _site(self, layer: int, part: str) -> Site:
        return self.sites[f"layers.{self.shape.stored(layer)}.{part}"]

    def _rounded(self, x: str, site: Site) -> str:
        scaled = self.graph.node("Mul", x, self.graph.constant(1 / site.step))
        return self.graph.node("QuantizeLinear", scaled, self.one, self._zero(site))

    def _dense(self, x: str, site: Site, into: Site | None = None) -> str:
        """Float output, or 8-bit integers at the steps of the site that takes them."""
        fold = np.float32(1) if into is None else 1 / into.step
        scale = (site.scale * fold).astype(np.float32)
        bias = np.rint(site.bias * fold / scale).astype(np.int32)
        inputs = [x, self.one, self._zero(site), self.graph.constant(site.weight)]
        inputs += [self.graph.constant(scale), self._zeros(site), self.graph.constant(bias)]
        if into is not None:
            inputs += [self.one, self._zero(into)]
        return self.graph.node("QGemm", *inputs, domain=MICROSOFT, alpha=1.0, transA=0, transB=0)

    def _zero(self, site: Site) -> str:
        return self.graph.constant(np.uint8(site.zero))

    def _zeros(self, site: Site) -> str:
        return self.graph.constant(np.zeros(len(site.scale), np.int8))


def integer_model(shape: Shape, weights: Weights, sites: Mapping[str, Site]) -> onnx.ModelProto:
    """The network with integer dense layers and an integer embedding table; head and norms stay float32."""
    graph = GraphBuilder()
    return Walk(graph, shape, weights, IntegerBlocks(graph, shape, weights, sites)).model()


def quantized(
    shape: Shape, weights: Weights, texts: Sequence[NDArray[np.int64]]
) -> tuple[onnx.ModelProto, dict[str, Site]]:
    """The int8 graph, calibrated on texts' ids (each [length], special tokens included), and its sites."""
    sites = without_idle(fit_sites(shape, weights, observe(shape, weights, texts)))
    return integer_model(shape, weights, sites), sites
