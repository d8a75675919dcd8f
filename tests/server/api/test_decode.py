"""Bodies that do not fit: the refusal says what is allowed, in the words of JSON."""

from __future__ import annotations

import re

import pytest

NAMES = {
    "unknown field": ("classify", {"text": "a", "texts": "b"}, ["`text`, `top_k`, `threshold`, `model`"]),
    "missing field": ("pair", {"text": "a"}, ["field `text_pair`", "fields are `text`, `text_pair`"]),
    "a long unknown name": ("ner", {"text": "a", "x" * 9999: "b"}, ["`text`", "`offset_unit`"]),
    "not an object": ("classify", [1], ["`$`", "an object", "not a list"]),
    "wrong type": ("classify", {"text": 1}, ["`$.text`", "a string or a list of strings, not a number"]),
    "null": ("qa", {"question": None, "context": "a"}, ["`$.question`", "a list of strings, not null"]),
    "wrong type in a list": ("ner", {"text": ["a", {}]}, ["`$.text[1]` takes a string, not an object"]),
    "wrong model": ("ner", {"text": "a", "model": 1}, ["`$.model`", "a string or null, not a number"]),
    "top_k 0": ("classify", {"text": "a", "top_k": 0}, ["`$.top_k`", "a whole number from 1 to 1000"]),
    "top_k 1001": ("qa", {"question": "a", "context": "b", "top_k": 1001}, ["a whole number from 1 to 1000"]),
    "top_k 1.5": ("classify", {"text": "a", "top_k": 1.5}, ["a whole number from 1 to 1000"]),
    "top_k true": ("classify", {"text": "a", "top_k": True}, ["1 to 1000 or null, not true or false"]),
    "threshold": ("ner", {"text": "a", "threshold": "x"}, ["a number from 0 to 1 or null, not a string"]),
    "unit": ("ner", {"text": "a", "offset_unit": "bytes"}, ["`codepoint` or `utf16` or `utf8`"]),
    "unit 1": ("ner", {"text": "a", "offset_unit": 1}, ["`codepoint` or `utf16` or `utf8`, not a number"]),
    "blank text": ("pair", {"text": "", "text_pair": "a"}, ["`text` "]),
    "blank text_pair": ("pair", {"text": ["a", "b"], "text_pair": ["a", " "]}, ["`text_pair` "]),
    "blank question": ("qa", {"question": " ", "context": ["a", "b"]}, ["`question` "]),
    "blank context": ("qa", {"question": ["a", "b"], "context": ""}, ["`context` "]),
    "long context": ("qa", {"question": "a", "context": "a" * 50_001}, ["`context` has 50001 characters"]),
    "unknown model": ("ner", {"text": "a", "model": "x"}, ["for the task ner there is: ner."]),
    "wrong task": ("pair", {"text": "a", "text_pair": "b", "model": "qa"}, ["the task pair there is: pair."]),
    "unequal": ("pair", {"text": ["a"] * 3, "text_pair": ["b"] * 2}, ["3 texts", "2 at", "of equal length"]),
}


@pytest.mark.parametrize("case", NAMES)
def test_a_refusal_says_what_is_allowed_in_the_words_of_json(client, case):
    task, body, named = NAMES[case]
    problem = client.post(f"/v1/{task}", json=body).json()
    for words in named:
        assert words in problem["detail"]
    assert not re.search("`(str|int|float|bool|array|object)\\b", problem["detail"])
    assert len(problem["detail"]) < 500
    assert "range" not in problem["title"]


HALF_PAIRS = {
    "before another character": (r'{"text": "\u597d\ud83d\u5929"}', "`$.text`", 0),
    "at the end": (r'{"text": "\u597d\ud83d"}', "`$.text`", 0),
    "alone": (r'{"text": "\uD83D"}', "`$.text`", 0),
    "before other text": (r'{"text": "\ud83d and on it goes"}', "`$.text`", 0),
    "low half": (r'{"text": "a\uDE00b"}', "`$.text`", 0),
    "low half at the end": (r'{"text": "a\ude00"}', "`$.text`", 0),
    "halves in the wrong order": (r'{"text": "\ude00\ud83d"}', "`$.text`", 0),
    "two high halves": (r'{"text": "\ud83d\ud83d\ude00"}', "`$.text`", 0),
    "after an escaped backslash": (r'{"text": "\\\ud83d"}', "`$.text`", 0),
    "in a list": (r'{"text": ["a", "\ud83d\ude00", "b\ud83d"]}', "`$.text[2]`", 2),
    "in a name": (r'{"text": "a", "\ud83d": 1}', "", None),
}


@pytest.mark.parametrize("case", HALF_PAIRS)
def test_half_of_a_surrogate_pair_is_a_bad_text(client, case):
    body, where, index = HALF_PAIRS[case]
    answer = client.post("/v1/classify", content=body.encode())
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "bad_text")
    assert "half of a surrogate pair" in problem["detail"]
    assert where in problem["detail"]
    assert problem.get("index") == index


@pytest.mark.parametrize("text", [r"\\ud83d", r"\ud83d\ude00", r"\uD83D\uDE00\\\\udead"])
def test_whole_pairs_and_escaped_backslashes_are_text(client, text):
    assert client.post("/v1/classify", content=f'{{"text": "{text}"}}'.encode()).status_code == 200
    broken = client.post("/v1/classify", content=f'{{"text": "{text}"'.encode()).json()
    assert broken["code"] == "bad_request"
    assert broken["detail"] == "The body is not JSON: Input data was truncated."
