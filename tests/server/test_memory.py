"""What all shipped bundles take together, in a real server that has been asked long documents."""

from __future__ import annotations

import platform
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.kit.serve_kit import served

ZOO = Path(__file__).parents[2] / "models" / "zoo"
DOCUMENT = ("今天天气很好，我们去公园看花，买了三斤苹果。" * 500)[:10_000]
REQUESTS = (
    ("/v1/classify", {"text": DOCUMENT}),
    ("/v1/classify", {"text": DOCUMENT, "model": "sentiment"}),
    ("/v1/ner", {"text": DOCUMENT}),
    ("/v1/pair", {"text": DOCUMENT, "text_pair": "你好"}),
    ("/v1/qa", {"question": "买了几斤苹果？", "context": DOCUMENT}),
)
RESIDENT = ("process_resident_memory_bytes", "0")


CLIENTS = 4
PATIENT = (
    *("--threads", "2", "--max-line-seconds", "60", "--max-request-seconds", "60"),
    *("--timeout-seconds", "60"),
)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="memory is settled with glibc's own calls")
def test_five_bundles_and_long_documents_by_four_clients_stay_under_300_megabytes(tmp_path):
    with served(ZOO, tmp_path / "log", *PATIENT) as server:
        ready = server.counts()[RESIDENT]
        with ThreadPoolExecutor(CLIENTS) as clients:
            answers = list(clients.map(lambda request: server.ask("POST", *request), REQUESTS * CLIENTS))
        assert {status for status, _ in answers} == {200}
        asked = server.counts()[RESIDENT]
    assert ready < 225e6  # the weights are held once
    assert asked < 300e6
