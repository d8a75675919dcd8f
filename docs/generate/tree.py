"""The tree in the README: every file with the sentence that the file says of itself."""

from __future__ import annotations

import ast
import json
import re
import subprocess
from pathlib import Path

WIDTH = 96  # of a comment, in characters
PLAIN = {  # files and folders that cannot say it themselves
    ".ci/run": "what CI does, from a bare machine on",
    "CHANGELOG.md": "what changed, for those who upgrade",
    "CONTRIBUTING.md": "how to change the code, and the house's rules",
    "LICENSE": "Apache-2.0, for the code",
    "NOTICE": "whose it is, and that the weights have terms of their own",
    "README.md": "this page",
    "deploy": "Prometheus and Kubernetes",
    "docs": "for those who operate, and for those who change the code",
    "docs/decisions": "why it is so and not otherwise: one decision a page",
    "docs/api.md": "the API: routes, options, headers, errors",
    "docs/architecture.md": "which room knows what, what walks between them, who may import whom",
    "docs/bundles.md": "the format of a bundle",
    "docs/configuration.md": "every setting (generated)",
    "docs/experiments.md": "what was tried, failures kept",
    "docs/making.md": "how models are made: stages, methods, teachers, your own data",
    "docs/operating.md": "probes, draining, sizing, limits, keys, logs, metrics and alerts",
    "docs/measuring.md": "how speed is measured: against BERT-base, against other servers",
    "docs/openapi.json": "the API by machine (generated)",
    "docs/results": "what was measured, as the tools wrote it",
    "loadtest/peers": "the other servers' programs, run in environments of their own",
    "loadtest/samples": "texts of our own to ask with",
    "loadtest/templates": "how a report looks",
    "models/recipes": "one file a bundle, a teacher or a method: how it is made",
    "models/written": "texts written for qingmo: bundles learn from train, and are asked test",
    "models/zoo": "the bundles that ship",
    "pyproject.toml": "packaging, extras, import contracts, and how the tools are set",
    "server/playground": "the page at /: static files, no build step",
    "tests": "mirrors the code; tests/house tests the rules of the house",
}
CLOSED = (
    "tests",
    "docs/decisions",
    "docs/results",
    "loadtest/peers",
    "loadtest/samples",
    "loadtest/templates",
    "models/written",
    "server/playground",
)  # one line for all that lies in them
SKIPPED = (".dockerignore", ".gitignore", "py.typed", "__init__.py", "__main__.py")
COMMENT = {
    ".html": r"<title>(.*?)</title>",
    ".js": r"^(?://|/\*\*?)\s*(.*?)\s*(?:\*/)?$",
    ".css": r"^/\*\s*(.*?)\s*(?:\*/)?$",
    ".md": r"^# (.*)$",
}
HASH = r"^# ?(.*)$"


def tree(root: Path) -> str:
    """The tree as a fenced block; ValueError names the files that say nothing of themselves."""
    entries = sorted({entry(root, path) for path in listed(root)}, key=lambda path: order(root, path))
    said = {path: PLAIN.get(path) or of_itself(root / path) for path in entries}
    if silent := [path for path in entries if not said[path]]:
        raise ValueError(
            f"Give these a first comment, or a line in docs/generate/tree.py: {', '.join(silent)}"
        )
    names = {path: name(root, path) for path in entries}
    column = max(map(len, names.values())) + 2
    lines = [f"{names[path]:<{column}}{shortened(said[path])}" for path in entries]
    return "```\n" + "\n".join(lines) + "\n```\n"


def listed(root: Path) -> set[str]:
    """All paths under version control or about to be, folders included."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    out = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout
    files = {path for path in out.splitlines() if Path(path).name not in SKIPPED and (root / path).exists()}
    parents = {str(parent) for path in files for parent in Path(path).parents if str(parent) != "."}
    return files | parents - {".ci"}


def name(root: Path, path: str) -> str:
    """A path as its line begins: indented, but for the hidden ones, whose folder has no line."""
    if path.startswith("."):
        return path
    return "    " * path.count("/") + Path(path).name + "/" * (root / path).is_dir()


def entry(root: Path, path: str) -> str:
    """The line that stands for a path: itself, or the closed folder it lies in."""
    for folder in CLOSED:
        if path.startswith(folder + "/"):
            return folder
    inside = re.match(r"models/zoo/[^/]+", path)
    return inside[0] if inside else path


def order(root: Path, path: str) -> list[tuple[bool, str]]:
    """Sorts depth first, in each folder its files before its folders."""
    parts = Path(path).parts
    here = [root.joinpath(*parts[: i + 1]).is_dir() for i in range(len(parts))]
    return [(is_dir, part.lower()) for is_dir, part in zip(here, parts, strict=True)]


def of_itself(path: Path) -> str:
    """The first sentence of a module's docstring, of a folder's package, or of a file's first comment."""
    if path.is_dir():
        manifest, package = path / "bundle.json", path / "__init__.py"
        if manifest.exists():
            return str(json.loads(manifest.read_text("utf-8"))["title"])
        return of_itself(package) if package.exists() else ""
    text = path.read_text("utf-8", errors="replace")
    if path.suffix == ".py":
        return (ast.get_docstring(ast.parse(text)) or "").replace("\n", " ")
    found = re.search(COMMENT.get(path.suffix, HASH), text, flags=re.MULTILINE)
    return found[1] if found else ""


def shortened(said: str) -> str:
    """The first sentence, cut at a colon, semicolon or comma where it is too long."""
    sentence = re.split(r"\.(?:\s|$)", said, maxsplit=1)[0]
    while len(sentence) > WIDTH and re.search(r"[:;,]", sentence):
        sentence = re.split(r"[:;,][^:;,]*$", sentence)[0]
    return sentence
