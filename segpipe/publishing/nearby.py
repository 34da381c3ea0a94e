"""Rows that are asked for together, written together: a query then reads few pages.

Takes membership batches; gives the same rows by segment, so many at a time. Sorted by one axis
after another, the customers of a segment lie in runs that are long beside a page on the first
axes, and no shorter than chance on the last.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

import numpy as np
import pyarrow as pa

_ROWS = 50_000  # sorted at a time, some 15 MB, while the server reads those before
_FIRST = ("purchase_value", "loyalty_trajectory", "price_sensitivity")  # asked for most


def by_segment(batches: Iterable[pa.RecordBatch], axes: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """The rows of the batches; within some that come one after another, by segment."""
    keys = [*(axis for axis in _FIRST if axis in axes), *(a for a in axes if a not in _FIRST)]
    some: list[pa.RecordBatch] = []
    n_rows = 0
    for batch in chain(batches, [None]):
        if batch is not None:
            some.append(batch)
            n_rows += batch.num_rows
        if some and (batch is None or n_rows >= _ROWS):
            yield from _sorted(some, keys)
            some, n_rows = [], 0


def _sorted(batches: list[pa.RecordBatch], keys: Sequence[str]) -> list[pa.RecordBatch]:
    table = pa.Table.from_batches(batches).unify_dictionaries().combine_chunks()
    if not table.num_rows:
        return batches
    codes = [table[key].chunk(0).indices.to_numpy(zero_copy_only=False) for key in keys]
    order = np.lexsort(codes[::-1])  # by the first key first, ties as they came
    found: list[pa.RecordBatch] = table.take(pa.array(order)).to_batches()
    return found
