"""The other servers: how each is asked and started, and the environment of its own that it runs in.

Their programs lie in peers/ and are run as processes; nothing of them is imported.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from loadtest.bundles import Bundle
from loadtest.errors import StartFailed
from loadtest.load import Call
from loadtest.places import work_folder
from loadtest.target import Serving

SCRIPTS = Path(__file__).parent / "peers"
SHARED = ("onnxruntime", "tokenizers", "numpy")
INSTALL_SECONDS = 900.0
READY_SECONDS = 60.0

Body = Callable[[str], object]


def _text(text: str) -> object:
    return {"text": text}


def _texts(text: str) -> object:
    return {"texts": [text]}


def _tensor(text: str) -> object:
    """The V2 inference protocol."""
    return {"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": [text]}]}


@dataclass(frozen=True, slots=True)
class Knobs:
    """How a server's dynamic batching is set: the most texts a batch, and how long to wait for them."""

    batch: int
    wait_ms: float

    def __str__(self) -> str:
        return f"batches up to {self.batch}, wait {self.wait_ms:g} ms"


@dataclass(frozen=True, slots=True)
class Peer:
    """A server to compare with. Of several `knobs` the best is kept; the first is known to be good."""

    name: str
    script: str
    requirement: str
    knobs: tuple[Knobs, ...] = ()
    path: str = "/classify"
    ready_path: str = "/ready"
    body: Body = _text

    def calls(self, texts: Sequence[str]) -> list[Call]:
        """A request a text, in the given order."""
        bodies = (json.dumps(self.body(text), ensure_ascii=False) for text in texts)
        return [Call(self.path, body.encode()) for body in bodies]

    @property
    def requirements(self) -> tuple[str, ...]:
        """What its environment holds: the same runtime, tokenizer and arrays as qingmo's own."""
        return (self.requirement, *(f"{name}=={importlib.metadata.version(name)}" for name in SHARED))

    def serving(self, python: Path, bundle: Bundle, knobs: Knobs | None, cores: tuple[int, ...]) -> Serving:
        """How it is started with a bundle."""
        command = [str(python), str(SCRIPTS / self.script)]
        if knobs is not None:
            command += ["--batch", str(knobs.batch), "--wait-ms", str(knobs.wait_ms)]
        return Serving(
            shlex.join(command),
            bundle.folder.parent,
            bundle.folder.name,
            1,
            cores,
            ready_seconds=READY_SECONDS,
            ready_path=self.ready_path,
            title=self.name,
        )


WAITS = (Knobs(8, 2.0), Knobs(32, 5.0))
PEERS = (
    Peer("FastAPI", "serve_fastapi.py", "fastapi[standard]==0.165.0"),
    Peer("LitServe", "serve_litserve.py", "litserve==0.2.19", (*WAITS, Knobs(8, 0.0))),
    Peer(
        "BentoML",
        "serve_bentoml.py",
        "bentoml==1.4.39",
        (Knobs(8, 0.0), Knobs(32, 0.0)),  # it finds the waiting time by itself
        ready_path="/readyz",
        body=_texts,
    ),
    Peer("mosec", "serve_mosec.py", "mosec==0.9.8", (Knobs(8, 1.0), Knobs(32, 5.0)), ready_path="/"),
    Peer("Ray Serve", "serve_ray.py", "ray[serve]==2.60.0", (*WAITS, Knobs(8, 0.0)), ready_path="/-/routes"),
    Peer(
        "MLServer",
        "serve_mlserver.py",
        "mlserver==1.7.1",
        WAITS,
        path="/v2/models/peer/infer",
        ready_path="/v2/models/peer/ready",
        body=_tensor,
    ),
)


def environment(peer: Peer) -> Path:
    """The python of the peer's virtual environment, made on first use under QINGMO_WORK.

    Raises:
        StartFailed: It could not be installed.
    """
    requirements = peer.requirements
    key = hashlib.sha256(" ".join(requirements).encode()).hexdigest()[:12]
    folder = work_folder() / "peers" / f"{Path(peer.script).stem}-{key}"
    python = folder / "bin" / "python"
    if not (folder / "made").is_file():
        _run(peer, [sys.executable, "-m", "venv", "--clear", str(folder)])
        _run(peer, [str(python), "-m", "pip", "install", "-qq", *requirements])
        (folder / "made").write_text("\n".join(requirements), "utf-8")
    return python


def _run(peer: Peer, command: Sequence[str]) -> None:
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
            check=False,
            env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StartFailed(f"{peer.name} could not be installed: {error}.") from error
    if done.returncode:
        words = " / ".join(done.stderr.strip().splitlines()[-2:])
        raise StartFailed(f"{peer.name} could not be installed: {words}")
