"""Layers of one base put above those of another: a deeper network that goes on from what a shallow one knows.

The student's layers were once the lower ones of the whole base. What it computes is therefore still what the
upper ones take: with them above it, its own head answers almost as well as before (compare Gong et al. 2019,
progressive stacking).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from models.base import Base, Floats, Pieces
from models.errors import MakeError
from models.readback import fill_up
from models.shape import Shape
from server.inference.manifest import DataDigest

NORMS = ("attn_norm", "ffn_norm")
ADDING = ("out.", "ffn_out.")  # the last product of each half, which is added to what came in


@dataclass(frozen=True, slots=True)
class Stacked:
    """Layers of `under`, then layers of `above`, by the house's door (see `models.base.Base`).

    Words, head and pieces are those of `under`. A layer of fewer inner units is filled up. With `gain` (0..1)
    the layers of `above` add that much of what they did, and their norms give what the last of `under` gives
    in its mean: the same in every channel, or each would multiply the channels anew.
    """

    under: Base
    above: Base
    taken: Sequence[int]  # of the layers of `under`
    put: Sequence[int]  # of those of `above`
    gain: float | None = None

    def __post_init__(self) -> None:
        """MakeError where the layers of both do not fit on one another."""
        one, other = self.under.shape, self.above.shape
        same = [(shape.hidden, shape.heads, shape.attention) for shape in (one, other)]
        if one.shared or other.shared or same[0] != same[1]:
            raise MakeError(
                f"Layers of {self.above.name} do not fit above those of {self.under.name}: width and heads "
                "must be the same, and no layers shared."
            )

    @property
    def name(self) -> str:
        """Of both, with what of the upper one was taken; `sha256` is of the lower one alone."""
        gain = "" if self.gain is None else f", times {self.gain}"
        layers = ", ".join(map(str, self.put))
        above = f"{self.above.name} ({self.above.sha256[:12]})"
        return f"{self.under.name}, with the layers {layers} of {above}{gain}, above"

    @property
    def sha256(self) -> str:
        """Of what is beneath."""
        return self.under.sha256

    @property
    def shape(self) -> Shape:
        """That of `under`, as deep as both and as wide inside as the wider."""
        wide = max(self.under.shape.ffn, self.above.shape.ffn)
        return replace(self.under.shape, layers=len(self.taken) + len(self.put), ffn=wide)

    @property
    def pieces(self) -> Pieces:
        """Those of `under`."""
        return self.under.pieces

    @property
    def middle(self) -> int:
        """That of `under`."""
        return self.under.middle

    @property
    def data(self) -> tuple[DataDigest, ...]:
        """What either has learnt from."""
        return tuple(dict.fromkeys((*self.under.data, *self.above.data)))

    @property
    def seed(self) -> int | None:
        """That of `under`."""
        return self.under.seed

    @property
    def held_out(self) -> int | None:
        """That of `under`."""
        return self.under.held_out

    def embedding(self, ids: Sequence[int], positions: int) -> dict[str, Floats]:
        """See `models.base.Base.embedding`."""
        return self.under.embedding(ids, positions)

    def layer(self, index: int) -> dict[str, Floats]:
        """See `models.base.Base.layer`; counted through both."""
        above = index - len(self.taken)
        layer = self.under.layer(self.taken[index]) if above < 0 else self._upper(self.put[above])
        layer = dict(layer)
        fill_up(layer, self.shape.ffn)
        return layer

    def _upper(self, index: int) -> dict[str, Floats]:
        layer = self.above.layer(index)
        if self.gain is None:
            return layer
        last = self.under.layer(self.taken[-1])
        weight, bias = last["ffn_norm.weight"], last["ffn_norm.bias"]
        level = {"weight": np.sqrt(np.mean(weight**2) + np.var(bias)), "bias": np.mean(bias)}
        norm = {
            f"{place}.{part}": np.full_like(weight, value) for place in NORMS for part, value in level.items()
        }
        added = {name: layer[name] * np.float32(self.gain) for name in layer if name.startswith(ADDING)}
        return layer | norm | added

    def head(self, outputs: Sequence[str], shape: Shape) -> dict[str, Floats]:
        """See `models.base.Base.head`."""
        return self.under.head(outputs, shape)
