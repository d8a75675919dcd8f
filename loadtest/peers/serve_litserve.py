"""LitServe with its batching on; see https://lightning.ai/docs/litserve/features/batching."""

from __future__ import annotations

from typing import Any

import litserve
from served import Model, options

given = options()


class Classifier(litserve.LitAPI):
    """Texts are collected to batches of lists, which `predict` takes whole."""

    def setup(self, device: str) -> None:
        """In the worker process."""
        self.model = Model(given.bundles / given.models)

    def decode_request(self, request: dict[str, str]) -> str:
        """The text of a request."""
        return request["text"]

    def batch(self, inputs: list[str]) -> list[str]:
        """A list is what the model takes."""
        return inputs

    def predict(self, x: list[str]) -> list[dict[str, Any]]:
        """All texts of a batch."""
        return self.model.classify(x)

    def unbatch(self, output: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """One answer a request."""
        return output

    def encode_response(self, output: dict[str, Any]) -> dict[str, Any]:
        """The answer of one request."""
        return output


if __name__ == "__main__":
    api = Classifier(max_batch_size=given.batch, batch_timeout=given.wait_ms / 1e3, api_path="/classify")
    server = litserve.LitServer(api, accelerator="cpu", healthcheck_path="/ready")
    server.run(host="127.0.0.1", port=given.port, generate_client_file=False, access_log=False)
