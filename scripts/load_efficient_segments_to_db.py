#!/usr/bin/env python3
"""The script that cron jobs call: `segpipe run`, with the same options.

Works from any folder, and in a checkout whether or not segpipe is installed: a Python without its
dependencies starts the one of the checkout's .venv.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
PACKAGES = ("click", "duckdb", "ibis", "psycopg", "pyarrow")


def run() -> None:
    """Pass the arguments to `segpipe run`, and exit with its status."""
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    python = CHECKOUT / ".venv" / "bin" / "python"
    if missing and python.exists() and Path(sys.prefix) != CHECKOUT / ".venv":
        os.execv(python, [str(python), __file__, *sys.argv[1:]])  # noqa: S606 - the same script
    if missing:
        sys.exit(_advice(f"the Python module {missing[0]!r} is missing"))
    if importlib.util.find_spec("segpipe") is None:
        sys.path.insert(0, str(CHECKOUT))
    from segpipe.cli import start

    sys.argv.insert(1, "run")
    start(prog_name=Path(__file__).name)


def _advice(problem: str) -> str:
    return (
        f"{Path(__file__).name}: {problem} in {sys.executable}. Make the environment with `make "
        f"test` in {CHECKOUT} and use its .venv/bin/python, or install segpipe into this Python: "
        f"{sys.executable} -m pip install {CHECKOUT}"
    )


if __name__ == "__main__":
    run()
