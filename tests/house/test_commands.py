"""The Makefile as a newcomer meets it, and the files of operation against the settings."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from server.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
OPERATION = [
    "Dockerfile",
    "compose.yaml",
    "deploy/kubernetes.yaml",
    "README.md",
    *map(str, ROOT.glob("docs/*.md")),
]
OTHER_VARIABLES = {"QINGMO_WORK", "QINGMO_DATA"}


def test_help_lists_every_target():
    out = subprocess.run(
        ["make", "help"], cwd=ROOT, check=True, capture_output=True, text=True, timeout=60
    ).stdout
    listed = set(re.findall(r"^make (\w+)", out, flags=re.MULTILINE))
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text("utf-8"), flags=re.MULTILINE)
    assert listed == set(phony[1].split())


def test_a_machine_without_a_fitting_python_gets_a_clear_sentence(tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    made = subprocess.run(
        ["make", "PYTHON=", ".venv/made"],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert made.returncode != 0
    assert "Python 3.11" in made.stderr
    assert "apt install python3-venv" in made.stderr


@pytest.mark.parametrize("path", OPERATION, ids=lambda path: Path(path).name)
def test_variables_named_are_settings(path):
    named = set(re.findall(rf"\b{PREFIX}[A-Z_]+\b", (ROOT / path).read_text("utf-8")))
    known = {PREFIX + field.upper() for field in Settings.model_fields}
    assert named - known - OTHER_VARIABLES == set()


def test_kubernetes_sets_no_variable_of_its_own_that_is_a_setting():
    """A Service named qingmo brings QINGMO_PORT into every pod, which is none."""
    parts = list(yaml.safe_load_all((ROOT / "deploy/kubernetes.yaml").read_text("utf-8")))
    (pods,) = [part["spec"]["template"]["spec"] for part in parts if part["kind"] == "Deployment"]
    assert pods["enableServiceLinks"] is False


def test_make_serves_where_it_is_told_and_not_where_the_shell_says():
    told = {"HOST": "shell.example", "PORT": "1"}
    serve = ["make", "-n", "serve"]
    said = [
        subprocess.run(
            [*serve, *more],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
            env=os.environ | told,
        ).stdout
        for more in ([], ["HOST=0.0.0.0", "PORT=9"])
    ]
    assert "--host 127.0.0.1 --port 8000" in said[0]
    assert "--host 0.0.0.0 --port 9" in said[1]


@pytest.mark.parametrize(
    "path", ["compose.yaml", *map(str, ROOT.glob("deploy/*.y*ml"))], ids=lambda path: Path(path).name
)
def test_files_of_operation_are_yaml(path):
    assert all(yaml.safe_load_all((ROOT / path).read_text("utf-8")))


def test_the_image_and_the_cluster_agree_on_who_runs_and_where():
    dockerfile = (ROOT / "Dockerfile").read_text("utf-8")
    deployment = next(yaml.safe_load_all((ROOT / "deploy/kubernetes.yaml").read_text("utf-8")))["spec"][
        "template"
    ]["spec"]
    user, port = (
        deployment["securityContext"]["runAsUser"],
        deployment["containers"][0]["ports"][0]["containerPort"],
    )
    assert f"USER {user}:" in dockerfile
    assert f"EXPOSE {port}" in dockerfile
