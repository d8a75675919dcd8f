"""Every knob of the server: one frozen class. Knows no HTTP and no model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "QINGMO_"
SHIPPED_BUNDLES = Path(__file__).resolve().parent.parent / "models" / "zoo"
"""Where the bundles that ship lie, beside this package in a checkout and in an installation."""


class SettingsProblem(Exception):
    """A setting that cannot be followed, in a sentence for whoever starts the server."""


class Settings(BaseSettings):
    """The docstring under each field is its `--help` and its line in docs/configuration.md.

    A flag wins over its QINGMO_* variable, which wins over the default.

    Raises:
        pydantic.ValidationError: A value outside its range.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", use_attribute_docstrings=True, validate_default=True
    )

    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 for all."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    """Port to listen on; 0 takes a free one, which the log names."""
    bundles: Path | None = None
    """Folder whose subfolders are bundles; those that come with qingmo when not given."""
    models: Annotated[str, Field(pattern=r"^[a-z0-9._,\- ]*$")] = ""
    """Names of the bundles to serve, separated by commas; all in the folder when empty, topic before the
    rest by name. The first of a task is its default."""
    threads: Annotated[int, Field(ge=0, le=1024)] = 0
    """Inference threads of all processes together; 0 takes the cores that may be used."""
    processes: Annotated[int, Field(ge=1, le=256)] = 1
    """Processes that share the port. More than one pays when a single event loop is full."""

    timeout_seconds: Annotated[float, Field(gt=0, le=600)] = 10.0
    """A request's deadline when its X-Request-Timeout-Ms header does not say."""
    max_text_chars: Annotated[int, Field(ge=1)] = 50_000
    """Longest text taken, in code points."""
    max_body_bytes: Annotated[int, Field(ge=1024)] = 2_000_000
    """Largest request body taken."""
    max_line_seconds: Annotated[float, Field(gt=0)] = 2.0
    """Most predicted work, in seconds, that may go before a newcomer; who would wait longer gets a 503."""
    max_request_seconds: Annotated[float, Field(gt=0)] = 10.0
    """Most predicted work, in seconds, of one request; what is more is answered 413 or 422."""
    max_line_tickets: Annotated[int, Field(ge=1)] = 10_000
    """Most texts and windows that may wait, of requests of one text and of all others each."""
    max_run_ms: Annotated[float, Field(gt=0)] = 10.0
    """Longest run of the network, predicted, in milliseconds, unless one text alone takes longer. A run
    cannot be interrupted: more fills larger batches, and lets a newcomer wait longer."""
    max_connections: Annotated[int, Field(ge=1)] = 4096
    """Most open connections of one process; what goes beyond is answered 503 and closed."""
    keep_alive_seconds: Annotated[int, Field(ge=1)] = 75
    """How long an idle connection is kept, or one that reads none of its answer; longer than the load
    balancer in front keeps it."""

    drain_seconds: Annotated[float, Field(ge=0)] = 25.0
    """How long accepted requests may take to finish after SIGTERM."""
    drain_delay_seconds: Annotated[float, Field(ge=0)] = 0.0
    """How long the port stays open after SIGTERM, with readiness off; in Kubernetes some 5, so that the
    endpoint is gone from all routes before connections are refused."""

    api_keys: SecretStr = SecretStr("")
    """Keys that open /v1, separated by commas. None here and none in the file: no key is asked for."""
    api_keys_file: Path | None = None
    """File with one such key a line; # starts a comment."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least level that is logged."""
    log_requests: bool = True
    """Whether each request is logged, in one JSON line on standard output."""

    @property
    def bundles_folder(self) -> Path:
        """Where the bundles are."""
        return self.bundles or SHIPPED_BUNDLES

    @property
    def model_names(self) -> tuple[str, ...]:
        """`models` as a list; empty when all are meant."""
        return tuple(name.strip() for name in self.models.split(",") if name.strip())
