"""What a connection may do between its requests, and what becomes of bytes that are none."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import time

import pytest

from tests.kit.serve_kit import served

POST = b"POST /v1/classify HTTP/1.1\r\nHost: x\r\n"
BODY = '{"text": "今天看球"}'.encode()
ASK = POST + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY


def until(seconds, true):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.05)


def status_of(received: bytes) -> int:
    return int(received.split(b" ", 2)[1]) if received else 0


def statuses(received: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1.1 (\d{3}) ", received)]


def test_an_offer_of_another_protocol_is_passed_over(server):
    offer = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
    head = POST + offer + b"Content-Length: %d\r\n\r\n" % len(BODY)
    received = server.send_raw(head + BODY + ASK)
    assert received.count(b"HTTP/1.1 200 OK") == 2
    assert received.count(b"news_sports") == 2
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as sock:
        sock.sendall(head)
        time.sleep(0.1)
        sock.sendall(BODY)
        assert status_of(sock.recv(65536)) == 200
    assert status_of(server.send_raw(b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n")) == 400


def test_what_never_became_a_request_is_counted_and_logged_like_one(server):
    key = ("qingmo_requests_total", "", "bad_request")
    before = server.counts().get(key, 0)
    received = server.send_raw(b"no http\r\n\r\n")
    request_id = re.search(rb"x-request-id: (\S+)\r\n", received)[1].decode()
    assert b"server-timing: total" in received
    assert json.loads(received.partition(b"\r\n\r\n")[2])["request_id"] == request_id
    assert server.counts()[key] == before + 1
    end = time.monotonic() + 5
    while not [line for line in server.lines() if line.get("request_id") == request_id]:
        assert time.monotonic() < end
        time.sleep(0.02)


def test_no_path_is_redirected_to_what_it_named(server):
    received = server.send_raw(b"GET /health/live/ HTTP/1.1\r\nHost: evil\r\n\r\n")
    assert status_of(received) == 404
    assert b"evil" not in received


@pytest.mark.parametrize("opening", [b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n\r\n", None])
def test_a_connection_that_only_waits_is_closed(tiny_bundles, tmp_path, opening):
    """Neither a lone line's end nor the first byte of a body that nobody reads keeps it."""
    unread = b"POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n"
    with (
        served(tiny_bundles, tmp_path / "log", "--keep-alive-seconds", "1") as server,
        socket.socket() as sock,
    ):
        sock.settimeout(10)
        sock.connect(("127.0.0.1", server.port))
        sock.sendall(opening or unread)
        assert b" 404 " in sock.recv(65536)
        sock.sendall(b"\r\n" if opening else b"x")
        with contextlib.suppress(ConnectionResetError):
            assert sock.recv(65536) == b""


def test_a_client_that_reads_no_answer_is_left(tiny_bundles, tmp_path):
    """Else it would hold its place for ever: its answer is not out, and it takes nothing of it."""
    ask = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"
    options = ("--keep-alive-seconds", "2", "--timeout-seconds", "1", "--max-connections", "1")
    with served(tiny_bundles, tmp_path / "log", *options) as server, socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(5)
        sock.connect(("127.0.0.1", server.port))
        sock.sendall(ask * 100)
        until(10, lambda: server.ask("GET", "/health/live")[0] == 503)
        until(30, lambda: server.ask("GET", "/health/live")[0] == 200)


def test_what_follows_a_body_is_dropped_and_bounded(server, client):
    """Trailers say nothing here; without a bound one request could fill the memory."""
    head = POST + b"Transfer-Encoding: chunked\r\n\r\n"
    body = b"%x\r\n%s\r\n0\r\n" % (len(BODY), BODY)
    assert statuses(server.send_raw(head + body + b"X-Sum: 1\r\nX-Request-Id: late\r\n\r\n" + ASK)) == [
        200,
        200,
    ]
    for trailers in (b"a: " + b"b" * 4000 + b"\r\n", b"a" * 4000):  # many lines, and one without an end
        received = b""
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as sock:
            with contextlib.suppress(ConnectionError):
                sock.sendall(head + body)
                for _ in range(200):
                    sock.sendall(trailers)
            with contextlib.suppress(ConnectionError):
                received = sock.recv(65536)
        assert status_of(received) == 431
    assert client.get("/health/live").status_code == 200


def test_what_follows_a_request_is_refused_after_its_answer(server):
    assert statuses(server.send_raw(ASK + b"garbage\r\n\r\n")) == [200, 400]
    assert statuses(server.send_raw(ASK + ASK + b"garbage\r\n\r\n")) == [200, 200, 400]
    broken = POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"
    assert statuses(server.send_raw(broken)) == [400]
    assert statuses(server.send_raw(ASK + broken)) == [200, 400]
    assert statuses(server.send_raw(ASK + b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n")) == [200, 431]
