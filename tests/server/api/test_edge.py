"""What every answer has, whatever was asked: an id, a timing, a type, an outcome in log and metrics."""

from __future__ import annotations

import json
import re
import time

import pytest

from server.api.openapi import document

ASKED = {"text": "今天看球"}
PATHS = json.loads(document())["paths"]
GETS = [path.replace("{name}", "ner") for path, methods in PATHS.items() if "get" in methods]
GETS += ["/openapi.json", "/", "/docs", "/docs/start.js", "/playground/app.js"]
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def logged(server, request_id: str, seconds: float = 5.0) -> dict:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for line in server.lines():
            if line.get("request_id") == request_id:
                return line
        time.sleep(0.02)
    raise AssertionError(f"no line for {request_id}")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/classify"),
        ("POST", "/v1/ner"),
        ("GET", "/v1/nothing"),
        ("GET", "/"),
        ("GET", "/metrics"),
    ],
)
def test_every_answer_has_an_id_and_a_timing(client, method, path):
    answer = client.request(method, path, json=ASKED if method == "POST" else None)
    assert re.fullmatch(r"[0-9a-f]+-[0-9a-f]+", answer.headers["x-request-id"])
    assert re.search(r"total;dur=\d+\.\d{3}", answer.headers["server-timing"])
    assert "date" in answer.headers
    assert "server" not in answer.headers


def test_stages_are_told_in_milliseconds(client):
    timing = client.post("/v1/classify", json=ASKED).headers["server-timing"]
    stages = dict(re.findall(r"(\w+);dur=(\d+\.\d{3})", timing))
    assert list(stages) == ["queue", "tokenise", "infer", "decode", "total"]
    assert 0 < float(stages["infer"]) <= float(stages["total"])


def test_a_sane_request_id_is_kept_and_another_replaced(client):
    kept = client.post("/v1/classify", json=ASKED, headers={"X-Request-Id": "order:42"})
    assert kept.headers["x-request-id"] == "order:42"
    for bad in ("a b", "x" * 129, "é".encode(), ""):
        made = client.post("/v1/classify", json=ASKED, headers={"X-Request-Id": bad})
        assert made.status_code == 200
        assert re.fullmatch(r"[0-9a-f]+-[0-9a-f]+", made.headers["x-request-id"])


def test_a_request_is_one_line_without_its_text(server, client):
    text = "绝密球赛结果甲乙丙丁"
    headers = {"traceparent": TRACE}
    answer = client.post("/v1/classify", json={"text": text}, headers=headers)
    line = logged(server, answer.headers["x-request-id"])
    assert line["path"] == "/v1/classify"
    assert (line["method"], line["status"], line["code"], line["model"]) == ("POST", 200, "ok", "classify")
    assert line["trace_id"] == "0af7651916cd43dd8448eb211c80319c"
    assert line["span_id"] == "b7ad6b7169203331"
    assert line["ms"] > 0
    assert line["infer_ms"] > 0
    shown = client.get(f"/v1/models/{text}")
    assert logged(server, shown.headers["x-request-id"])["path"] == "/v1/models/{name}"
    unknown = client.get(f"/v1/{text}?q={text}")
    bad = client.post("/v1/classify", json={text: text})
    logged(server, unknown.headers["x-request-id"])
    assert logged(server, bad.headers["x-request-id"])["code"] == "bad_request"
    assert "绝密" not in server.log.read_text("utf-8")
    assert "%E7%BB%9D" not in server.log.read_text("utf-8")


@pytest.mark.parametrize(
    "bad", ["", "00-0-0-0", f"ff{TRACE[2:]}", f"00-{'0' * 32}-b7ad6b7169203331-01", "x" * 999]
)
def test_a_traceparent_that_is_not_valid_counts_as_absent(server, client, bad):
    answer = client.post("/v1/classify", json=ASKED, headers={"traceparent": bad})
    assert answer.status_code == 200
    assert "trace_id" not in logged(server, answer.headers["x-request-id"])


@pytest.mark.parametrize("bad", ["0", "-5", "nan", "inf", "1e999", "soon", "", "600001"])
def test_a_deadline_that_is_none_is_refused(client, bad):
    answer = client.post("/v1/classify", json=ASKED, headers={"X-Request-Timeout-Ms": bad})
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_option")


def test_a_deadline_that_cannot_be_met_is_said_to_be_missed(server, client):
    answer = client.post("/v1/classify", json=ASKED, headers={"X-Request-Timeout-Ms": "0.001"})
    assert (answer.status_code, answer.json()["code"]) == (504, "expired")
    assert "retry-after" not in answer.headers
    assert logged(server, answer.headers["x-request-id"])["level"] == "info"
    fine = client.post("/v1/classify", json=ASKED, headers={"X-Request-Timeout-Ms": "5000.5"})
    assert fine.status_code == 200


@pytest.mark.parametrize(
    "path", ["/v1/classify", "/v1/models", "/health/ready", "/metrics", "/", "/docs", "/openapi.json"]
)
@pytest.mark.parametrize("method", ["DELETE", "PUT", "PATCH", "TRACE"])
def test_a_wrong_method_is_told_which_are_right(client, path, method):
    answer = client.request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert "POST" in answer.headers["allow"] or "GET" in answer.headers["allow"]


def test_get_options_and_head_on_a_route_that_takes_post(client):
    assert client.get("/v1/classify").status_code == 405
    assert client.head("/v1/classify").status_code == 405
    options = client.options("/v1/classify")
    assert (options.status_code, options.headers["allow"]) == (204, "POST, OPTIONS")
    assert client.head("/v1/models").status_code == 200


@pytest.mark.parametrize("path", GETS)
def test_head_answers_as_get_without_the_body(client, path):
    head, get = client.head(path), client.get(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == get.headers["content-type"]
    assert path == "/metrics" or head.headers["content-length"] == get.headers["content-length"]


def test_the_methods_that_are_allowed_are_those_of_the_path(client):
    for path in ("/openapi.json", "/v1/models", "/", "/docs"):
        answer = client.post(path)
        assert answer.headers["allow"] == "GET, HEAD"
        assert "takes GET, HEAD, not POST" in answer.json()["detail"]


@pytest.mark.parametrize(
    "path", ["/nothing", "/v1", "/v1/classify/", "/playground/../settings.py", "/playground/%2e%2e/x"]
)
def test_an_unknown_path_is_a_problem(client, path):
    answer = client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_page_and_the_documentation_are_under_strict_policies(client):
    for path in ("/", "/playground/app.js", "/docs", "/docs/start.js", "/docs/assets/swagger-ui-bundle.js"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "unsafe-eval" not in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert "unsafe-inline" not in client.get("/").headers["content-security-policy"]


def test_bodies_are_json_whatever_their_type_says(client):
    for kind in ("application/x-www-form-urlencoded", "text/plain", ""):
        answer = client.post("/v1/classify", content=b'{"text": "a"}', headers={"content-type": kind})
        assert answer.status_code == 200


def test_metrics_count_what_was_asked(server, client):
    before = server.counts()
    for _ in range(3):
        client.post("/v1/classify", json={"text": ["今天看球", "股"]})
    client.post("/v1/classify", json={"text": " "})
    client.post("/v1/classify", content=b"{")
    after = server.counts()
    grown = {key: after[key] - before.get(key, 0) for key in after}
    assert grown[("qingmo_requests_total", "classify", "ok")] == 3
    assert grown[("qingmo_requests_total", "classify", "bad_text")] == 1
    assert grown[("qingmo_requests_total", "", "bad_request")] == 1
    assert grown[("qingmo_texts_total", "classify")] == 6
    assert grown[("qingmo_request_seconds_count", "classify")] == 3
    assert grown[("qingmo_queue_seconds_count", "classify")] == 6
    assert grown[("qingmo_infer_seconds_count", "classify")] == 3
    assert grown[("qingmo_batch_rows_sum", "classify")] == 6
    assert grown[("qingmo_tokens_total", "classify")] == 3 * (4 + 2 + 1 + 2)
    assert grown[("qingmo_padding_tokens_total", "classify")] > 0
    assert grown[("qingmo_run_seconds_total", "classify")] > 0
    assert after[("qingmo_queue_tickets", "classify")] == 0
    assert ("qingmo_request_seconds_bucket", "5e-05", "classify") in after
    assert after[("process_resident_memory_bytes", "0")] > 1e6
