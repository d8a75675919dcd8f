"""Bytes that no well-meaning client sends: each is answered cleanly, and the server goes on."""

from __future__ import annotations

import gzip
import json
import socket
import time

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

POST = b"POST /v1/classify HTTP/1.1\r\nHost: x\r\n"
MOST = 2_000_000


def refused(answer: httpx.Response, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


def sized(body: bytes, *, size: int | None = None) -> bytes:
    return POST + b"Content-Length: %d\r\n\r\n" % (len(body) if size is None else size) + body


def status_of(received: bytes) -> int:
    return int(received.split(b" ", 2)[1]) if received else 0


BODIES = {
    "nothing": b"",
    "half an object": b'{"text": "a"',
    "half a string": b'{"text": "a',
    "two objects": b'{"text": "a"}{}',
    "a number": b"1",
    "NaN": b"NaN",
    "NaN threshold": b'{"text": "a", "threshold": NaN}',
    "infinite threshold": b'{"text": "a", "threshold": 1e999}',
    "huge top_k": b'{"text": "a", "top_k": %s}' % (b"9" * 5000),
    "invalid UTF-8": b'{"text": "\xff\xfe"}',
    "cut UTF-8": '{"text": "好'.encode()[:-1] + b'"}',
    "UTF-8 surrogate": b'{"text": "\xed\xa0\x80"}',
    "overlong UTF-8": b'{"text": "\xc0\x80"}',
    "UTF-16": '{"text": "a"}'.encode("utf-16"),
    "byte order mark": b'\xef\xbb\xbf{"text": "a"}',
    "raw NUL": b'{"text": "\x00"}',
    "raw newline": b'{"text": "a\nb"}',
    "lone surrogate": b'{"text": "\\ud800"}',
    "lone low surrogate": b'{"text": "a\\udc00b"}',
    "swapped surrogates": b'{"text": "\\ude00\\ud83d"}',
    "surrogate in a list": b'{"text": ["a", "\\ud800x"]}',
    "deep list": b'{"text": ' + b"[" * 100_000,
    "deep list, closed": b'{"text": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "deep unknown": b'{"x": ' + b'{"x": ' * 100_000,
    "brackets": b"[" * 1_000_000,
    "a long unknown name": b'{"%s": 1}' % (b"x" * 1_000_000),
    "gzip": gzip.compress(b'{"text": "a"}'),
}


@pytest.mark.parametrize("case", BODIES)
@pytest.mark.parametrize("task", ["classify", "qa"])
def test_what_is_no_request_is_a_bad_request(client, task, case):
    answer = client.post(f"/v1/{task}", content=BODIES[case])
    assert answer.status_code in {400, 422}
    problem = answer.json()
    assert problem["code"] in {"bad_request", "bad_option"} | ({"bad_text"} if "surrogate" in case else set())
    assert len(problem["detail"]) < 500


@pytest.mark.parametrize("escape", ["\\u0000", "\\u0000b", "\\u200b", "\\ufeff", "\\uffff", "\\ud83d\\ude00"])
def test_strange_characters_are_text_like_any_other(client, escape):
    answer = client.post("/v1/classify", content=f'{{"text": "a{escape}"}}'.encode())
    assert answer.status_code == 200


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_refused_politely(client, body):
    answer = client.post("/v1/ner", content=body)
    assert 400 <= answer.status_code < 500
    assert answer.json()["code"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(min_size=1, max_size=60))
def test_any_text_is_answered_or_blank(client, text):
    answer = client.post("/v1/ner", content=json.dumps({"text": text, "offset_unit": "utf16"}))
    if answer.status_code != 200:
        refused(answer, 422, "bad_text")
        assert not any(char.isalnum() for char in text)


def test_a_body_over_the_limit_is_refused_by_its_length(client):
    refused(client.post("/v1/classify", content=b"[" * 10_000_000), 413, "body_too_large")
    refused(client.post("/v1/classify", content=b" " * (MOST + 1)), 413, "body_too_large")
    assert client.post("/v1/classify", content=b'{"text": "a"}'.ljust(MOST)).status_code == 200


def test_a_body_over_the_limit_is_refused_while_it_is_read(client):
    refused(client.post("/v1/classify", content=iter([b"[" * 100_000] * 100)), 413, "body_too_large")


def test_a_large_body_is_not_waited_for(server):
    """The refusal is there before the body is."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as sock:
        sock.sendall(POST + b"Content-Length: 10000000\r\n\r\n[[[")
        received = sock.recv(65536)
        assert status_of(received) == 413
        assert b"connection: close" in received


def test_a_client_that_expects_to_be_asked_on_is_not(server):
    received = server.send_raw(POST + b"Content-Length: 10000000\r\nExpect: 100-continue\r\n\r\n")
    assert status_of(received) == 413
    received = server.send_raw(POST + b"Content-Length: 13\r\nExpect: 100-continue\r\n\r\n")
    assert status_of(received) == 100


def test_a_compressed_body_is_told_so(client):
    headers = {"Content-Encoding": "gzip"}
    refused(
        client.post("/v1/classify", content=gzip.compress(b"{}"), headers=headers),
        415,
        "unsupported_encoding",
    )
    headers = {"Content-Encoding": "identity"}
    assert client.post("/v1/classify", content=b'{"text": "a"}', headers=headers).status_code == 200


def test_a_chunked_body_is_taken(client):
    parts = iter([b'{"te', b'xt": "', "好".encode()[:1], "好".encode()[1:], b'"}'])
    assert client.post("/v1/classify", content=parts).status_code == 200


def test_a_body_shorter_than_it_says_runs_into_the_deadline(server):
    began = time.monotonic()
    head = POST + b"X-Request-Timeout-Ms: 300\r\nContent-Length: 50\r\n\r\n"
    received = server.send_raw(head + b'{"text": "a"}')
    assert status_of(received) == 408
    assert b"body_too_slow" in received
    assert time.monotonic() - began < 5


def test_a_body_longer_than_it_says_is_two_requests_and_the_second_is_none(server):
    received = server.send_raw(sized(b'{"text": "a"}garbage garbage\r\n\r\n', size=13))
    assert status_of(received) == 200
    assert status_of(received[received.rindex(b"HTTP/1.1") :]) == 400


def test_pipelined_requests_are_answered_in_order(server):
    first, second = sized('{"text": "球"}'.encode()), sized('{"text": "股"}'.encode())
    received = server.send_raw(first + second)
    assert received.count(b"HTTP/1.1 200 OK") == 2
    assert received.index(b"news_sports") < received.rindex(b"news_finance")


@pytest.mark.parametrize(
    "raw",
    [
        b"\r\n\r\n\r\n\r\nhello\r\n\r\n",
        b"GET\r\n\r\n",
        b"BREW /v1/classify HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
        POST + b"Content-Length: -1\r\n\r\n",
        POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        POST + b"Bad Header: x\r\n\r\n",
        POST + b"X: a\x00b\r\n\r\n",
    ],
)
def test_what_is_no_http_is_refused_and_closed(server, client, raw):
    received = server.send_raw(raw)
    assert status_of(received) == 400
    assert b"application/problem+json" in received
    assert client.get("/health/live").status_code == 200


@pytest.mark.parametrize(
    "target", [b"//", b"*", b"?", b"/%ff%fe", b"/%00", b"http://x/v1/classify", b"/" + b"a" * 5000]
)
def test_strange_targets_are_answered(server, client, target):
    received = server.send_raw(b"GET " + target + b" HTTP/1.1\r\nHost: x\r\n\r\n")
    assert 200 <= status_of(received) < 500
    assert client.get("/health/live").status_code == 200


def test_a_head_without_end_is_refused(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as sock:
        sock.sendall(POST)
        received = b""
        try:
            for _ in range(100):
                sock.sendall(b"X-More: " + b"a" * 4000 + b"\r\n")
            received = sock.recv(65536)
        except (ConnectionResetError, BrokenPipeError):
            received = received or b"HTTP/1.1 431 reset"
        assert status_of(received) == 431
    big = server.send_raw(POST + b"X-Big: " + b"a" * 70_000)
    assert status_of(big) == 431
    path = server.send_raw(b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n")
    assert status_of(path) == 431
    assert status_of(server.send_raw(POST + b"X-Big: " + b"a" * 70_000 + b"\r\n\r\n")) == 431


def test_a_byte_order_mark_is_named(client):
    for body in (BODIES["byte order mark"], BODIES["UTF-16"]):
        assert "byte order mark" in client.post("/v1/classify", content=body).json()["detail"]


def test_half_requests_leave_nothing_behind(server, client):
    for piece in (b"", b"POST", POST, POST + b"Content-Length: 10\r\n\r\n", sized(b'{"text": "a"}')):
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as sock:
            sock.sendall(piece)
    assert client.post("/v1/classify", json={"text": "a"}).status_code == 200
    assert server.process.poll() is None


def test_no_bug_was_met(server, client):
    """Runs last in this file: whatever was sent above, nothing was answered with 500."""
    client.get("/health/live")
    assert [line for line in server.lines() if line.get("status") == 500 or line["event"] == "bug"] == []
    assert [line for line in server.lines() if line["level"] == "error"] == []
