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
    "docs/openapi.json": "the API by machine (generated)",
    "docs/results": "what was measured, as the tools wrote it",
    "loadtest/samples": "texts of our own to ask with",
    "models/recipes": "one file a bundle: how it is made",
    "models/zoo": "the bundles that ship",
    "server/playground": "the page at /: static files, no build step",
    "server/playground/static": "the page at /: static files, no build step",
    "tests": "mirrors the code; tests/house tests the rules of the house",
}
CLOSED = (
    "tests",
    "docs/decisions",
    "docs/results",
    "loadtest/samples",
    "server/playground",
)  # one line for all
SKIPPED = (".dockerignore", ".gitignore", "py.typed", "__init__.py", "__main__.py")
COMMENT = {
    ".html": r"<title>(.*?)</title>",
    ".js": r"^(?://|/\*\*?)\s*(.*?)\s*(?:\*/)?$",
    ".css": r"^/\*\s*(.*?)\s*(?:\*/)?$",
    ".md": r"^# (.*)$",
}
HASH = r"^# ?(.*)$"


def tree(root: Path) -> str:
    """The tree as a fenced block; ValueError names a file that says nothing of itself."""
    entries = sorted({entry(root, path) for path in listed(root)}, key=lambda path: order(root, path))
    names = {
        path: "    " * path.count("/") + Path(path).name + "/" * (root / path).is_dir() for path in entries
    }
    column = max(len(name) for name in names.values()) + 2
    lines = [f"{names[path]:<{column}}{comment(root, path)}".rstrip() for path in entries]
    return "```\n" + "\n".join(lines) + "\n```\n"


def listed(root: Path) -> set[str]:
    """All paths under version control or about to be, folders included."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    out = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout
    files = {path for path in out.splitlines() if Path(path).name not in SKIPPED and (root / path).exists()}
    parents = {str(parent) for path in files for parent in Path(path).parents if str(parent) != "."}
    return files | parents - {".ci"}


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


def comment(root: Path, path: str) -> str:
    """What a file or folder is for, in at most WIDTH characters."""
    said = PLAIN.get(path) or of_itself(root / path)
    if not said:
        raise ValueError(
            f"{path} says nothing of itself: give it a first comment, or a line in docs/generate/tree.py"
        )
    return shortened(said)


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
