"""BentoML with adaptive batching on; see https://docs.bentoml.com/en/latest/get-started/adaptive-batching.html."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import bentoml
from served import Model, options

if __name__ == "__main__":
    given = options()
    os.environ["PEER_FOLDER"] = str((given.bundles / given.models).resolve())  # it changes folders
    os.environ["PEER_BATCH"] = str(given.batch)


@bentoml.service(workers=1, metrics={"enabled": False}, logging={"access": {"enabled": False}})
class Classifier:
    """A batchable API takes a list and is given those of several requests together."""

    def __init__(self) -> None:
        self.model = Model(Path(os.environ["PEER_FOLDER"]))

    @bentoml.api(route="/classify", batchable=True, max_batch_size=int(os.environ.get("PEER_BATCH", "1")))
    def classify(self, texts: list[str]) -> list[dict[str, Any]]:
        """The labels of each text."""
        return self.model.classify(texts)


if __name__ == "__main__":
    command = ["bentoml", "serve", "serve_bentoml:Classifier", "--working-dir", str(Path(__file__).parent)]
    command += ["--host", "127.0.0.1", "--port", str(given.port)]
    os.execv(Path(sys.executable).with_name("bentoml"), command)
