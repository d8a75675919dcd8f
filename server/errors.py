"""Every refusal that a caller can meet: one class a failed crossing, each with a status and a stable code."""

from __future__ import annotations


class ServeError(Exception):
    """A refusal with a sentence for the caller.

    Args:
        message: One clear sentence: what was wrong and what is allowed. Never holds the user's text.
        index: Position of the first bad item in the request, where one item is to blame.
        retry_after_seconds: When to come back, where coming back can help.
    """

    status = 500
    code = "internal"
    title = "Internal error"

    def __init__(
        self, message: str, *, index: int | None = None, retry_after_seconds: float | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.index = index
        self.retry_after_seconds = retry_after_seconds


class BadRequest(ServeError):
    """The body is not JSON, or not the JSON that this route takes."""

    status, code, title = 400, "bad_request", "Bad request"


class BadText(ServeError):
    """A text that cannot be answered: empty, blank, or not Unicode; or a list of no texts."""

    status, code, title = 422, "bad_text", "Text cannot be answered"


class BadOption(ServeError):
    """An option outside its range, or lists of unequal length."""

    status, code, title = 422, "bad_option", "Option or lists not taken"


class TooMany(ServeError):
    """More texts in one request than are taken."""

    status, code, title = 422, "too_many_texts", "Too many texts"


class TooLong(ServeError):
    """A text longer than is taken."""

    status, code, title = 413, "text_too_long", "Text too long"


class BodyTooLarge(ServeError):
    """A request body over the limit."""

    status, code, title = 413, "body_too_large", "Body too large"


class Unauthorized(ServeError):
    """No API key, or one that is not known."""

    status, code, title = 401, "unauthorized", "API key required"


class NotFound(ServeError):
    """No such path."""

    status, code, title = 404, "not_found", "Not found"


class UnknownModel(ServeError):
    """No bundle of that name is served."""

    status, code, title = 404, "unknown_model", "Unknown model"


class MethodNotAllowed(ServeError):
    """The path exists, the method does not."""

    status, code, title = 405, "method_not_allowed", "Method not allowed"


class WrongTask(ServeError):
    """The bundle exists and does another task."""

    status, code, title = 422, "wrong_task", "Model does another task"


class Overloaded(ServeError):
    """The waiting line is full, or so long that an answer is predicted to come after the deadline."""

    status, code, title = 503, "overloaded", "Overloaded"


class ShuttingDown(ServeError):
    """The process is draining and takes nothing new."""

    status, code, title = 503, "shutting_down", "Shutting down"


class NotReady(ServeError):
    """The process cannot answer: still warming up, or an inference thread has died."""

    status, code, title = 503, "not_ready", "Not ready"


class Expired(ServeError):
    """The deadline passed before an answer was there, or is sure to: the work alone takes longer."""

    status, code, title = 504, "expired", "Deadline passed"


class ModelFailed(ServeError):
    """The network raised, or gave scores that are not finite, on this batch alone."""

    status, code, title = 502, "model_failed", "Model failed"


class BadBundle(ServeError):
    """A bundle that must not be served; raised at start-up and by tools, never by a request."""

    status, code, title = 500, "bad_bundle", "Bad bundle"


class UnsupportedEncoding(ServeError):
    """The body is compressed."""

    status, code, title = 415, "unsupported_encoding", "Content encoding not supported"


class BodyTooSlow(ServeError):
    """The body was not in when the deadline passed."""

    status, code, title = 408, "body_too_slow", "Body too slow"


class HeadTooLarge(ServeError):
    """The request's head, its path and headers, is over the limit."""

    status, code, title = 431, "head_too_large", "Request head too large"
