"""Tables to `.csv`, `.csv.gz` or `.parquet`, batch by batch, complete or not at all.

Takes a path; gives a writer. Rows go to a temporary file, which is renamed when it is complete.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from segpipe.core.errors import InputError

SUFFIXES = (".csv", ".csv.gz", ".parquet")
Write = Callable[[pa.Table], None]


def check_path(path: Path) -> None:
    """Raise InputError where no file of a known format can be written under this name."""
    if not path.name.lower().endswith(SUFFIXES):
        msg = f"The file name {path.name!r} has an unknown ending; use {', '.join(SUFFIXES)}."
        raise InputError(msg)
    if not path.parent.is_dir():
        raise InputError(f"The folder {path.parent} does not exist; create it first.")
    if path.is_dir():
        raise InputError(f"{path} is a folder; name a file.")
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"The folder {path.parent} cannot be written to; choose another.")


@contextmanager
def open_writer(path: Path) -> Iterator[Write]:
    """A function that appends a table; all tables have the schema of the first one.

    Raises InputError when the file cannot be written, and then leaves no file behind.
    """
    part = path.with_name(path.name + ".part")
    try:
        with _disk_errors(path), ExitStack() as stack:
            sink = stack.enter_context(part.open("wb"))
            yield _appender(stack, sink, path)
        with _disk_errors(path):
            part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"{path} cannot be written ({reason}); choose another place.") from error


def _appender(stack: ExitStack, sink: Any, path: Path) -> Write:  # noqa: ANN401 - any binary file
    name = path.name.lower()
    if name.endswith(".gz"):
        # no name and no time in the header, so that the same rows give the same bytes
        sink = stack.enter_context(
            gzip.GzipFile(filename="", mode="wb", fileobj=sink, compresslevel=1, mtime=0)
        )
    opened: list[Any] = []

    def append(table: pa.Table) -> None:
        with _disk_errors(path):  # here too, for several writers are open, one within another
            if not opened:
                opened.append(stack.enter_context(_format_writer(sink, table.schema, name)))
            opened[0].write_table(table)

    return append


def _format_writer(sink: Any, schema: pa.Schema, name: str) -> Any:  # noqa: ANN401 - no common type
    if name.endswith(".parquet"):
        return pyarrow.parquet.ParquetWriter(sink, schema)
    options = pyarrow.csv.WriteOptions(quoting_style="needed", quoting_header="none")
    return pyarrow.csv.CSVWriter(sink, schema, write_options=options)
