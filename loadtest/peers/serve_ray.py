"""Ray Serve with request batching on; see https://docs.ray.io/en/latest/serve/advanced-guides/dyn-req-batch.html."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import ray
from ray import serve
from served import Model, options
from starlette.requests import Request

given = options()


@serve.deployment(max_ongoing_requests=1000)
class Classifier:
    """One replica; its batched method is given the texts of several requests."""

    def __init__(self, folder: Path) -> None:
        self.model = Model(folder)

    @serve.batch(max_batch_size=given.batch, batch_wait_timeout_s=given.wait_ms / 1e3)
    async def classify(self, texts: list[str]) -> list[dict[str, Any]]:
        """The labels of each text."""
        return self.model.classify(texts)

    async def __call__(self, request: Request) -> dict[str, Any]:
        """One request."""
        body = await request.json()
        answer: dict[str, Any] = await self.classify(body["text"])
        return answer


if __name__ == "__main__":
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
    serve.start(http_options={"host": "127.0.0.1", "port": given.port})
    folder = (given.bundles / given.models).resolve()
    serve.run(Classifier.bind(folder), route_prefix="/classify", logging_config={"enable_access_log": False})
    while True:
        time.sleep(3600)
