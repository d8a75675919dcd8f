"""Making: data and a base network in, a bundle that the server can trust out."""

import server.inference  # noqa: F401  (silences onnxruntime's telemetry before anything here loads it)
