"""JSON lines to Texts: a line is a string, or an object as the task's route takes it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from server.api.decode import decode
from server.errors import ServeError
from server.inference.check import check_text
from server.inference.values import Task, Text

MOST_AHEAD = 4_096
"""More than the engine reads ahead, so that only many bad lines in a row make it stop."""


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    """A line as an object; options are flags, the same for all lines."""


class _TextLine(_Line):
    text: str


class _PairLine(_Line):
    text: str
    text_pair: str


class _QaLine(_Line):
    question: str
    context: str


READERS: dict[Task, tuple[Any, Callable[[Any], Text]]] = {
    Task.CLASSIFY: (str | _TextLine, lambda line: Text(line if isinstance(line, str) else line.text)),
    Task.NER: (str | _TextLine, lambda line: Text(line if isinstance(line, str) else line.text)),
    Task.PAIR: (_PairLine, lambda line: Text(line.text, line.text_pair)),
    Task.QA: (_QaLine, lambda line: Text(line.question, line.context)),
}


class Lines:
    """Reads lines into texts, and remembers of each whether it became one, so that answers stay in order.

    Args:
        source: JSON lines in UTF-8; empty ones are passed over.
        task: Says what a line must be.
        max_chars: Allowed in each text.
        keep_going: Whether a bad line is remembered with its refusal, or ends the reading.
    """

    def __init__(self, source: Iterable[bytes], task: Task, max_chars: int, *, keep_going: bool) -> None:
        kind, self._text_of = READERS[task]
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(kind)
        self._numbered = enumerate(source, 1)
        self._task, self._max_chars, self._keep_going = task, max_chars, keep_going
        self.read: deque[Text | ServeError] = deque()
        self.ended = False
        self.failed: ServeError | None = None

    def texts(self) -> Iterator[Text]:
        """The texts of the good lines.

        Stops when MOST_AHEAD lines are read and not yet answered; called again, it goes on unless `ended`.
        """
        for number, line in self._numbered:
            if not line.strip():
                continue
            try:
                text = self._text(line)
            except ServeError as error:
                error.message = f"Line {number}: {error.message}"
                if not self._keep_going:
                    self.failed = error
                    break
                self.read.append(error)
                if len(self.read) >= MOST_AHEAD:
                    return
            else:
                self.read.append(text)
                yield text
        self.ended = True

    def _text(self, line: bytes) -> Text:
        text = self._text_of(decode(self._decoder, line))
        check_text(text, self._task, self._max_chars, 0)
        return text
