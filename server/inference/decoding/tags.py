"""Tag schemes of NER: what the tags mean, which may follow which, and the best lawful sequence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from server.errors import BadBundle
from server.inference.decoding.scores import Scores

OUTSIDE = "O"
_PARTS = {"B": "B", "I": "I", "M": "I", "E": "E", "L": "E", "S": "S", "U": "S", "W": "S"}


@dataclass(frozen=True, slots=True)
class Tag:
    """One tag: `part` is B, I, E, S, or O with an empty type."""

    part: str
    type: str


def parsed(tag: str) -> Tag:
    """A tag of BIO, BIOES, BMES or BILOU.

    Raises:
        BadBundle: It is none of them.
    """
    part, _, type_ = tag.partition("-")
    if tag == OUTSIDE:
        return Tag(OUTSIDE, "")
    if part not in _PARTS or not type_:
        raise BadBundle(f"The tag {tag!r} is neither O nor like B-x, I-x, M-x, E-x, L-x, S-x, U-x or W-x.")
    return Tag(_PARTS[part], type_)


class TagScheme:
    """A bundle's tags in the order of the graph's output, and the law between neighbours.

    I-x and E-x continue B-x or I-x of the same type. Where a type has both E-x and S-x, what begins with
    B-x must end with E-x; elsewhere an entity ends where nothing continues it.

    Raises:
        BadBundle: O is missing, a tag stands twice, or one cannot be read.
    """

    def __init__(self, tags: Sequence[str]) -> None:
        self.tags = tuple(parsed(tag) for tag in tags)
        if self.tags.count(Tag(OUTSIDE, "")) != 1 or len(set(self.tags)) != len(self.tags):
            raise BadBundle("The tags of NER are O, once, and each other tag at most once.")
        self.outside = self.tags.index(Tag(OUTSIDE, ""))
        self._closed = {tag.type for tag in self.tags if tag.part == "E" and Tag("S", tag.type) in self.tags}
        law = [[self._may_follow(left, right) for right in self.tags] for left in self.tags]
        self._allowed: NDArray[np.bool_] = np.array(law)
        self._penalty: Scores = np.where(self._allowed, 0.0, -np.inf)

    def _may_follow(self, left: Tag, right: Tag) -> bool:
        is_open = left.part in ("B", "I")
        if right.part in ("I", "E"):
            return is_open and left.type == right.type
        return not (is_open and left.type in self._closed)

    def best(self, scores: Scores) -> list[int]:
        """The tag of each token: the best for itself, where such a sequence is lawful.

        A stretch between two O that is not lawful is tagged anew as a whole, by the lawful sequence with
        the highest sum of scores (Viterbi, IEEE Trans. Inf. Theory 13, 1967).

        Args:
            scores: Log probabilities, `[tokens, tags]`.
        """
        tags = scores.argmax(axis=1)
        bounded = np.concatenate(([self.outside], tags, [self.outside]))
        broken = np.flatnonzero(~self._allowed[bounded[:-1], bounded[1:]])
        if len(broken):
            outside = np.flatnonzero(bounded == self.outside)
            stretches = np.unique(np.searchsorted(outside, broken, side="right"))
            for stretch in stretches.tolist():
                start, stop = int(outside[stretch - 1]), int(outside[stretch]) - 1
                tags[start:stop] = self._lawful(scores[start:stop])
        result: list[int] = tags.tolist()
        return result

    def _lawful(self, scores: Scores) -> list[int]:
        """The best lawful sequence for a stretch with O on both sides, by Viterbi's algorithm."""
        reached = scores[0] + self._penalty[self.outside]
        came: list[NDArray[np.intp]] = []
        for row in scores[1:]:
            ways = reached[:, None] + self._penalty
            came.append(ways.argmax(axis=0))
            reached = ways.max(axis=0) + row
        tag = int((reached + self._penalty[:, self.outside]).argmax())
        path = [tag]
        for step in reversed(came):
            tag = int(step[tag])
            path.append(tag)
        return path[::-1]
