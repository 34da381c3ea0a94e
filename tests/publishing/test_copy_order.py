"""The order in which rows are written: no row is lost, and rows of a segment are together."""

from __future__ import annotations

import random
from itertools import groupby

import pyarrow as pa
import pytest

from segpipe.publishing import copy
from segpipe.publishing.copy import sort_by_segment

AXES = ("repurchase_behavior", "purchase_value", "loyalty_trajectory")


def _batches(n_rows: int, size: int) -> list[pa.RecordBatch]:
    rng = random.Random(7)  # noqa: S311 - made-up customers
    rows = [
        {"customer_id": f"c{n:04d}", **{axis: rng.choice("abcd") for axis in AXES}}
        for n in range(n_rows)
    ]
    found = []
    for start in range(0, n_rows, size):
        some = pa.Table.from_pylist(rows[start : start + size])
        columns = {
            name: some[name].dictionary_encode() if name in AXES else some[name]
            for name in some.column_names
        }
        found += pa.table(columns).combine_chunks().to_batches()
    return found


def _rows(batches: list[pa.RecordBatch]) -> list[dict[str, str]]:
    return [row for batch in batches for row in batch.to_pylist()]


@pytest.mark.parametrize("size", [1, 7, 400])
def test_the_rows_are_the_same_whatever_the_batches(size: int) -> None:
    before = _batches(400, size)
    after = list(sort_by_segment(before, AXES))
    assert sorted(_rows(after), key=str) == sorted(_rows(before), key=str)
    assert _rows(after) == _rows(list(sort_by_segment(_batches(400, 33), AXES)))


def test_the_axes_that_are_queried_most_come_first() -> None:
    rows = _rows(list(sort_by_segment(_batches(400, 50), AXES)))
    keys = [
        (row["purchase_value"], row["loyalty_trajectory"], row["repurchase_behavior"])
        for row in rows
    ]
    for depth in (1, 2, 3):  # each combination lies in one run
        parts = [key[:depth] for key in keys]
        assert len(list(groupby(parts))) == len(set(parts)) == 4**depth
    alike = [row["customer_id"] for row, key in zip(rows, keys, strict=True) if key == keys[0]]
    assert alike == sorted(alike)  # ties as they came


def test_rows_are_sorted_in_groups_of_limited_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copy, "_SORTED_ROWS", 100)
    ids = [row["customer_id"] for row in _rows(list(sort_by_segment(_batches(400, 50), AXES)))]
    for start in range(0, 400, 100):
        assert {*ids[start : start + 100]} == {f"c{n:04d}" for n in range(start, start + 100)}


def test_no_rows_are_sorted_to_no_rows() -> None:
    assert list(sort_by_segment([], AXES)) == []
    [empty] = sort_by_segment([_batches(4, 4)[0].slice(0, 0)], AXES)
    assert empty.num_rows == 0
