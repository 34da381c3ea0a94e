"""The file of the page: refused before the run where it cannot be written, written after it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from segpipe.core.errors import InputError


def refuse_page_path(path: Path, option: str, in_use: Iterable[Path] = ()) -> None:
    """Raise InputError where no page can be written there, or the run reads or writes the file."""
    if path.resolve() in {other.resolve() for other in in_use}:
        msg = f"{option} names {path}, which the run reads or writes too; name another file."
        raise InputError(msg)
    if path.is_dir():
        raise InputError(f"{option} names the folder {path}; name a file such as report.html.")
    if not path.parent.is_dir():
        raise InputError(f"{option}: there is no folder {path.parent}; make it first.")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise InputError(f"{option} names {path}, which may not be written; name another file.")


def write_page(html: str, path: Path) -> None:
    """Write the page; InputError where the file cannot be written."""
    try:
        path.write_text(html, encoding="utf-8")
    except OSError as error:
        msg = f"The page cannot be written to {path} ({error.strerror}); name another file."
        raise InputError(msg) from error
