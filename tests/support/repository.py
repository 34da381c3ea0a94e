"""The files of this repository, for the tests of what no linter checks."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

from tests.support.commands import ROOT


def texts(*suffixes: str) -> Iterator[tuple[str, str]]:
    """Path and text of each file that git knows or would take, with one of the suffixes."""
    command = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    for name in listed.splitlines():
        path = ROOT / name
        if name.endswith(suffixes) and path.exists():
            yield name, path.read_text(encoding="utf-8")
