"""Removes a customer from exported profiles: takes a folder, gives the files that had them.

The other records keep their bytes. A new file is written next to the old one and replaces it, so
that a reader sees the old one or the new one.
"""

from __future__ import annotations

import csv
import os
import re
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Protocol

from segpipe.export.formats import FORMATS, Format

_RUN_ID = re.compile(r"\d+")
IsTheirs = Callable[[str], bool]
STAGING = ".segpipe-export-"  # prefix of the folder of an export at work
_STAGED_FILE = ".segpipe-forget-"


class _Writable(Protocol):
    def write(self, text: str, /) -> int: ...


@dataclass(frozen=True)
class ErasedFile:
    """A file that had the customer, or a place that could not be searched."""

    path: Path
    n_records: int  # removed
    trouble: str | None = None  # why it could not be searched


def erase_from_exports(
    folder: Path, customer_id: str, other_run_ids: Collection[int]
) -> tuple[ErasedFile, ...]:
    """Files from which the customer was removed, and those where that failed.

    Records of the other runs stay: they are of other stores, whose customers may have the same ids.
    """
    if not folder.is_dir():
        return (ErasedFile(folder, 0, "the folder is gone, or cannot be reached from here"),)
    _sweep(folder)
    found = []
    for kind in FORMATS.values():
        path = folder / f"profiles.{kind.profiles}"
        try:
            if path.exists():
                found.append(
                    ErasedFile(path, _erase(path.resolve(), kind, customer_id, other_run_ids))
                )
        except OSError as error:
            found.append(ErasedFile(path, 0, error.strerror or str(error)))
        except (ValueError, csv.Error) as error:
            found.append(ErasedFile(path, 0, f"it has been changed since it was written ({error})"))
    return tuple(file for file in found if file.n_records or file.trouble)


def _sweep(folder: Path) -> None:
    """Remove what an export or an erasure left behind when it was killed."""
    for leftover in folder.glob(f"{STAGING}*"):
        shutil.rmtree(leftover, ignore_errors=True)
    for leftover in folder.glob(f"{_STAGED_FILE}*"):
        leftover.unlink(missing_ok=True)


def _erase(path: Path, kind: Format, customer_id: str, others: Collection[int]) -> int:
    start = kind.begins(customer_id)

    def is_theirs(item: str) -> bool:
        run_id = _RUN_ID.match(item, len(start)) if item.startswith(start) else None
        return run_id is not None and int(run_id[0]) not in others

    with _opened(path, kind) as items:
        n_records = sum(map(is_theirs, items))
    if n_records:
        _write_without(path, kind, is_theirs)
    return n_records


def _write_without(path: Path, kind: Format, is_theirs: IsTheirs) -> None:
    with NamedTemporaryFile(
        "w",
        dir=path.parent,
        prefix=_STAGED_FILE,
        encoding="utf-8",
        newline="",
        delete=False,
    ) as new:
        staged = Path(new.name)
        try:
            with _opened(path, kind) as items:
                _copy(items, new, kind, is_theirs)
            new.flush()
            os.fsync(new.fileno())
            shutil.copymode(path, staged)
            staged.replace(path)
        except BaseException:
            staged.unlink(missing_ok=True)
            raise


def _copy(items: Iterator[str], new: _Writable, kind: Format, is_theirs: IsTheirs) -> None:
    n_items = 0
    for item in items:
        if not is_theirs(item):
            new.write(item)
            n_items += 1
    if n_items == kind.n_heads:
        new.write(kind.empty)


@contextmanager
def _opened(path: Path, kind: Format) -> Iterator[Iterator[str]]:
    with path.open(encoding="utf-8", newline="" if kind.n_heads else "\n") as file:
        yield kind.items(file)
