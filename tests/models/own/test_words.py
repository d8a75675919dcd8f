import pytest
from tokenizers import Tokenizer, pre_tokenizers
from tokenizers.models import WordLevel
from tokenizers.processors import TemplateProcessing

from models.errors import MakeError
from models.own.words import read_words

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "中", "文", "模", "##型", "good", "##s", "3", "e"]


def vocab_file(folder, pieces=VOCABULARY):
    path = folder / "vocab.txt"
    path.write_text("\n".join(pieces) + "\n", encoding="utf-8")
    return path


def test_a_vocabulary_cuts_as_bert_does(tmp_path):
    words = read_words(vocab_file(tmp_path))
    assert words.tokenizer.encode("中文GOODS 龘", add_special_tokens=False).tokens == [
        "中", "文", "good", "##s", "[UNK]"
    ]  # fmt: skip
    assert words.tokenizer.encode("中 good 3 é", add_special_tokens=False).tokens == ["中", "good", "3", "e"]
    assert (words.prefix, words.middle, words.suffix, words.pad, words.second_type) == (
        (2,),
        (3,),
        (3,),
        0,
        1,
    )
    assert words.size == len(VOCABULARY)


def test_case_is_as_asked_else_as_configured_else_as_the_vocabulary_is(tmp_path):
    path = vocab_file(tmp_path)
    assert read_words(path).tokenizer.encode("GOOD", add_special_tokens=False).tokens == ["good"]
    (tmp_path / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    assert read_words(path).tokenizer.encode("GOOD", add_special_tokens=False).tokens == ["[UNK]"]
    assert read_words(path, True).tokenizer.encode("GOOD", add_special_tokens=False).tokens == ["good"]
    cased = vocab_file(tmp_path, [*VOCABULARY, "Good"])
    (tmp_path / "tokenizer_config.json").unlink()
    assert read_words(cased).tokenizer.encode("Good", add_special_tokens=False).tokens == ["Good"]


def test_the_marks_of_bert_base_chinese_are_no_capitals(tmp_path):
    """Its vocabulary holds <S> and <T> beside the usual ones, and is for text in lower case."""
    words = read_words(vocab_file(tmp_path, [*VOCABULARY, "<S>", "<T>"]))
    assert words.tokenizer.encode("GOOD", add_special_tokens=False).tokens == ["good"]


def test_a_byte_order_mark_is_no_part_of_the_first_piece(tmp_path):
    path = vocab_file(tmp_path)
    path.write_bytes("\ufeff".encode() + path.read_bytes())
    assert read_words(path).pad == 0


def json_file(folder, *, template=True, padding=False, pieces=("<s>", "</s>", "<pad>", "<unk>", "中", "文")):
    tokenizer = Tokenizer(WordLevel({piece: place for place, piece in enumerate(pieces)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.add_special_tokens([piece for piece in pieces if piece.startswith("<")])
    if template:
        tokenizer.post_processor = TemplateProcessing(
            single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 1)]
        )
    if padding:
        tokenizer.enable_padding(pad_id=2, pad_token="<pad>", length=12)
        tokenizer.enable_truncation(4)
    path = folder / "tokenizer.json"
    tokenizer.save(str(path))
    return path


def test_the_frame_is_read_from_what_the_tokenizer_adds(tmp_path):
    words = read_words(json_file(tmp_path))
    assert (words.prefix, words.middle, words.suffix, words.pad, words.second_type) == (
        (0,),
        (1, 1),
        (1,),
        2,
        0,
    )
    assert words.notes == ()


def test_padding_and_truncation_are_taken_off(tmp_path):
    words = read_words(json_file(tmp_path, padding=True))
    assert (words.prefix, words.suffix, words.pad) == ((0,), (1,), 2)
    assert len(words.tokenizer.encode("中文" * 20).ids) == 42


def test_without_a_template_the_frame_comes_from_the_names(tmp_path):
    words = read_words(json_file(tmp_path, template=False))
    assert (words.prefix, words.middle, words.suffix) == ((0,), (1,), (1,))
    assert words.notes


def utf16(path):
    path.write_bytes(path.read_text("utf-8").encode("utf-16"))
    return path


def configured(path, config):
    (path.parent / "tokenizer_config.json").write_text(config, "utf-8")
    return path


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda folder: folder / "none.json", "There is no file"),
        (lambda folder: vocab_file(folder, ["a", "b"]), "no line \\[PAD\\]"),
        (lambda folder: utf16(vocab_file(folder)), "vocab.txt, line 1: .* not UTF-8"),
        (lambda folder: configured(vocab_file(folder), "{"), "tokenizer_config.json, .* is no JSON"),
        (lambda folder: json_file(folder, pieces=("<s>", "</s>", "<unk>", "中", "文")), "no padding piece"),
        (
            lambda folder: json_file(folder, template=False, pieces=("<pad>", "<unk>", "中")),
            "no special pieces",
        ),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path, make, said):
    with pytest.raises(MakeError, match=said):
        read_words(make(tmp_path))


def test_broken_json_is_said(tmp_path):
    path = tmp_path / "tokenizer.json"
    path.write_text("{}")
    with pytest.raises(MakeError, match=r"cannot be read as tokenizer\.json"):
        read_words(path)
