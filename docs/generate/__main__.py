"""Writes the generated pages and blocks anew, or with --check says which of them are stale.

A block stands in a page between `<!-- generated: NAME -->` and `<!-- end: NAME -->`.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path

from docs.generate import pages, results, tree

ROOT = Path(__file__).parents[2]

WHOLE: dict[str, Callable[[], str]] = {
    "docs/configuration.md": pages.configuration,
    "docs/openapi.json": pages.openapi,
}
BLOCKS: dict[str, Callable[[], str]] = {
    "bundle": pages.bundle,
    "everyday": lambda: results.everyday(ROOT),
    "errors": pages.errors,
    "metrics": pages.metrics,
    "quality": lambda: results.quality(ROOT),
    "results": lambda: results.speed(ROOT),
    "tree": lambda: tree.tree(ROOT),
}


def with_blocks(page: str) -> str:
    """The page with the content of every block in it made anew; KeyError for a block nobody makes."""
    pattern = r"(<!-- generated: (\w+) -->\n).*?(<!-- end: \2 -->)"
    return re.sub(pattern, lambda m: f"{m[1]}{BLOCKS[m[2]]()}{m[3]}", page, flags=re.DOTALL)


def fresh() -> dict[Path, str]:
    """What every page with a generated part should say."""
    wanted = {ROOT / path: make() for path, make in WHOLE.items()}
    for page in [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]:
        if page not in wanted:
            wanted[page] = with_blocks(page.read_text("utf-8"))
    return wanted


def main() -> int:
    """0 when the docs say what the code says, or now do; 1 when --check finds one stale."""
    parser = argparse.ArgumentParser(prog="python -m docs.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 when a page is stale")
    check = parser.parse_args().check
    stale = {p: text for p, text in fresh().items() if not p.exists() or p.read_text("utf-8") != text}
    for path, text in stale.items():
        name = path.relative_to(ROOT)
        sys.stdout.write(
            f"{name} is out of step with the code: run `make docs`\n" if check else f"{name} written\n"
        )
        if not check:
            path.write_text(text, "utf-8")
    return 1 if check and stale else 0


if __name__ == "__main__":
    raise SystemExit(main())
