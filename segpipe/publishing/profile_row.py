"""The profile of one customer, as a run would send it.

Takes an `Assigned` and the customer's present row; gives a text a column, as COPY would read it.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from segpipe.core.schema import (
    COPY_COLUMNS,
    DOMINANT_COLUMN,
    MEMBERSHIPS_COLUMN,
    METRICS,
    strength_column,
)
from segpipe.postgres import Connection
from segpipe.publishing.copy import RowFormat, copy_lines
from segpipe.publishing.previous_rows import read_previous_rows
from segpipe.publishing.transitions import TransitionCounter, track_transitions
from segpipe.runs.profiles_table import StoreTable
from segpipe.runs.records import PreviousRun

if TYPE_CHECKING:
    from segpipe.core.assigned import Assigned

_ARROW_TYPES = {"VARCHAR": pa.string(), "DOUBLE": pa.float64(), "INTEGER": pa.int32()}
_ESCAPED = re.compile(r"\\(.)")
_UNESCAPED = {"t": "\t", "n": "\n", "r": "\r"}


def profile_row(
    connection: Connection,
    partition: StoreTable | None,
    store_id: str,
    run_id: int,
    assigned: Assigned,
    now: str,
) -> dict[str, str | None]:
    """Column → text of the customer's profile, with its history from the partition."""
    axes = tuple(assigned.segment_memberships)
    only = pa.array([assigned.customer_id], pa.string())
    known = read_previous_rows(connection, partition, axes, only)
    counter = TransitionCounter(known, PreviousRun(run_id, {}), assigned.as_of)
    batch = _batch(assigned)
    history = track_transitions(batch, counter, now)
    lines = copy_lines(batch, history, _row_format(axes, store_id, run_id, now))
    (line,) = (bytes(part).decode() for part in lines)
    fields = line.removesuffix("\n").split("\t")
    row = dict(zip(COPY_COLUMNS, map(_unescaped, fields), strict=True))
    return {**row, DOMINANT_COLUMN: row[MEMBERSHIPS_COLUMN]}


def _batch(assigned: Assigned) -> pa.RecordBatch:
    """The customer as a membership batch of one row (see schema.strength_column)."""
    values: dict[str, Any] = {"customer_id": assigned.customer_id, **assigned.metrics}
    types = {
        name: _ARROW_TYPES[kind] for name, kind in {"customer_id": "VARCHAR", **METRICS}.items()
    }
    columns = {name: pa.array([values[name]], arrow_type) for name, arrow_type in types.items()}
    for axis, name in assigned.segment_memberships.items():
        columns[axis] = pa.array([name]).dictionary_encode()
        columns[strength_column(axis)] = pa.array([assigned.membership_strengths[axis]])
    return pa.RecordBatch.from_pydict(columns)


def _row_format(axes: tuple[str, ...], store_id: str, run_id: int, now: str) -> RowFormat:
    without_time = _row_format_without_time(axes, store_id, run_id)
    return replace(without_time, now=now, end=f"{without_time.end[:-1]}{now}\n")


@lru_cache(maxsize=4)  # its strengths are 10,001 texts an axis
def _row_format_without_time(axes: tuple[str, ...], store_id: str, run_id: int) -> RowFormat:
    return RowFormat.of(axes, store_id, run_id, "")


def _unescaped(field: str) -> str | None:
    """The text that COPY would read."""
    if field == r"\N":
        return None
    return _ESCAPED.sub(lambda found: _UNESCAPED.get(found[1], found[1]), field)
