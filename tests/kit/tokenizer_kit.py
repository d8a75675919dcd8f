"""Small real tokenizers, one of each kind that a bundle may bring, and layouts for them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from server.inference.manifest import Layout

HAN = (
    "北京大学上海交通清华中国人民在的了是我们他她它有和与及这那个城市天气很好今明昨去来到住工作学习公司银行"
    "小米科技创新股票基金教育体育娱乐财经房产汽车游戏文化故事农业国际军事旅游问答题什么时候谁哪里多少年月日"
    "张三李四王五赵六东西南左右前后村店镇县省区路街号楼层室电话山水河江湖海岛桥站港机场，。！？、：；“”（）《》"
)
LATIN = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,:;!?/()<>%é½"
WORDS = ("北京", "北京大学", "大学", "上海", "中国", "人民", "小米科技", "科技", "公司", "今天", "股票")
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def wordpiece() -> Tokenizer:
    """As BERT-Chinese: lower-cased, accents stripped, every Chinese character alone, ## continuations."""
    letters = sorted(set(LATIN.lower()))
    tokens = [*SPECIAL, *_unique(HAN), *letters, *(f"##{letter}" for letter in letters), "the", "##ing"]
    tokenizer = Tokenizer(models.WordPiece(_numbered(tokens), unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(list(SPECIAL))
    return tokenizer


def unigram() -> Tokenizer:
    """As XLM-R and our own bundles: zero-width to spaces, NFKC, a word-boundary mark, longer pieces.

    Its control tokens are plain pieces, which is how sentencepiece models arrive.
    """
    control = [(token, 0.0) for token in ("<s>", "<pad>", "</s>", "<unk>")]
    letters = [(char, -6.0) for char in _unique(HAN + LATIN + "⁄")]
    words = [(word, -4.0 - len(word)) for word in (*WORDS, "▁北京", "▁上海", "▁村")]
    tokenizer = Tokenizer(models.Unigram([*control, ("▁", -3.0), *words, *letters], unk_id=3))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC()])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    return tokenizer


def unigram_bytes() -> Tokenizer:
    """The same with byte fallback: what is unknown becomes its UTF-8 bytes."""
    control = [(token, 0.0) for token in ("<s>", "<pad>", "</s>", "<unk>")]
    bytes_ = [(f"<0x{byte:02X}>", -9.0) for byte in range(256)]
    letters = [(char, -6.0) for char in _unique(HAN + LATIN)]
    pieces = [*control, *bytes_, ("▁", -3.0), *letters]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=3, byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    return tokenizer


def characters() -> Tokenizer:
    """One token a character, unknown or not."""
    tokens = [*SPECIAL, *_unique(HAN + LATIN)]
    tokenizer = Tokenizer(models.WordLevel(_numbered(tokens), unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"."), "isolated")
    return tokenizer


def byte_level() -> Tokenizer:
    """As RoBERTa: merges of UTF-8 bytes, a space before the first word, several tokens a rare character."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        min_frequency=2,
        show_progress=False,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    corpus = [" ".join(word) for word in (*WORDS, *HAN)] + ["the city of abc"]
    tokenizer.train_from_iterator(corpus * 2, trainer)
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    return tokenizer


KINDS: dict[str, Callable[[], Tokenizer]] = {
    "wordpiece": wordpiece,
    "unigram": unigram,
    "unigram_bytes": unigram_bytes,
    "characters": characters,
    "byte_level": byte_level,
}


def layout(*, max_length: int = 64, overlap: int = 16, types: str | None = None) -> Layout:
    """Prefix 2, middle and suffix 3, pad 0: the numbers of [CLS], [SEP] and [PAD] in `SPECIAL`."""
    return Layout(
        prefix=(2,),
        middle=(3,),
        suffix=(3,),
        pad=0,
        second_type=1 if types else 0,
        max_length=max_length,
        overlap=overlap,
        types=types,
    )


def saved(tokenizer: Tokenizer, folder: Path) -> Path:
    """The tokenizer as a bundle holds it."""
    path = folder / "tokenizer.json"
    tokenizer.save(str(path))
    return path


def _unique(text: str) -> list[str]:
    return list(dict.fromkeys(text))


def _numbered(tokens: list[str]) -> dict[str, int]:
    return {token: number for number, token in enumerate(dict.fromkeys(tokens))}
