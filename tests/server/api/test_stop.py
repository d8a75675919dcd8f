"""Stopping and hanging up, on real servers with a model that takes its time."""

from __future__ import annotations

import concurrent.futures
import contextlib
import http.client
import itertools
import json
import re
import signal
import socket
import sys
import threading
import time

import httpx
import pytest

from server.inference.values import Task
from tests.kit.bundle_kit import slow_graph, write_bundle
from tests.kit.serve_kit import Server, served

BODY = b'{"text": "a"}'
ASK = b"POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)


@pytest.fixture(scope="module")
def slow_bundles(tmp_path_factory):
    folder = tmp_path_factory.mktemp("slow")
    write_bundle(folder / "slow", Task.CLASSIFY, graph=slow_graph(Task.CLASSIFY))
    return folder


class Asking:
    """Clients that ask without pause over kept connections until the server has gone."""

    def __init__(self, server: Server, clients: int) -> None:
        self.answered: list[int] = []
        self.lost: list[str] = []
        self._connections = [
            http.client.HTTPConnection("127.0.0.1", server.port, timeout=20) for _ in range(clients)
        ]
        for connection in self._connections:
            connection.connect()
        self._threads = [threading.Thread(target=self._ask, args=(each,)) for each in self._connections]
        for thread in self._threads:
            thread.start()

    def _ask(self, connection: http.client.HTTPConnection) -> None:
        while True:
            try:
                if connection.sock is None:
                    connection.connect()
            except ConnectionRefusedError:
                return
            try:
                connection.request("POST", "/v1/classify", BODY)
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException) as error:
                self.lost.append(repr(error))
                return
            self.answered.append(answer.status)

    def wait_for(self, answers: int) -> None:
        end = time.monotonic() + 30
        while len(self.answered) < answers and time.monotonic() < end:
            time.sleep(0.01)

    def join(self) -> None:
        for thread in self._threads:
            thread.join(40)
            assert not thread.is_alive()
        for connection in self._connections:
            connection.close()


@pytest.mark.parametrize("processes", ["1", "2"])
def test_sigterm_under_load_loses_nothing(slow_bundles, tmp_path, processes):
    flags = ("--threads", "1", "--processes", processes)
    with served(slow_bundles, tmp_path / "log", *flags) as server:
        asking = Asking(server, 8)
        asking.wait_for(24)
        assert server.stop() == 0
        asking.join()
    assert asking.lost == []
    assert len(asking.answered) >= 24
    assert set(asking.answered) == {200}
    assert all(line["all_answered"] for line in server.lines() if line["event"] == "stopped")


@pytest.mark.skipif(sys.platform != "linux", reason="Only Linux filters packets by socket.")
def test_before_the_port_is_shut_new_connections_stay_unanswered(slow_bundles, tmp_path):
    """What the kernel would still take then, it would reset when the port is closed."""
    with served(slow_bundles, tmp_path / "log") as server:
        server.process.send_signal(signal.SIGTERM)
        end, found = time.monotonic() + 10, [connected(server.port)]
        while found[-1] != "refused":
            assert time.monotonic() < end
            found.append(connected(server.port))
        assert [each for each, _ in itertools.groupby(found)][-2:] == ["unanswered", "refused"]
        assert server.process.wait(20) == 0


def connected(port: int) -> str:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=0.03).close()
    except TimeoutError:
        return "unanswered"
    except ConnectionRefusedError:
        return "refused"
    return "taken"


def test_readiness_goes_off_first_and_the_port_stays_open_for_the_delay(slow_bundles, tmp_path):
    with served(slow_bundles, tmp_path / "log", "--drain-delay-seconds", "1.5") as server:
        with httpx.Client(base_url=server.url, timeout=20) as client:
            began = time.monotonic()
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.1)
            ready = client.get("/health/ready")
            assert (ready.status_code, ready.json()["code"]) == (503, "not_ready")
            assert int(ready.headers["retry-after"]) >= 1
            asked = client.post("/v1/classify", content=BODY)
        assert asked.status_code == 200
        assert asked.headers["connection"] == "close"
        assert server.process.wait(20) == 0
        assert time.monotonic() - began > 1.5


def test_work_that_takes_longer_than_the_limit_is_given_up_and_said_so(slow_bundles, tmp_path):
    flags = (
        "--drain-seconds",
        "0.2",
        "--threads",
        "1",
        "--max-line-seconds",
        "600",
        "--timeout-seconds",
        "600",
    )
    with served(slow_bundles, tmp_path / "log", *flags) as server:
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            body = {"text": ["a" * 30] * 64}
            asked = [pool.submit(server.ask, "POST", "/v1/classify", body) for _ in range(20)]
            time.sleep(0.3)
            began = time.monotonic()
            code = server.stop()
            assert time.monotonic() - began < 10
            answers = [each.result(20) for each in asked]
        given_up = [answer for status, answer in answers if status != 200]
        assert given_up
        assert {json.loads(answer)["code"] for answer in given_up} == {"shutting_down"}
        assert code == 1


def test_a_second_signal_ends_at_once(slow_bundles, tmp_path):
    with served(slow_bundles, tmp_path / "log", "--drain-delay-seconds", "30") as server:
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        began = time.monotonic()
        assert server.stop() == 128 + signal.SIGTERM
        assert time.monotonic() - began < 3


def test_who_hangs_up_frees_the_place(slow_bundles, tmp_path):
    """A list of texts is asked and dropped; what had not run is never run."""
    with served(slow_bundles, tmp_path / "log", "--threads", "1") as server:
        texts = b'{"text": [%s]}' % b",".join([b'"%s"' % (b"a" * 30)] * 128)
        head = b"POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(texts)
        for _ in range(5):
            with socket.create_connection(("127.0.0.1", server.port), timeout=5) as sock:
                sock.sendall(head + texts)
                time.sleep(0.1)
        assert server.ask("POST", "/v1/classify", {"text": "a"})[0] == 200
        end = time.monotonic() + 10
        # Whoever is gone before the body was read is counted without a model.
        cancelled = [("qingmo_requests_total", model, "cancelled") for model in ("slow", "")]
        while sum((now := server.counts()).get(key, 0) for key in cancelled) < 5:
            assert time.monotonic() < end
            time.sleep(0.05)
        assert now[("qingmo_shed_total", "slow", "cancelled")] > 0
        assert now[("qingmo_queue_tickets", "slow")] == 0


def test_a_hang_up_is_seen_at_once(slow_bundles, tmp_path):
    with served(slow_bundles, tmp_path / "log", "--threads", "1") as server:
        texts = b'{"text": [%s]}' % b",".join([b'"%s"' % (b"a" * 30)] * 128)
        head = b"POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(texts)
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as sock:
            sock.sendall(head + texts)
            time.sleep(0.2)
        end = time.monotonic() + 5
        while not (gone := [each for each in server.lines() if each.get("code") == "cancelled"]):
            assert time.monotonic() < end
            time.sleep(0.02)
        assert gone[0]["ms"] < 1000


def test_too_much_work_is_refused_with_a_time_to_come_back(slow_bundles, tmp_path):
    flags = ("--threads", "1", "--max-line-seconds", "0.05")
    with served(slow_bundles, tmp_path / "log", *flags) as server, contextlib.ExitStack() as stack:
        address = ("127.0.0.1", server.port)
        sockets = [stack.enter_context(socket.create_connection(address, timeout=20)) for _ in range(64)]
        for sock in sockets:
            sock.sendall(ASK)
        answers = [sock.recv(65536) for sock in sockets]
    shed = [answer for answer in answers if b" 503 " in answer[:20]]
    assert all(b" 200 " in answer[:20] for answer in answers if answer not in shed)
    assert 0 < len(shed) < 64
    for answer in shed:
        assert b"overloaded" in answer
        assert int(re.search(rb"retry-after: (\d+)", answer)[1]) >= 1


def test_connections_beyond_the_limit_are_told_so(slow_bundles, tmp_path):
    with served(slow_bundles, tmp_path / "log", "--max-connections", "2") as server:
        time.sleep(0.2)  # the connections that asked for readiness are closed by now
        address = ("127.0.0.1", server.port)
        with socket.create_connection(address) as one, socket.create_connection(address):
            time.sleep(0.2)
            with socket.create_connection(address, timeout=5) as third:
                received = third.recv(65536)
            assert b"503" in received
            assert b"retry-after" in received
            one.settimeout(10)
            one.sendall(ASK)
            assert one.recv(65536).startswith(b"HTTP/1.1 200")
