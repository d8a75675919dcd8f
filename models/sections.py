"""The sections of a recipe but [data]: their fields, types and defaults. Knows no stage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, to_builtins

from models.shape import Activation, Pooling
from server.inference.values import Text

Positive = Annotated[int, Meta(ge=1)]
Rate = Annotated[float, Meta(gt=0, le=1)]
Share = Annotated[float, Meta(ge=0, lt=1)]
Dropped = Annotated[float, Meta(ge=0, le=0.9)]
Weight = Annotated[float, Meta(ge=0, le=1e9)]


class Section(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all sections: frozen, by keyword, nothing unknown."""

    def telling(self) -> Mapping[str, object]:
        """Itself as plain values, without what changes no result."""
        plain: dict[str, object] = to_builtins(self)
        for part in (plain, plain.get("training")):
            if isinstance(part, dict):
                part.pop("checkpoint_seconds", None)
        return plain


class VocabularySection(Section, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Pieces to keep: `texts` weighs a piece's uses in each set; characters seen `rare` times stay.

    With `tokens = "characters"` only pieces of a single character are kept, so that no token's edge can fall
    inside an entity.
    """

    tokens: Literal["pieces", "characters"] = "pieces"
    size: Positive
    rare: Positive
    texts: Mapping[str, Weight]


class Above(Section, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`layers` of another `base`, to stand above those of the recipe's own.

    With `gain` they begin with so much of what they would add, under the norm that the head expects: what
    answers as before has nothing to learn again (compare Bachlechner et al. 2020, arXiv 2003.04887).
    """

    base: str
    layers: tuple[Annotated[int, Meta(ge=0)], ...]
    gain: Annotated[float, Meta(gt=0, le=1)] | UnsetType = UNSET


class NetworkSection(Section, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which layers of the base the network starts from, and what is changed about it.

    `above` puts layers of another base on top: a shallow network goes on as a deeper one (`models.stacked`).
    `marks` has the tokens of the second of two texts marked, as BERT's token types do.
    """

    layers: tuple[Annotated[int, Meta(ge=0)], ...]
    above: Above | UnsetType = UNSET
    positions: Positive = 128
    activation: Activation = "relu"
    pooling: Pooling = "mean"
    marks: bool = False

    @property
    def depth(self) -> int:
        """Layers of the network."""
        return len(self.layers) + (0 if self.above is UNSET else len(self.above.layers))


class TrainingSection(Section, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One run of the loop: AdamW, warm-up then linear decay, early stopping on validation.

    `layer_rate` multiplies the rate once for each layer that stands above (Howard and Ruder 2018,
    arXiv 1801.06146): 1 is one rate for all. `weights` are those of the best epoch on validation, or of the
    last: where much is new that validation does not ask, the best one there may have learnt least of it.
    """

    epochs: Positive
    tokens_a_batch: Positive = 1024
    rate: Rate
    head_rate: Rate
    warmup: Share = 0.1
    weight_decay: Share = 0.01
    dropout: Dropped = 0.1
    smoothing: Share = 0.0
    average: Share = 0.0
    patience: Positive = 2
    bfloat16: bool = True
    checkpoint_seconds: Annotated[float, Meta(ge=0)] = 120.0
    layer_rate: Rate | UnsetType = UNSET
    weights: Literal["best", "last"] | UnsetType = UNSET  # the best, where it does not say


class FinetuneSection(TrainingSection, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Learning the rows' targets; of the weights, `before` is the share of those that it began with.

    A mean of the two keeps most of what each of them knows (Wortsman et al. 2021, arXiv 2109.01903).
    """

    before: Share | UnsetType = UNSET


class DistilSection(Section, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Learning from `teacher`, the work folder of another recipe: `hard` is the labels' share of the loss.

    `also` names more teachers; what is learnt is then the mean of all their logits. `texts` says how many raw
    texts of each set they label, `altered` how many altered copies of each train text.
    """

    teacher: str
    also: tuple[str, ...] | UnsetType = UNSET
    temperature: Annotated[float, Meta(gt=0)] = 2.0
    hard: Annotated[float, Meta(ge=0, le=1)] = 0.3
    texts: Mapping[str, Positive] = {}
    altered: Positive | UnsetType = UNSET
    training: TrainingSection

    @property
    def teachers(self) -> tuple[str, ...]:
        """All of them, the one that gives the figures first."""
        return self.teacher, *(() if self.also is UNSET else self.also)


class Imitation(Section, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is imitated of a teacher's inside, each by its weight in the loss (formulas: `models.inside`).

    `layers` says which of the teacher's layers (from 0) each of the student's stands for.
    """

    layers: tuple[Annotated[int, Meta(ge=0)], ...]
    embedding: Weight = 0.0
    hidden: Weight = 0.0
    cosine: Weight = 0.0
    attention: Weight = 0.0
    relations: Weight = 0.0

    @property
    def sees_attention(self) -> bool:
        """Whether a term asks for more than states."""
        return self.attention > 0 or self.relations > 0


class PretrainSection(Section, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Learning from raw texts: words to be guessed, and what the whole base makes of the texts.

    `texts` says how many of each set; with `rows` the train rows are read besides, as the task shows them:
    of two texts in one window, words are guessed from the other one too (Conneau and Lample 2019, arXiv
    1901.07291). `masked` is the weight of the masked tokens' loss. With `replaced` a small generator learns
    that, and the network by this weight which tokens the generator has put there.
    """

    texts: Mapping[str, Positive]
    rows: bool | UnsetType = UNSET
    masked: Weight = 0.0
    replaced: Weight = 0.0
    imitate: Imitation | None = None
    training: TrainingSection


class ImitateSection(Section, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Learning the inside of `teacher`, the work folder of another recipe, on the train texts.

    `texts` adds so many raw texts of each set, `altered` so many altered copies of each train text.
    """

    teacher: str
    imitate: Imitation
    texts: Mapping[str, Positive] = {}
    altered: Positive | UnsetType = UNSET
    training: TrainingSection


class TheseusSection(Section, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Layers of `teacher`, the work folder of another recipe, replaced at random by the student's.

    The chance rises from `replace` to 1 over the first `rising` of the steps.
    """

    teacher: str
    replace: Annotated[float, Meta(gt=0, le=1)] = 0.5
    rising: Share = 0.7
    training: TrainingSection


class PruneSection(Section, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is left of each layer: attention `heads` and inner units of the feed-forward half (`ffn`)."""

    heads: Positive
    ffn: Positive
    training: TrainingSection


class RehearseSection(Section, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Practice before the real rows: `questions` says how many are made from each set's raw texts.

    For the task pair they are pairs, and `labels` first that of two texts that differ, then of the same. The
    rule that made a pair says which; with `judged`, bounds of the cosine, the whole base (`models.judged`).
    """

    questions: Mapping[str, Positive]
    labels: tuple[str, str] | UnsetType = UNSET
    judged: tuple[Share, Share] | UnsetType = UNSET
    training: TrainingSection


class GrowSection(Section, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many times as wide the trained network becomes, its answers unchanged."""

    times: Annotated[int, Meta(ge=2, le=8)]


class CalibrateSection(Section, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The scores are to be chances; there is nothing to choose."""


class QuantiseSection(Section, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Train texts to calibrate on, and the most points of validation score that int8 may cost."""

    texts: Positive = 512
    gate: Annotated[float, Meta(ge=0)] = 0.5


class BundleSection(Section, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the bundle says of itself.

    `golden` are texts (or pairs; or question and context) of our own, asked at every start; `published`
    are figures (0..1) by metric from the literature to set beside the bundle's own. `name` is the bundle's
    where it is not that of the work folder. `brevity` is for readers (see `AnswersDecoder`).
    """

    title: str
    name: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")] | UnsetType = UNSET
    golden: tuple[str | tuple[str, str], ...]
    terms_name: str
    terms: str
    commercial_use: bool | None = None  # left out where nobody knows
    published: Mapping[str, Annotated[float, Meta(ge=0, le=1)]] = {}
    published_name: str | None = None
    brevity: Weight | UnsetType = UNSET

    def texts(self) -> list[Text]:
        """The golden texts as the server is asked them."""
        return [Text(each) if isinstance(each, str) else Text(*each) for each in self.golden]
