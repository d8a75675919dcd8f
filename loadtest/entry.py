"""The command `qingmo-loadtest` where its tools may be missing: they come with an extra of their own."""

from __future__ import annotations

import sys


def main() -> None:
    """Run it, or say in a sentence what is not installed."""
    try:
        from loadtest.cli import main as run  # noqa: PLC0415 - what may be missing is imported there
    except ModuleNotFoundError as error:
        sys.exit(f'The package {error.name} is not installed; "pip install qingmo[loadtest]" brings it.')
    run()


if __name__ == "__main__":
    main()
