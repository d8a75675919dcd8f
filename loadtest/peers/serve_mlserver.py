"""MLServer with adaptive batching on; see https://docs.seldon.ai/mlserver/user-guide/adaptive-batching."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from mlserver import MLModel, MLServer, ModelSettings, Settings
from mlserver.codecs import StringCodec
from mlserver.settings import ModelParameters
from mlserver.types import InferenceRequest, InferenceResponse
from served import Model, options


class Classifier(MLModel):
    """A custom runtime; a request of several rows is what batching makes of several requests."""

    async def load(self) -> bool:
        """Before the server is ready."""
        self.model = Model(Path(self.settings.parameters.uri))
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """The labels of each text, as JSON in strings: the protocol knows tensors and strings."""
        texts = StringCodec.decode_input(payload.inputs[0])
        answers = [json.dumps(answer, ensure_ascii=False) for answer in self.model.classify(texts)]
        return InferenceResponse(
            model_name=self.name, outputs=[StringCodec.encode_output("labels", answers, use_bytes=False)]
        )


async def serve() -> None:
    """Until it is ended."""
    given = options()
    settings = Settings(
        host="127.0.0.1",
        http_port=given.port,
        grpc_port=given.port + 1,
        metrics_endpoint=None,
        parallel_workers=0,
        debug=False,
    )
    model = ModelSettings(
        name="peer",
        implementation=Classifier,
        max_batch_size=given.batch,
        max_batch_time=given.wait_ms / 1e3,
        parameters=ModelParameters(uri=str(given.bundles / given.models)),
    )
    await MLServer(settings).start([model])


if __name__ == "__main__":
    asyncio.run(serve())
