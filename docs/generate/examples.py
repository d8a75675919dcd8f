"""The README's curl examples against a running server: are the answers that it shows those that come?

An example is a block of bash that calls curl, followed by a block of JSON.
`python -m docs.generate.examples URL` exits 1 and says how many differ; with --write it puts
the real answers into the README.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"
SHOWN_URL = "http://127.0.0.1:8000"
EXAMPLE = re.compile(r"```bash\n(?P<ask>curl .*?)```\n+```json\n(?P<answer>.*?)```", flags=re.DOTALL)
TOLERANCE = 0.02  # of scores: that of golden examples, since CPUs add up in different orders


def ask(command: str, url: str) -> object:
    """The JSON that an example's command prints when it asks the server at `url`."""
    here = command.replace(SHOWN_URL, url)
    done = subprocess.run(["bash", "-c", here], check=True, capture_output=True, timeout=30)
    return json.loads(done.stdout)


def alike(shown: object, real: object) -> bool:
    """Equal but for numbers within the tolerance and the ids of requests."""
    if isinstance(shown, dict) and isinstance(real, dict):
        compared = shown.keys() - {"request_id"}
        return shown.keys() == real.keys() and all(alike(shown[key], real[key]) for key in compared)
    if isinstance(shown, list) and isinstance(real, list):
        return len(shown) == len(real) and all(map(alike, shown, real))
    if isinstance(shown, float) and isinstance(real, int | float):
        return abs(shown - real) <= TOLERANCE
    return shown == real


def checked(text: str, url: str) -> tuple[str, int]:
    """The README with real answers where the shown ones differ, and how many did."""
    changed = 0

    def real(match: re.Match[str]) -> str:
        nonlocal changed
        answer = ask(match["ask"], url)
        if alike(json.loads(match["answer"]), answer):
            return match[0]
        changed += 1
        return (
            f"```bash\n{match['ask']}```\n\n```json\n{json.dumps(answer, ensure_ascii=False, indent=2)}\n```"
        )

    return EXAMPLE.sub(real, text), changed


def main() -> int:
    """0 when the README shows what the server answers, or now does."""
    parser = argparse.ArgumentParser(prog="python -m docs.generate.examples", description=__doc__)
    parser.add_argument("url", help="of a server that serves the bundles of this repository")
    parser.add_argument("--write", action="store_true", help="put the real answers into the README")
    arguments = parser.parse_args()
    text, changed = checked(README.read_text("utf-8"), arguments.url)
    sys.stdout.write(f"{changed} of the README's examples differ\n")
    if arguments.write:
        README.write_text(text, "utf-8")
    return 1 if changed and not arguments.write else 0


if __name__ == "__main__":
    raise SystemExit(main())
