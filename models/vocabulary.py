"""Vocabularies: a base's pieces cut down to those in use, as a tokenizer. Knows nothing of weights."""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

from models.base import Pieces
from models.errors import MakeError

# Special pieces stand in the Unigram table like all others. At their own score of 0 a user who types "<s>"
# would get the start token; at this one the single characters always win.
SPECIAL_SCORE = -100.0
ASCII = frozenset(map(chr, range(33, 127)))


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The pieces kept, best first after the specials: `kept[new id]` is the piece's id in the base."""

    kept: tuple[int, ...]
    tokenizer: Tokenizer


def tokenizer_of(pieces: Pieces, kept: Sequence[int]) -> Tokenizer:
    """A Unigram tokenizer (Kudo 2018) over the pieces `kept`, in that order; it adds no special tokens.

    Text is normalised as the base does it: NFKC, control characters to spaces, runs of spaces to one. The
    base puts a mark before the first word; where it has no `word_start` only spaces become that mark.
    """
    if pieces.pattern:
        return _word_pieces(pieces, kept)
    special = set(pieces.specials)
    table = [(pieces.texts[i], SPECIAL_SCORE if i in special else round(pieces.scores[i], 4)) for i in kept]
    tokenizer = Tokenizer(models.Unigram(table, unk_id=kept.index(pieces.unknown), byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    scheme = "always" if pieces.word_start else "never"
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme=scheme)
    return tokenizer


def _word_pieces(pieces: Pieces, kept: Sequence[int]) -> Tokenizer:
    """The base's own WordPiece tokenizer over the pieces `kept`; a typed "[CLS]" is plain text to it."""
    pattern = json.loads(pieces.pattern)
    pattern["model"]["vocab"] = {pieces.texts[old]: new for new, old in enumerate(kept)}
    pattern.update(added_tokens=[], post_processor=None, truncation=None, padding=None)
    return Tokenizer.from_str(json.dumps(pattern))


def count_pieces(tokenizer: Tokenizer, texts: Iterable[str]) -> Counter[int]:
    """How often each id occurs in `texts`."""
    counts: Counter[int] = Counter()
    left = iter(texts)
    while chunk := list(islice(left, 4096)):
        for encoding in tokenizer.encode_batch_fast(chunk, add_special_tokens=False):
            counts.update(encoding.ids)
    return counts


def count_characters(tokenizer: Tokenizer, texts: Iterable[str]) -> Counter[str]:
    """How often each character occurs in `texts` once normalised."""
    normalizer = tokenizer.normalizer
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(normalizer.normalize_str(text))
    return counts


def cut(
    pieces: Pieces, uses: Mapping[int, float], characters: Mapping[str, int], size: int, rare: int
) -> Vocabulary:
    """The `size` pieces worth keeping.

    Specials, ASCII and every Chinese character seen `rare` times or more come first, whatever their use as
    pieces: without them a dropped word would end in unknowns. The rest of the room goes by use.
    """
    special = set(pieces.specials)
    single = {text: i for i, text in enumerate(pieces.texts) if len(text) == 1 and i not in special}
    wanted = {c for c, n in characters.items() if n >= rare and is_chinese(c)} | ASCII | {"▁"}
    forced = {single[c] for c in wanted if c in single}
    forced |= {i for i, text in enumerate(pieces.texts) if text[:2] == "##" and text[2:] in ASCII}
    by_use = sorted(uses, key=lambda i: (-uses[i], i))
    room = size - len(special) - len(forced)
    filled = [i for i in by_use if i not in forced and i not in special][: max(room, 0)]
    ordinary = sorted(forced | set(filled), key=lambda i: (-uses.get(i, 0.0), i))
    kept = (*pieces.specials, *ordinary)
    return Vocabulary(kept, tokenizer_of(pieces, kept))


def cut_to_characters(pieces: Pieces, characters: Mapping[str, int], size: int, rare: int) -> Vocabulary:
    """At most `size` pieces of one character each: ASCII, and what is seen `rare` times or more, by use."""
    if pieces.pattern:
        raise MakeError('tokens = "characters" is for Unigram bases: WordPiece takes Chinese so already.')
    special = set(pieces.specials)
    single = {text: i for i, text in enumerate(pieces.texts) if len(text) == 1 and i not in special}
    wanted = [c for c in single if c in ASCII or c == "▁" or characters.get(c, 0) >= rare]
    by_use = sorted(wanted, key=lambda c: (c not in ASCII and c != "▁", -characters.get(c, 0), single[c]))
    kept = (*pieces.specials, *(single[c] for c in by_use[: size - len(special)]))
    return Vocabulary(kept, tokenizer_of(replace(pieces, word_start=False), kept))


def is_chinese(character: str) -> bool:
    """Whether this is a CJK unified ideograph, of any block."""
    return unicodedata.name(character, "").startswith("CJK UNIFIED")


def share_unknown(tokenizer: Tokenizer, texts: Sequence[str], unknown: int) -> float:
    """Share (0..1) of the tokens of `texts` that are unknown."""
    counts = count_pieces(tokenizer, texts)
    return counts[unknown] / max(counts.total(), 1)
