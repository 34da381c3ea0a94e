"""Rows changed in place: the same profiles as by a swap, and only changed rows are written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from segpipe import publishing, runs
from segpipe.core.errors import GateError, InputError
from segpipe.core.report import LoadInfo
from segpipe.postgres import Connection, fetch_dicts
from segpipe.publishing import SegmentCounts
from segpipe.runs import PreviousRun
from tests.support.moving_customers import (
    APRIL,
    AXES,
    MARCH,
    MAY,
    TREND,
    VALUE,
    Customer,
    Shop,
    batch_of,
    measures_of,
    named_tables,
    state_of,
    tables_of,
)

NAMES = ("whale", "mid_tier", "low_value")
HISTORY = ("run_id", "last_updated", "created_at", "store_id", "absent_since_run_id")


@pytest.fixture
def shop(database: Connection) -> Shop:
    return Shop(database)


def _population(n_customers: int = 200) -> dict[str, Customer]:
    return {f"c{n:03}": Customer(NAMES[n % 3], value=n / 7) for n in range(n_customers)}


def _next_month(population: Mapping[str, Customer]) -> dict[str, Customer]:
    """Ten are gone, ten have another segment, ten another value, and ten are new."""
    customers = dict(population)
    ids = list(customers)
    for gone, moved, richer in zip(ids[:10], ids[10:20], ids[20:30], strict=True):
        del customers[gone]
        customers[moved] = replace(customers[moved], segment="modest")
        customers[richer] = replace(customers[richer], value=0.1, n_orders=9)
    return customers | {f"new{n}": Customer(value=float(n)) for n in range(10)}


def _counts(info: LoadInfo) -> tuple[int, ...]:
    return (
        info.n_published,
        info.n_inserted,
        info.n_updated,
        info.n_unchanged,
        info.n_absent_kept,
        info.n_absent_deleted,
    )


def _rows(database: Connection, columns: str) -> dict[str, tuple[Any, ...]]:
    query = f"SELECT customer_id, {columns} FROM customer_profiles"
    return {row[0]: row[1:] for row in database.execute(query.encode()).fetchall()}


def test_only_what_changed_is_written(shop: Shop, database: Connection) -> None:
    population = _population()
    first = shop.publish(population, MARCH)
    places = _rows(database, "ctid, xmin, run_id")
    customers = _next_month(population)
    second = shop.publish(customers, MARCH, is_repeated=True)
    assert _counts(second) == (200, 10, 20, 170, 10, 0)
    assert second.notes == (
        "Only rows that changed were written: same model, same observation date.",
    )
    now = _rows(database, "ctid, xmin, run_id")
    written = {name for name in now if now[name] != places.get(name)}
    assert written == set(list(population)[:30]) | {f"new{n}" for n in range(10)}
    runs = _rows(database, "run_id, absent_since_run_id, lifetime_value")
    assert runs["c000"] == (first.run_id, second.run_id, 0.0)
    assert runs["c010"][:2] == (second.run_id, None)
    assert runs["c020"] == (second.run_id, None, 0.1)
    assert runs["c199"] == (first.run_id, None, 199 / 7)
    assert shop.publish(customers, MARCH, is_repeated=True).n_unchanged == 200
    assert _rows(database, "ctid, xmin, run_id") == now


@pytest.mark.parametrize("absent", ["keep", "delete"])
def test_the_profiles_are_those_of_a_swap(database: Connection, absent: str) -> None:
    found = []
    for store_id in ("by swap", "in place"):
        is_repeated = store_id == "in place"
        shop = Shop(database, store_id=store_id)
        population = _population(60)
        infos = [
            shop.publish(customers, MARCH, absent=absent, is_repeated=is_repeated)
            for customers in (population, _next_month(population), population)
        ]
        state = state_of(database, store_id)
        for row in state.profiles:
            row["is_absent"] = row["absent_since_run_id"] is not None
            row["is_old"] = row["created_at"] == state.profiles[-1]["created_at"]
        profiles = [
            {name: value for name, value in row.items() if name not in HISTORY}
            for row in state.profiles
        ]
        counted = fetch_dicts(
            database,
            "SELECT axis, segment, n_customers, lifetime_value FROM segment_counts"
            " WHERE run_id = %s ORDER BY 1, 2",
            [infos[-1].run_id],
        )
        numbers = [(info.n_published, info.n_inserted, info.transitions) for info in infos]
        found.append((profiles, state.measures, counted, numbers))
    assert found[0] == found[1]


def test_an_old_name_for_another_segment_is_a_move_even_if_the_row_is_equal(
    shop: Shop, database: Connection
) -> None:
    shop.publish({"a": Customer("whale"), "b": Customer("mid_tier")}, MARCH)
    database.execute(b"ALTER TABLE customer_profiles ADD note text")
    same = {VALUE: {"whale": None, "mid_tier": "mid_tier"}}
    info = shop.publish({"a": Customer("whale"), "b": Customer("mid_tier")}, MARCH, same)
    assert [(t.from_segment, t.to_segment, t.n_customers) for t in info.transitions] == [
        ("whale", "whale", 1)
    ]
    assert (info.n_updated, info.n_unchanged) == (1, 1)
    assert shop.remembered("a") == ({VALUE: "whale"}, {VALUE: "2025-03-01"}, "2025-03-01")


def test_a_customer_who_returns_is_present_again_even_if_nothing_changed(
    shop: Shop, database: Connection
) -> None:
    shop.publish({"a": Customer(), "b": Customer()}, MARCH)
    shop.publish({"a": Customer()}, MARCH, is_repeated=True)
    third = shop.publish({"a": Customer(), "b": Customer()}, MARCH, is_repeated=True)
    assert _counts(third) == (2, 0, 1, 1, 0, 0)
    assert database.execute("SELECT count(*) FROM current_profiles").fetchall() == [(2,)]


def test_rows_of_an_earlier_version_are_written_again(shop: Shop, database: Connection) -> None:
    shop.publish(_population(5), MARCH)
    database.execute(b"UPDATE customer_profiles SET content_hash = 0")
    assert shop.publish(_population(5), MARCH, is_repeated=True).n_updated == 5
    assert shop.publish(_population(5), MARCH, is_repeated=True).n_unchanged == 5


def test_measures_of_deleted_customers_come_back_with_a_rollback(
    shop: Shop, database: Connection
) -> None:
    shop.publish({"a": Customer(), "gone": Customer(n_orders=7)}, MARCH)
    before = state_of(database)
    second = shop.publish({"a": Customer()}, MARCH, absent="delete", is_repeated=True)
    assert runs.read_measures(database, "default", second.run_id, "gone") is None
    runs.rollback(database, "default")
    assert state_of(database) == before
    assert before.measures["gone"] == {"n_orders": 7.0, "lifetime_value": 100.0}


def test_absent_customers_keep_their_measures_when_others_are_added(
    shop: Shop, database: Connection
) -> None:
    shop.publish({"a": Customer(), "absent": Customer(n_orders=7)}, MARCH)
    database.execute(b"ALTER TABLE customer_profiles ADD note text")
    for month in (APRIL, MAY):
        a = {"a": Customer()}
        shop.publish(a, month, measures=[measures_of(a, "gap_trend")], keep_runs=0)
        assert runs.read_measures(database, "default", 0, "absent") == {
            "n_orders": 7.0,
            "lifetime_value": 100.0,
            "gap_trend": None,
        }
    assert len(tables_of(database)) == 2


@pytest.mark.parametrize("is_repeated", [False, True])
def test_a_run_that_a_check_stops_changes_nothing(
    shop: Shop, database: Connection, *, is_repeated: bool
) -> None:
    first = shop.publish(_population(30), MARCH)
    before = state_of(database)
    seen: list[dict[str, dict[str, float]]] = []

    def fail(counts: SegmentCounts, _: object) -> None:
        seen.append(counts.shares())
        raise GateError("Too many whales.")

    customers = {f"c{n:03}": Customer("whale") for n in range(20)}
    run_id = runs.start_run(database, "default")
    with pytest.raises(GateError):
        publishing.publish(
            database,
            publishing.Publication(
                run_id,
                "default",
                [batch_of(customers, MARCH)],
                axes=AXES,
                previous=PreviousRun(first.run_id, {}, is_repeated),
                measures=[measures_of(customers, "gap_trend")],
                check=fail,
            ),
        )
    assert seen == [{VALUE: {"whale": 1.0}, TREND: {"steady": 1.0}}]
    assert state_of(database) == before
    runs.fail_run(database, run_id, "gates", "stopped")
    with runs.hold_store(database, "default", wait=False, notify=print):
        assert tables_of(database) == named_tables(database)
        assert len(tables_of(database)) == 2
    assert shop.publish(_population(30), MARCH, is_repeated=True).n_unchanged == 30


@pytest.mark.parametrize("column", [f"{VALUE}_strength", "lifetime_value", "total_orders"])
def test_a_value_that_is_not_a_number_stops_the_run(
    shop: Shop, database: Connection, column: str
) -> None:
    first = shop.publish({"a": Customer()}, MARCH)
    before = state_of(database)
    batch = batch_of({"a": Customer()}, MARCH)
    place = batch.schema.get_field_index(column)
    is_count = column == "total_orders"
    wrong = pa.array([None], pa.int32()) if is_count else pa.array([float("nan")])
    run_id = runs.start_run(database, "default")
    previous = PreviousRun(first.run_id, {}, is_repeated=True)
    batches = [batch.set_column(place, column, wrong)]
    with pytest.raises(InputError):
        publishing.publish(
            database,
            publishing.Publication(run_id, "default", batches, axes=AXES, previous=previous),
        )
    assert state_of(database) == before
