"""Asks a running server over HTTP, and says how its answers differ from those given here."""

from __future__ import annotations

import http.client
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct
from prometheus_client.parser import text_string_to_metric_families

from models.errors import MakeError
from models.own.examples import FIELDS
from server.inference.manifest import Manifest
from server.inference.values import Answer, Answers, Entities, Labels, Task, Text

SECONDS = 60.0  # for one request
DEADLINE = {"Content-Type": "application/json", "X-Request-Timeout-Ms": "50000"}
COMPANY = 32
"""Texts of one request in company: several batches, and far below what one request may cost."""
SCHEMES = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}
KINDS: dict[Task, type[Answer]] = {
    Task.CLASSIFY: Labels,
    Task.PAIR: Labels,
    Task.NER: Entities,
    Task.QA: Answers,
}


class _Reply(Struct):
    model: str
    version: str
    results: list[Any]


class _Refusal(Struct):
    detail: str


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens, and the API key it wants; empty where it wants none."""

    url: str
    key: str = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """How many of `asked` texts, `together` a request, came out otherwise, and the first in a sentence."""

    together: int
    asked: int
    count: int
    first: str


def differences(
    address: Address, manifest: Manifest, texts: Sequence[Text], answers: Sequence[Answer], together: int
) -> Difference:
    """Ask the server all texts, `together` in each request, and set its answers beside `answers`.

    Raises:
        MakeError: It cannot be reached, refuses, or serves another bundle.
    """
    with closing(Remote(address, manifest)) as server:
        there = [
            answer
            for at in range(0, len(texts), together)
            for answer in server.ask(texts[at : at + together])
        ]
    pairs = enumerate(zip(there, answers, strict=True))
    found = [(place, other, own) for place, (other, own) in pairs if other != own]
    first = ""
    if found:
        place, other, own = found[0]
        text = _short(texts[place].first, 40)
        first = f'text {place + 1} ("{text}"): the server says {_short(other)}, the predictor {_short(own)}.'
    return Difference(together, len(texts), len(found), first)


def resident_bytes(address: Address) -> float:
    """What all processes of the server hold in memory, as it says itself; MakeError if it does not say."""
    name = "process_resident_memory_bytes"
    with closing(_connection(address.url)) as connection:
        try:
            connection.request(
                "GET", f"{urlsplit(address.url).path.rstrip('/')}/metrics", headers=_with_key(address)
            )
            page = connection.getresponse().read().decode()
            families = [family for family in text_string_to_metric_families(page) if family.name == name]
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise MakeError(
                f"{address.url} does not say at /metrics what memory it holds: {error}."
            ) from error
    if not families:
        raise MakeError(f"{address.url} does not say at /metrics what memory it holds.")
    return float(sum(sample.value for family in families for sample in family.samples))


class Remote:
    """A running server that serves a bundle.

    Raises:
        MakeError: The address is not like http://HOST:PORT, or the key cannot stand in a header.
    """

    def __init__(self, address: Address, manifest: Manifest) -> None:
        self._url, self._manifest = address.url, manifest
        self._connection = _connection(address.url)
        self._path = f"{urlsplit(address.url).path.rstrip('/')}/v1/{manifest.task}"
        self._headers = {**DEADLINE, **_with_key(address)}

    def ask(self, texts: Sequence[Text]) -> list[Answer]:
        """The server's answer to each text, all in one request; MakeError."""
        status, body = self._post(msgspec.json.encode(self._asked(texts)))
        try:
            if status != http.client.OK:
                detail = msgspec.json.decode(body, type=_Refusal).detail
                raise MakeError(f"{self._url} refuses with {status}: {detail}")
            reply = msgspec.json.decode(body, type=_Reply)
            kind = KINDS[self._manifest.task]
            answers = [msgspec.convert(result, kind) for result in reply.results]
        except msgspec.DecodeError as error:
            raise MakeError(f"{self._url} answers with {status} and what no qingmo says: {error}.") from error
        self._check(reply, len(texts))
        return answers

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _asked(self, texts: Sequence[Text]) -> dict[str, str | list[str]]:
        """One text stands as it is, several as lists."""
        lists = ([text.first for text in texts], [text.second or "" for text in texts])
        fields = zip(FIELDS[self._manifest.task], lists, strict=False)
        given = {field: column[0] if len(column) == 1 else column for field, column in fields}
        return {"model": self._manifest.name, **given}

    def _post(self, body: bytes) -> tuple[int, bytes]:
        try:
            self._connection.request("POST", self._path, body, self._headers)
            response = self._connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException, ValueError) as error:  # a host or path may be no ASCII
            raise MakeError(f"{self._url} does not answer: {error}.") from error

    def _check(self, reply: _Reply, asked: int) -> None:
        if reply.version != self._manifest.version:
            raise MakeError(
                f"{self._url} serves another {self._manifest.name}: version {reply.version[:12]}, and the "
                f"bundle has {self._manifest.version[:12]}."
            )
        if len(reply.results) != asked:
            raise MakeError(f"{self._url} gave {len(reply.results)} answers to {asked} texts.")


def _with_key(address: Address) -> dict[str, str | bytes]:
    """The header that shows the key, if there is one; MakeError where it cannot stand in a header."""
    if not (address.key.isprintable() and address.key == address.key.strip()):
        raise MakeError("The API key has characters that cannot stand in a header.")
    return {"X-Api-Key": address.key.encode()} if address.key else {}


def _connection(url: str) -> http.client.HTTPConnection:
    """A connection that opens itself when it is used."""
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme, parts.hostname, parts.port
    except ValueError:
        scheme, host, port = "", None, None
    if not host or scheme not in SCHEMES:
        raise MakeError(f'"{url}" is no address of a server; it should be like http://127.0.0.1:8000.')
    return SCHEMES[scheme](host, port, timeout=SECONDS)


def _short(shown: Answer | str, most: int = 300) -> str:
    text = str(shown)
    return text if len(text) <= most else f"{text[:most]} ..."
