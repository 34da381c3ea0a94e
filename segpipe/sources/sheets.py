"""Excel sheets as tables of texts; the one place that imports python-calamine.

Takes an .xlsx file; gives the sheets one by one, with the rows below the header as columns.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
from python_calamine import CalamineError, CalamineWorkbook

from segpipe.core.errors import InputError

_BATCH = 50_000


@dataclass(frozen=True)
class Sheet:
    """A sheet's header, its data rows as text columns c0 …, and their row numbers from 1."""

    name: str
    header: tuple[str, ...]
    rows: Any  # pyarrow.Table
    row_numbers: tuple[int, ...]


def read_sheets(path: Path) -> Iterator[Sheet]:
    """The sheets that have rows; raises InputError when the file is not an Excel workbook."""
    try:
        with CalamineWorkbook.from_path(path) as workbook:
            for name in workbook.sheet_names:
                rows = iter(workbook.get_sheet_by_name(name).to_python(skip_empty_area=False))
                sheet = _sheet(name, rows)
                if sheet is not None:
                    yield sheet
    except (CalamineError, OSError) as error:
        msg = f"{path} is corrupt or not an Excel workbook ({error}); export it again as .xlsx."
        raise InputError(msg) from error


def _sheet(name: str, rows: Iterator[list[Any]]) -> Sheet | None:
    filled = ((number, row) for number, row in enumerate(rows, 1) if any(c != "" for c in row))
    _, first = next(filled, (0, None))
    if first is None:
        return None
    header = tuple((_text(cell) or "").strip() for cell in first)
    schema = pa.schema([(f"c{i}", pa.string()) for i in range(len(header))])
    batches, row_numbers = [], []
    while batch := list(islice(filled, _BATCH)):
        row_numbers += [number for number, _ in batch]
        columns = [
            pa.array([_text(cell) for cell in column], pa.string())
            for column in zip(*(row for _, row in batch), strict=True)
        ]
        batches.append(pa.RecordBatch.from_arrays(columns, schema=schema))
    return Sheet(name, header, pa.Table.from_batches(batches, schema), tuple(row_numbers))


def _text(cell: Any) -> str | None:  # noqa: ANN401 - a cell is of any type
    """Text of a cell; Excel stores numbers as doubles, so the id 7415378247935 is a float here."""
    if isinstance(cell, str):
        return cell or None
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() else repr(cell)
    if isinstance(cell, datetime | date):
        return cell.isoformat(*([" "] if isinstance(cell, datetime) else []))
    return str(cell)
