"""A user's tokenizer.json or vocab.txt as a Tokenizer, and the special pieces that frame a text."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tokenizers import AddedToken, Encoding, Tokenizer, decoders, normalizers, pre_tokenizers
from tokenizers.models import WordPiece
from tokenizers.processors import TemplateProcessing

from models.data.lines import whole_json, whole_text
from models.errors import MakeError

BERT_PIECES = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
OPENERS, CLOSERS, PADS = ("[CLS]", "<s>"), ("[SEP]", "</s>"), ("[PAD]", "<pad>")


@dataclass(frozen=True, slots=True)
class Words:
    """A tokenizer without truncation or padding, the ids around its texts, and what was assumed."""

    tokenizer: Tokenizer
    prefix: tuple[int, ...]
    middle: tuple[int, ...]
    suffix: tuple[int, ...]
    pad: int
    second_type: int
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """One more than the largest id, so the rows that an embedding must have."""
        return max(self.tokenizer.get_vocab(with_added_tokens=True).values()) + 1


def read_words(path: Path, lower_case: bool | None = None) -> Words:
    """Reads tokenizer.json, or vocab.txt of a BERT; MakeError says what is wrong with it.

    Args:
        path: The file; anything that ends in .txt is taken for a BERT vocabulary.
        lower_case: For vocab.txt alone. None: as tokenizer_config.json beside it says, else lower case if
            the vocabulary holds no capital letter.
    """
    if not path.is_file():
        raise MakeError(f"There is no file {path}.")
    if path.suffix == ".txt":
        return _from_vocabulary(path, lower_case)
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises nothing narrower
        raise MakeError(f"{path.name} cannot be read as tokenizer.json: {error}") from error
    return _framed(tokenizer, ())


def _from_vocabulary(path: Path, lower_case: bool | None) -> Words:
    pieces = whole_text(path).rstrip("\n").split("\n")
    vocabulary = {piece.rstrip("\r"): place for place, piece in enumerate(pieces)}
    missing = [piece for piece in BERT_PIECES if piece not in vocabulary]
    if missing:
        raise MakeError(f"{path.name} is no BERT vocabulary: it has no line {missing[0]}.")
    lower, why = _lower(path, vocabulary, lower_case)
    tokenizer = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(handle_chinese_chars=True, lowercase=lower)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    marks = [piece for piece in (*BERT_PIECES, "[MASK]") if piece in vocabulary]
    tokenizer.add_special_tokens([AddedToken(piece, special=True, normalized=False) for piece in marks])
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(piece, vocabulary[piece]) for piece in ("[CLS]", "[SEP]")],
    )
    return _framed(tokenizer, (f"Text is {'lower-cased' if lower else 'kept in its case'}: {why}.",))


def _lower(path: Path, vocabulary: dict[str, int], asked: bool | None) -> tuple[bool, str]:
    if asked is not None:
        return asked, "as asked"
    config = path.parent / "tokenizer_config.json"
    if config.is_file():
        settings = whole_json(config)
        said = settings.get("do_lower_case") if isinstance(settings, dict) else None
        if isinstance(said, bool):
            return said, f"as {config.name} says"
    words = (piece for piece in vocabulary if not piece.startswith(("[", "<")))  # such as BERT's <S> and <T>
    capital = any(piece != piece.lower() for piece in words)
    return not capital, f"the vocabulary holds {'capitals' if capital else 'no capital letter'}"


def _framed(tokenizer: Tokenizer, notes: tuple[str, ...]) -> Words:
    padding = tokenizer.padding
    tokenizer.no_padding()
    tokenizer.no_truncation()
    pad = padding["pad_id"] if padding else _first_id(tokenizer, PADS)
    if pad is None:
        raise MakeError("The tokenizer has no padding piece, neither [PAD] nor <pad>.")
    pair = tokenizer.encode("中", "文")
    if None not in pair.sequence_ids:
        return _framed_by_name(tokenizer, pad, notes)
    prefix, middle, suffix, second_type = _frame(pair)
    single = tokenizer.encode("中").ids
    if single[: len(prefix)] != prefix or single[len(single) - len(suffix) :] != suffix:
        raise MakeError("The tokenizer frames one text otherwise than two, which no layout can say.")
    return Words(tokenizer, tuple(prefix), tuple(middle), tuple(suffix), pad, second_type, notes)


def _frame(pair: Encoding) -> tuple[list[int], list[int], list[int], int]:
    """Ids before, between and after two texts, and the token type of the second."""
    whose = pair.sequence_ids
    if 0 not in whose or 1 not in whose:
        raise MakeError("The tokenizer makes no piece of a Chinese character.")
    first, second = whose.index(0), whose.index(1)
    first_end = second - 1
    while whose[first_end] is None:
        first_end -= 1
    last = len(whose) - 1
    while whose[last] is None:
        last -= 1
    ids = pair.ids
    return ids[:first], ids[first_end + 1 : second], ids[last + 1 :], pair.type_ids[second]


def _framed_by_name(tokenizer: Tokenizer, pad: int, notes: tuple[str, ...]) -> Words:
    opener, closer = _first_id(tokenizer, OPENERS), _first_id(tokenizer, CLOSERS)
    if opener is None or closer is None:
        raise MakeError("The tokenizer adds no special pieces and knows no [CLS] and [SEP] or <s> and </s>.")
    note = "The tokenizer adds no special pieces; each text is framed as BERT was trained."
    return Words(tokenizer, (opener,), (closer,), (closer,), pad, 1, (*notes, note))


def _first_id(tokenizer: Tokenizer, pieces: tuple[str, ...]) -> int | None:
    found = [tokenizer.token_to_id(piece) for piece in pieces]
    return next((place for place in found if place is not None), None)
