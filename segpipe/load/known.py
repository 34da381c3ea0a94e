"""Customers of the partition in force: when each was created, and who is absent from the new file.

Takes the old partition; gives a creation time a row of the new one, and counts.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from itertools import repeat

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import csv

from segpipe.load.partition import Partition
from segpipe.postgres import Connection, sql

_TEXT = {"customer_id": pa.string(), "created_at": pa.string()}


@dataclass(frozen=True)
class KnownCustomers:
    """Old rows by customer; `is_present` (n_old,) is filled while the new ones pass by."""

    ids: pa.Array
    created_at: pa.Array
    positions: dict[str, int] = field(repr=False)
    is_present: NDArray[np.bool_] = field(repr=False)

    def created(self, customer_ids: pa.Array, now: str) -> pa.Array:
        """Creation time of each customer, `now` for the new ones; marks the others as present."""
        if not self.positions:
            return pa.repeat(now, len(customer_ids))
        found = map(self.positions.get, customer_ids.to_pylist(), repeat(-1))
        rows = np.fromiter(found, np.int64, len(customer_ids))
        self.is_present[rows[rows >= 0]] = True
        return pc.fill_null(self.created_at.take(pa.array(rows, mask=rows < 0)), now)

    @property
    def n_present(self) -> int:
        """Old customers who are in the new file."""
        return int(self.is_present.sum())

    @property
    def absent_ids(self) -> pa.Array:
        """Old customers who are not."""
        return self.ids.filter(pa.array(~self.is_present))


def read_known(connection: Connection, old: Partition | None) -> KnownCustomers:
    """Customers of the partition, nobody where there is none yet."""
    if old is None:
        empty = pa.array([], pa.string())
        return KnownCustomers(empty, empty, {}, np.zeros(0, np.bool_))
    buffer = io.BytesIO()
    statement = sql.SQL("COPY (SELECT customer_id, created_at FROM {}) TO STDOUT (FORMAT csv)")
    with connection.cursor() as cursor, cursor.copy(statement.format(old.identifier)) as copy:
        buffer.write(f"{','.join(_TEXT)}\n".encode())
        for data in copy:
            buffer.write(data)
    buffer.seek(0)
    table = csv.read_csv(
        buffer,
        parse_options=csv.ParseOptions(newlines_in_values=True),
        convert_options=csv.ConvertOptions(column_types=_TEXT, strings_can_be_null=False),
    )
    ids, created_at = (_whole(table[name]) for name in _TEXT)
    positions = {customer_id: row for row, customer_id in enumerate(ids.to_pylist())}
    return KnownCustomers(ids, created_at, positions, np.zeros(len(ids), np.bool_))


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return pa.concat_arrays([pa.array([], pa.string()), *column.chunks])
