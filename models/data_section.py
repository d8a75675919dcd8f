"""The section [data] of a recipe: which rows are learnt. Knows no stage and no set."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import UNSET, UnsetType

from models.sections import Positive, Section, Share


class DataSection(Section, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The labelled set, and how many of its train texts (contexts) are held out for validation.

    `also` says how many train rows of other sets are learnt besides, without texts that the first set holds
    out or is measured on; `swapped` has each pair learnt the other way round too; `empty` is the share of
    windows without an answer that a reader learns from; `practised` is how many of the rows made for
    [rehearse] are learnt in [finetune] and [distil] too, so that what they taught is not forgotten; `asked`
    is how many questions on names and facts a reader learns besides, made on the texts of each set; `clauses`
    how many runs of clauses of each set's train texts, each with the label of the whole. Of what is learnt
    of the set's own rows, `kept` is the share of what the base, a bundle, already said of them.
    """

    set: str
    validation: Positive
    limit: Positive | None = None  # so many train rows only, for trying a recipe out
    # What is UNSET does not stand in a checkpoint's name: runs from before it was thought of go on.
    also: Mapping[str, Positive] | UnsetType = UNSET
    swapped: bool | UnsetType = UNSET
    empty: Share | UnsetType = UNSET
    practised: Positive | UnsetType = UNSET
    asked: Mapping[str, Positive] | UnsetType = UNSET
    clauses: Mapping[str, Positive] | UnsetType = UNSET
    kept: Share | UnsetType = UNSET

    @property
    def besides(self) -> bool:
        """Whether more is learnt than the rows of `set`."""
        return any(each is not UNSET for each in (self.also, self.asked, self.clauses))
