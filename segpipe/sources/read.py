"""A file as one or several tables of texts, c0, c1 …, that the engine can select from.

Takes an input file and presets; gives Parts: a text or Parquet file is one, and so is each Excel
sheet. The engine guesses nothing: every column is text until a mapping says what it means.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from segpipe.core.errors import InputError
from segpipe.engines.duckdb import Connection, DuckDbError, literal, quote
from segpipe.sources.dialect import read_dialect
from segpipe.sources.files import InputFile, to_utf8
from segpipe.sources.presets import Preset
from segpipe.sources.recognise import Mapping, recognise
from segpipe.sources.sheets import read_sheets

ERRORS_TABLE = "source_reject_errors"
SCANS_TABLE = "source_reject_scans"


@dataclass(frozen=True)
class Part:
    """A table of texts and where its records are; `relation` is SQL for a FROM clause."""

    path: Path
    label: str  # path, and the sheet where there are several
    mapping: Mapping
    relation: str
    text_path: Path | None = None  # UTF-8, where the file is text
    delimiter: str | None = None  # None for lines of fixed columns
    n_skipped: int = 0  # lines before a text's header
    row_numbers: tuple[int, ...] = ()  # of an Excel sheet's rows


def open_parts(
    engine: Connection,
    file: InputFile,
    presets: tuple[Preset, ...],
    name: str | None,
    scratch: Path,
    notes: list[str],
) -> Iterator[Part]:
    """The file's parts, each to be read before the next one is requested; adds to `notes`.

    Raises InputError when no preset (or not the one called `name`) reads it.
    """
    if file.kind == "text":
        yield _text_part(file, presets, name, scratch)
    elif file.kind == "parquet":
        yield _parquet_part(engine, file, presets, name)
    else:
        yield from _excel_parts(engine, file, presets, name, notes)


def _text_part(
    file: InputFile, presets: tuple[Preset, ...], name: str | None, scratch: Path
) -> Part:
    path = to_utf8(file, scratch)
    dialect = read_dialect(path, presets, name, file.path.name)
    mapping = dialect.mapping
    delimiter = dialect.delimiter
    if delimiter is None:
        lines = _read_csv(path, "chr(1)", 1, is_table=False)
        relation = f"(SELECT {_groups(mapping)} FROM {lines} WHERE trim(c0) <> '')"
    else:
        relation = _read_csv(
            path, literal(delimiter), len(mapping.header), n_skipped=dialect.n_skipped
        )
    return Part(file.path, str(file.path), mapping, relation, path, delimiter, dialect.n_skipped)


def _read_csv(
    path: Path, delimiter: str, n_columns: int, *, n_skipped: int = 0, is_table: bool = True
) -> str:
    columns = ", ".join(f"'c{i}': 'VARCHAR'" for i in range(n_columns))
    sign = "'\"'" if is_table else "''"  # lines of fixed columns have neither quotes nor header
    return (
        f"read_csv([{literal(glob_safe(path))}], auto_detect = false, delim = {delimiter}, "
        f"quote = {sign}, escape = {sign}, header = {str(is_table).lower()}, "
        f"skip = {n_skipped}, "
        f"columns = {{{columns}}}, store_rejects = true, "
        f"rejects_table = '{ERRORS_TABLE}', rejects_scan = '{SCANS_TABLE}')"
    )


def glob_safe(path: Path) -> str:
    """Path as text in which the engine sees no pattern."""
    return re.sub(r"([\[\]*?])", r"[\1]", str(path))


def _groups(mapping: Mapping) -> str:
    """SQL columns of a line's named groups.

    Where a line does not match, all of it becomes the date, so that it is rejected.
    """
    pattern = re.compile(str(mapping.preset.line_pattern))
    whole = literal(f"^(?:{pattern.pattern})$")
    columns = []
    for position, group in enumerate(mapping.header):
        part = f"regexp_extract(c0, {whole}, {pattern.groupindex[group]})"
        if position in mapping.positions.get("ordered_at", ()):
            part = f"coalesce(nullif({part}, ''), c0)"
        columns.append(f"{part} AS c{position}")
    return ", ".join(columns)


def _parquet_part(
    engine: Connection, file: InputFile, presets: tuple[Preset, ...], name: str | None
) -> Part:
    scan = f"read_parquet([{literal(glob_safe(file.path))}])"
    try:
        described = engine.execute(f"DESCRIBE SELECT * FROM {scan}").fetchall()
    except DuckDbError as error:
        msg = f"{file.path} is corrupt or not a Parquet file ({_first_line(error)}); export again."
        raise InputError(msg) from error
    header = tuple(str(row[0]) for row in described)
    mapping = recognise(file.path.name, header, presets, name)
    columns = ", ".join(
        f"{_parquet_text(quote(str(row[0])), str(row[1]))} AS c{i}"
        for i, row in enumerate(described)
    )
    relation = f"(SELECT {columns} FROM {scan})"
    return Part(file.path, str(file.path), mapping, relation)


def _parquet_text(column: str, kind: str) -> str:
    """SQL: a value as text; ids that pandas made doubles must not become 7.4e+18."""
    if kind not in ("DOUBLE", "FLOAT"):
        return f"{column}::VARCHAR"
    is_whole = f"{column} = trunc({column}) AND abs({column}) < 9e18"
    return f"CASE WHEN {is_whole} THEN {column}::BIGINT::VARCHAR ELSE {column}::VARCHAR END"


def _excel_parts(
    engine: Connection,
    file: InputFile,
    presets: tuple[Preset, ...],
    name: str | None,
    notes: list[str],
) -> Iterator[Part]:
    unreadable: list[tuple[str, InputError]] = []
    n_read = 0
    for sheet in read_sheets(file.path):
        label = f"{file.path}[{sheet.name}]"
        try:
            mapping = recognise(f"{file.path.name}[{sheet.name}]", sheet.header, presets, name)
        except InputError as error:
            unreadable.append((label, error))
            continue
        n_read += 1
        engine.register("source_sheet", sheet.rows)
        yield Part(file.path, label, mapping, "source_sheet", row_numbers=sheet.row_numbers)
        engine.unregister("source_sheet")
    if n_read == 0:
        msg = f"{file.path} has no sheet with data; expected a header and order lines."
        raise unreadable[0][1] if unreadable else InputError(msg)
    notes += [f"{label} has another header and was skipped." for label, _ in unreadable]


def _first_line(error: DuckDbError) -> str:
    return str(error).splitlines()[0]
