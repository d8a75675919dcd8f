"""mosec with dynamic batching on; see https://mosecorg.github.io/mosec/reference/interface.html."""

from __future__ import annotations

import os
from typing import Any

from mosec import Server, Worker
from served import Model, options

given = options()


class Classifier(Worker):
    """With batches above one, `forward` takes and gives lists."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Model(given.bundles / given.models)

    def forward(self, data: list[dict[str, str]]) -> list[dict[str, Any]]:
        """The labels of each text."""
        return self.model.classify([one["text"] for one in data])


if __name__ == "__main__":
    os.environ.update(MOSEC_ADDRESS="127.0.0.1", MOSEC_PORT=str(given.port), MOSEC_LOG_LEVEL="error")
    server = Server()
    server.append_worker(
        Classifier, max_batch_size=given.batch, max_wait_time=int(given.wait_ms), route="/classify"
    )
    server.run()
