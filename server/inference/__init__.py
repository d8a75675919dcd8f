"""Text to answer. Knows no HTTP, no Prometheus and no settings."""

import os

# Official builds of onnxruntime report to their maker over the network unless this is set before they load.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
