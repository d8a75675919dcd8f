"""Log lines: JSON, whole, in order, without a user's text, and never in the way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time

from hypothesis import given, settings
from hypothesis import strategies as st

from server.logs import MOST_BYTES, PIPE_BYTES, Pen, RequestLine, RequestLog, pieces
from tests.kit.serve_kit import ROOT


def line(number: int) -> RequestLine:
    return RequestLine("now", "info", "request", f"id-{number}", "POST", "/v1/ner", 200, "ok", 1.5)


def test_lines_come_out_whole_and_in_order():
    reading, writing = os.pipe()
    pen = Pen(writing)
    log = RequestLog(pen)
    for number in range(50):
        log.add(line(number))
    assert pen.flush(10)
    os.close(writing)
    with os.fdopen(reading, "rb") as out:
        seen = [json.loads(each) for each in out.read().splitlines()]
    assert [each["request_id"] for each in seen] == [f"id-{number}" for number in range(50)]
    assert "trace_id" not in seen[0]


def test_a_reader_that_stands_still_stops_nobody():
    reading, writing = os.pipe()
    pen = Pen(writing)
    log = RequestLog(pen)
    began = time.monotonic()
    for number in range(3 * MOST_BYTES // 150):
        log.add(line(number))
    assert not pen.flush(0.2)
    assert time.monotonic() - began < 20
    with os.fdopen(reading, "rb") as out:
        reader = threading.Thread(target=lambda: seen.extend(out))
        seen: list[bytes] = []
        reader.start()
        assert pen.flush(20)
        os.close(writing)
        reader.join(20)
    lost = [json.loads(each)["lines"] for each in seen if b"dropped" in each]
    assert sum(lost) > 0
    assert len(seen) - len(lost) + sum(lost) == 3 * MOST_BYTES // 150


@settings(deadline=None, max_examples=50)
@given(st.lists(st.binary(min_size=1, max_size=3000).map(lambda b: b.replace(b"\n", b".")), max_size=20))
def test_pieces_fit_a_pipe_and_lose_nothing(lines):
    made = pieces(lines)
    assert b"".join(made) == b"".join(each + b"\n" for each in lines)
    for piece in made:
        assert len(piece) <= PIPE_BYTES or piece.count(b"\n") == 1


def test_what_an_exception_says_is_not_logged():
    code = """
import logging, structlog
from server import logs
logs.configure("info")
try:
    raise ValueError("user text")
except ValueError:
    structlog.get_logger().exception("bug")
    logging.getLogger("some.library").exception("failed")
structlog.get_logger().debug("not shown")
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30, cwd=ROOT
    )
    first, second = (json.loads(each) for each in done.stdout.splitlines())
    assert (first["event"], first["level"]) == ("bug", "error")
    assert first["exception"][0]["exc_type"] == "ValueError"
    assert second["exception_type"] == "ValueError"
    assert "user text" not in done.stdout
    assert done.stderr == ""
