"""The four routes: what they answer, and how they refuse."""

from __future__ import annotations

import json
import math

import pytest

from server.inference.manifest import Manifest
from server.inference.values import Task


def manifest_of(bundles, name) -> Manifest:
    return json.loads((bundles / name / "bundle.json").read_bytes())


def test_classify_answers_the_best_label_first_with_unrounded_scores(client, tiny_bundles):
    answer = client.post("/v1/classify", json={"text": "今天看球"})
    body = answer.json()
    assert answer.status_code == 200
    assert body["model"] == "classify"
    assert body["version"] == manifest_of(tiny_bundles, "classify")["version"]
    (result,) = body["results"]
    assert result["labels"][0]["label"] == "news_sports"
    assert result["labels"][0]["name"] == "体育"
    scores = [label["score"] for label in result["labels"]]
    assert scores == sorted(scores, reverse=True)
    assert math.isclose(sum(scores), 1, abs_tol=1e-6)
    assert scores[0] != round(scores[0], 6)
    assert set(result) == {"labels"}


def test_a_list_gives_a_result_an_input_in_order(client):
    texts = ["今天看球", "股市", "手机"] * 42 + ["球", "股"]
    results = client.post("/v1/classify", json={"text": texts, "top_k": 1}).json()["results"]
    assert len(results) == len(texts) == 128
    best = {"球": "news_sports", "股": "news_finance", "机": "news_tech"}
    for text, result in zip(texts, results, strict=True):
        assert [label["label"] for label in result["labels"]] == [best[next(c for c in text if c in best)]]


def test_pair_says_that_it_was_shortened_only_when_it_was(client):
    short = client.post("/v1/pair", json={"text": "今天好", "text_pair": "同天好"}).json()["results"]
    long = client.post("/v1/pair", json={"text": ["今天好"], "text_pair": ["同天好" * 40]}).json()["results"]
    assert short[0]["labels"][0]["name"] == "相同"
    assert "shortened" not in short[0]
    assert long[0]["shortened"] is True


def test_qa_says_that_the_question_was_shortened(client):
    body = {"question": ["谁", "谁" * 300], "context": "张三去北京"}
    short, long = client.post("/v1/qa", json=body).json()["results"]
    assert "shortened" not in short
    assert long["shortened"] is True


@pytest.mark.parametrize(
    ("unit", "start", "end"), [("codepoint", 2, 4), ("utf16", 3, 5), ("utf8", 5, 11), (None, 2, 4)]
)
def test_entities_stand_at_offsets_in_the_unit_asked_for(client, unit, start, end):
    body = {"text": "😀a张三去北京"} | ({"offset_unit": unit} if unit else {})
    (result,) = client.post("/v1/ner", json=body).json()["results"]
    person, place = result["entities"]
    assert (person["type"], person["name"], person["text"]) == ("per", "人名", "张三")
    assert (person["start"], person["end"]) == (start, end)
    assert place["text"] == "北京"
    assert 0 < place["score"] <= 1


def test_qa_lets_many_questions_share_one_context(client):
    context = "😀我们甲公园乙看花"
    body = {"question": ["去看花", "我"], "context": context, "top_k": 1, "offset_unit": "utf8"}
    results = client.post("/v1/qa", json=body).json()["results"]
    assert len(results) == 2
    for result in results:
        (answer,) = result["answers"]
        assert context.encode()[answer["start"] : answer["end"]].decode() == answer["text"] == "甲公园乙"
        assert result["no_answer_score"] is None


@pytest.mark.parametrize(
    ("task", "one", "many", "text", "others"),
    [
        ("pair", "text", "text_pair", "今天好", ["同天好", "看球", "今天好" * 30]),
        ("pair", "text_pair", "text", "今天好", ["同天好", "看球", "今天好" * 30]),
        ("qa", "question", "context", "去看花", ["我们甲公园乙看花", "甲书乙", "好" * 200 + "甲山乙"]),
        ("qa", "context", "question", "我们甲公园乙看花", ["去看花", "我", "甲"]),
    ],
)
def test_one_string_beside_a_list_serves_all_of_it(client, task, one, many, text, others):
    def results(**fields):
        answer = client.post(f"/v1/{task}", json=fields | {"top_k": 2})
        assert answer.status_code == 200, answer.text
        return answer.json()["results"]

    alone = [results(**{one: text, many: other})[0] for other in others]
    assert one == "context" or alone[0] != alone[-1]
    assert results(**{one: text, many: others}) == alone
    assert results(**{one: [text] * len(others), many: others}) == alone
    assert results(**{one: text, many: others[:1]}) == alone[:1]


def test_max_answer_chars_is_obeyed(client):
    body = {"question": "去看花", "context": "我们甲公园乙看花", "max_answer_chars": 1, "top_k": 3}
    (result,) = client.post("/v1/qa", json=body).json()["results"]
    assert all(len(answer["text"]) == 1 for answer in result["answers"])


def test_threshold_leaves_out_what_scores_below(client):
    (result,) = client.post("/v1/classify", json={"text": "今天看球", "threshold": 0.9}).json()["results"]
    assert [label["label"] for label in result["labels"]] == ["news_sports"]


def test_a_long_document_is_answered_in_windows(client):
    text = "好" * 500 + "张三" + "好" * 500
    (result,) = client.post("/v1/ner", json={"text": text}).json()["results"]
    assert [(e["text"], e["start"]) for e in result["entities"]] == [("张三", 500)]


BAD_TEXT, BAD_OPTION, BAD_REQUEST = (422, "bad_text"), (422, "bad_option"), (400, "bad_request")
REFUSED = {
    "blank": ("classify", {"text": " \u3000"}, BAD_TEXT, None),
    "empty": ("classify", {"text": ""}, BAD_TEXT, None),
    "empty list": ("classify", {"text": []}, BAD_TEXT, "$.text"),
    "blank third": ("classify", {"text": ["a", "b", " "]}, BAD_TEXT, 2),
    "wrong type": ("classify", {"text": 1}, BAD_REQUEST, "$.text"),
    "null": ("classify", {"text": None}, BAD_REQUEST, "$.text"),
    "wrong type second": ("ner", {"text": ["a", {}]}, BAD_REQUEST, 1),
    "missing": ("pair", {"text": "a"}, BAD_REQUEST, "text_pair"),
    "unknown field": ("classify", {"text": "a", "texts": "b"}, BAD_REQUEST, "`texts`"),
    "not an object": ("classify", ["a"], BAD_REQUEST, "object"),
    "unknown model": ("classify", {"text": "a", "model": "x"}, (404, "unknown_model"), "classify"),
    "model of another task": ("classify", {"text": "a", "model": "ner"}, (422, "wrong_task"), "ner"),
    "129 texts": ("classify", {"text": ["a"] * 129}, (422, "too_many_texts"), 128),
    "too long": ("classify", {"text": ["a", "好" * 50_001]}, (413, "text_too_long"), 1),
    "unequal": ("pair", {"text": ["a", "b"], "text_pair": ["a"]}, BAD_OPTION, "2 texts"),
    "unequal contexts": ("qa", {"question": ["a"], "context": ["a", "b"]}, BAD_OPTION, "$.context"),
    "a list of one context": ("qa", {"question": ["a", "b"], "context": ["a"]}, BAD_OPTION, "one string"),
    "no questions": ("qa", {"question": [], "context": "a"}, BAD_TEXT, "$.question"),
    "no contexts": ("qa", {"question": "a", "context": []}, BAD_TEXT, "$.context"),
    "129 beside one": ("pair", {"text": "a", "text_pair": ["a"] * 129}, (422, "too_many_texts"), 128),
    "top_k 0": ("classify", {"text": "a", "top_k": 0}, BAD_OPTION, "$.top_k"),
    "top_k true": ("classify", {"text": "a", "top_k": True}, BAD_OPTION, "$.top_k"),
    "threshold 2": ("ner", {"text": "a", "threshold": 2}, BAD_OPTION, "$.threshold"),
    "unit": ("ner", {"text": "a", "offset_unit": "bytes"}, BAD_OPTION, "$.offset_unit"),
    "max_answer_chars": ("qa", {"question": "a", "context": "b", "max_answer_chars": 257}, BAD_OPTION, "256"),
    "option of another route": ("ner", {"text": "a", "top_k": 1}, BAD_REQUEST, "top_k"),
    "bad context": ("qa", {"question": ["a", "b"], "context": ["a", ""]}, BAD_TEXT, 1),
    "bad context beside one question": ("qa", {"question": "a", "context": ["a", ""]}, BAD_TEXT, 1),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_the_client_did_wrong_is_a_problem_that_names_it(client, case):
    task, body, (status, code), named = REFUSED[case]
    answer = client.post(f"/v1/{task}", json=body)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["status"] == status
    assert problem["type"] == f"urn:qingmo:problem:{code}"
    assert problem["title"]
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert problem["detail"].endswith(".")
    if isinstance(named, int):
        assert problem["index"] == named
    elif named:
        assert named in problem["detail"]


def test_the_default_model_can_be_named(client):
    for task in Task:
        cards = client.get("/v1/models").json()["models"]
        assert [card["name"] for card in cards if card["default"] and card["task"] == task] == [str(task)]


def test_models_are_shown_one_by_one(client, tiny_bundles):
    card = client.get("/v1/models/ner").json()
    manifest = manifest_of(tiny_bundles, "ner")
    assert card["version"] == manifest["version"]
    assert card["labels"] == [{"label": "per", "name": "人名"}, {"label": "loc", "name": "地名"}]
    assert card["terms"] == manifest["terms"]
    assert card["max_text_chars"] == 50_000
    missing = client.get("/v1/models/nothing")
    assert (missing.status_code, missing.json()["code"]) == (404, "unknown_model")
