"""The hash by which changed profiles are found."""

from __future__ import annotations

from itertools import pairwise

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from segpipe.core.schema import METRICS, strength_column
from segpipe.publishing.content_hash import content_hashes
from tests.conftest import AXES, Rows
from tests.support.moving_customers import AXES as TWO_AXES
from tests.support.moving_customers import MARCH, Customer, batch_of

KNOWN = -8451113332157453634  # a change would have every row written once more
IDS = [f"c{n}" for n in range(30)]
CUSTOMERS = {name: Customer(f"s{n % 4}", f"t{n % 3}", n / 3, n % 5) for n, name in enumerate(IDS)}


def _hash(batch: pa.RecordBatch) -> int:
    return int(content_hashes(batch, AXES)[0])


def _changed(batch: pa.RecordBatch, name: str, values: pa.Array) -> pa.RecordBatch:
    return batch.set_column(batch.schema.get_field_index(name), name, values)


def test_the_hash_is_the_same_in_every_version(rows: Rows) -> None:
    assert _hash(rows(["a"])) == KNOWN
    assert _hash(rows(["other"])) == KNOWN  # who it is does not matter


@given(bounds=st.lists(st.integers(0, 30), max_size=5), order=st.permutations(TWO_AXES))
def test_batches_and_the_order_of_axes_change_nothing(bounds: list[int], order: list[str]) -> None:
    whole = batch_of(CUSTOMERS, MARCH)
    expected = content_hashes(whole, TWO_AXES).tolist()
    assert len(set(expected)) == len(IDS)
    ends = [0, *sorted(bounds), 30]
    parts = [whole.slice(a, b - a) for a, b in pairwise(ends)]
    found = [number for part in parts for number in content_hashes(part, order).tolist()]
    assert found == expected


@given(order=st.permutations(["s0", "s1", "s2", "s3", "nobody"]))
def test_the_order_of_a_dictionary_changes_nothing(order: list[str]) -> None:
    batch = batch_of(CUSTOMERS, MARCH)
    names = batch["purchase_value"].to_pylist()
    codes = pa.array([order.index(name) for name in names], pa.int16())
    other = _changed(batch, "purchase_value", pa.DictionaryArray.from_arrays(codes, order))
    expected = content_hashes(batch, TWO_AXES).tolist()
    assert content_hashes(other, TWO_AXES).tolist() == expected


def test_a_strength_counts_to_four_decimals(rows: Rows) -> None:
    batch = rows(["a"])  # 0.12345 is written as 0.1234
    for axis in AXES:
        for value, is_other in ((0.1234, False), (0.12344, False), (0.1235, True), (0.1233, True)):
            other = _changed(batch, strength_column(axis), pa.array([value]))
            assert (_hash(other) != _hash(batch)) is is_other


def test_any_single_change_gives_another_hash(rows: Rows) -> None:
    batch = rows(["a"])
    others = {_hash(batch)}
    for metric, kind in METRICS.items():
        if kind == "VARCHAR":
            others |= {_hash(_changed(batch, metric, pa.array([v]))) for v in ("543", "544", "")}
        elif kind == "DOUBLE":
            others |= {_hash(_changed(batch, metric, pa.array([v]))) for v in (10.01, -10.0, 0.0)}
        else:
            others |= {_hash(_changed(batch, metric, pa.array([v], "int32"))) for v in (9, 11, 0)}
    for axis in AXES:
        others |= {_hash(rows(["a"], segments={axis: name})) for name in ("x", "", "deal_hunter ")}
        nobody = pa.DictionaryArray.from_arrays(pa.array([None], pa.int8()), ["nobody"])
        others.add(_hash(_changed(batch, axis, nobody)))
    others.add(_hash(rows(["a"], segments={AXES[0]: "deal_hunter", AXES[1]: "whale"})))
    assert len(others) == 1 + 3 * len(METRICS) + 4 * len(AXES) + 1


def test_minus_zero_is_zero(rows: Rows) -> None:
    assert _hash(rows(["a"], value=0.0)) == _hash(rows(["a"], value=-0.0))


def test_swapping_the_segments_of_two_axes_changes_the_hash() -> None:
    one, two = Customer("low", "high"), Customer("high", "low")
    found = content_hashes(batch_of({"a": one, "b": two}, MARCH), TWO_AXES).tolist()
    assert found[0] != found[1]


def test_a_missing_score_changes_nothing_and_scores_count_row_by_row() -> None:
    scores = ("543", None, "111", "543")
    rows = {f"c{n}": Customer(rfm_score=score) for n, score in enumerate(scores)}
    one, none, other, same = content_hashes(batch_of(rows, MARCH), TWO_AXES).tolist()
    assert one == same
    assert len({one, none, other}) == 3
    plain = content_hashes(batch_of({"c": Customer()}, MARCH), TWO_AXES).tolist()
    assert plain == [none]
