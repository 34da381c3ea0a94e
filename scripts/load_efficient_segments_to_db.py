#!/usr/bin/env python3
"""The script that cron jobs call: a thin door to `segpipe run`, with the same options.

Works from any folder, in a checkout whether or not the package is installed.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent


def run() -> None:
    """Hand the arguments to `segpipe run`; exits with its status."""
    if importlib.util.find_spec("segpipe") is None:
        sys.path.insert(0, str(CHECKOUT))
    try:
        from segpipe.cli import main
    except ModuleNotFoundError as error:
        sys.exit(_advice(f"the Python module {error.name!r} is missing"))
    main(["run", *sys.argv[1:]], prog_name=Path(__file__).name)


def _advice(problem: str) -> str:
    return (
        f"{Path(__file__).name}: {problem} in {sys.executable}. Make the environment with `make "
        f"test` in {CHECKOUT} and use its .venv/bin/python, or install segpipe into this Python: "
        f"{sys.executable} -m pip install {CHECKOUT}"
    )


if __name__ == "__main__":
    run()
