"""Nothing phones home: the telemetry in official builds of onnxruntime is off before they load."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("module", ["server.inference.runtime", "models"])
def test_onnxruntime_makes_no_device_id_and_no_uploader(module, tmp_path):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ORT_", "XDG_"))}
    code = f"import {module}, onnxruntime; print(onnxruntime.get_device())"
    subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment | {"HOME": str(tmp_path), "CI": ""},
        check=True,
        timeout=60,
        capture_output=True,
    )
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
