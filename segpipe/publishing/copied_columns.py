"""Columns of a query, streamed from the server by COPY and parsed meanwhile.

Takes a COPY statement; gives CategoryColumns and Arrow arrays, without a Python object a value.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pyarrow import csv

from segpipe.postgres import Connection, sql
from segpipe.publishing.categories import CategoryColumn

FEW = pa.dictionary(pa.int32(), pa.string())  # the type of a column of few different texts
_PIECE_BYTES = 8_000_000  # of text, parsed at a time


@dataclass(frozen=True)
class CopiedColumns:
    """The columns of all rows: those of few texts, and the others."""

    categories: dict[str, CategoryColumn]
    arrays: dict[str, pa.Array]


def read_columns(
    connection: Connection,
    statement: sql.Composed | None,
    parameters: Sequence[Any],
    types: Mapping[str, pa.DataType],
) -> CopiedColumns:
    """The columns of a `COPY ... TO STDOUT (FORMAT csv)`, named in its order; None: no rows."""
    parts: dict[str, list[Any]] = {name: [] for name in types}
    with ThreadPoolExecutor(1) as parser:  # while the server sends the next ones
        pieces = _pieces(connection, statement, parameters) if statement else ()
        for done in [parser.submit(_parsed, piece, types) for piece in pieces]:
            for name, column in done.result().items():
                parts[name].append(column)
    categories = {
        name: CategoryColumn.joined(parts.pop(name)) for name, kind in types.items() if kind == FEW
    }
    arrays = {name: pa.concat_arrays([pa.array([], types[name]), *parts[name]]) for name in parts}
    return CopiedColumns(categories, arrays)


def _pieces(
    connection: Connection, statement: sql.Composed, parameters: Sequence[Any]
) -> Iterator[io.BytesIO]:
    """The rows as CSV, in pieces that end with a whole row."""
    piece = io.BytesIO()
    with connection.cursor() as cursor, cursor.copy(statement, parameters) as copy:
        for row in copy:
            if piece.write(row) and piece.tell() >= _PIECE_BYTES:
                yield piece
                piece = io.BytesIO()
    if piece.tell():
        yield piece


def _parsed(piece: io.BytesIO, types: Mapping[str, pa.DataType]) -> dict[str, Any]:
    """Column → CategoryColumn if it has few texts, else an Arrow array."""
    piece.seek(0)
    table = csv.read_csv(
        piece,
        read_options=csv.ReadOptions(column_names=list(types)),
        parse_options=csv.ParseOptions(newlines_in_values=True),
        convert_options=csv.ConvertOptions(
            column_types=dict(types),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    columns = {name: table[name].unify_dictionaries().combine_chunks() for name in types}
    return {
        name: CategoryColumn.of(column) if types[name] == FEW else column
        for name, column in columns.items()
    }
