"""One customer stored between two runs: as a run would have, counted, undone and forgotten so."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from moving import (
    APRIL,
    AXES,
    MARCH,
    MAY,
    TREND,
    VALUE,
    Customer,
    Shop,
    State,
    batch_of,
    measures_of,
    state_of,
    tables_of,
)

from segpipe import answers, load, postgres
from segpipe.errors import BusyError, DatabaseError, InputError
from segpipe.history import forget_customer
from segpipe.load import NotInForceError, SegmentDefinition, persist
from segpipe.postgres import Connection, fetch_dicts
from segpipe.realtime.record import Assigned
from segpipe.schema import METRICS

TIMES = ("created_at", "last_updated")
KINDS = {VALUE: ("whale", "mid_tier", "low_value"), TREND: ("steady", "declining", "too_early")}


@pytest.fixture
def shop(database: Connection) -> Shop:
    return Shop(database)


def assigned(customer_id: str, customer: Customer, as_of: date = MARCH) -> Assigned:
    batch = batch_of({customer_id: customer}, as_of)
    row = batch.to_pylist()[0]
    return Assigned(
        customer_id=customer_id,
        as_of=as_of,
        segment_memberships={axis: row[axis] for axis in AXES},
        membership_strengths=dict.fromkeys(AXES, 0.5),
        metrics={metric: row[metric] for metric in METRICS},
        unavailable={},
        filled={},
        notes=(),
        measures=measures_of({customer_id: customer}).drop_columns("customer_id").to_pylist()[0],
    )


def _define(shop: Shop) -> None:
    """Give the run in force its definitions, which `Shop` leaves out."""
    run_id = load.latest_published(shop.database, shop.store_id)
    rows = [
        SegmentDefinition(axis, number, name, "segment", name)
        for axis, names in KINDS.items()
        for number, name in enumerate(names, start=1)
    ]
    for row in rows:
        shop.database.execute(
            "INSERT INTO segment_definitions VALUES (%s, %s, %s, %s, %s, %s, %s, NULL, 0, 0, 0)",
            [shop.store_id, run_id, row.axis, row.segment_id, row.segment, row.kind, ""],
        )


def _store(shop: Shop, customer_id: str, customer: Customer, as_of: date = MARCH) -> None:
    run_id = load.latest_published(shop.database, shop.store_id)
    assert run_id
    persist(shop.database, shop.store_id, run_id, assigned(customer_id, customer, as_of))


def _profile(shop: Shop, customer_id: str) -> dict[str, Any]:
    found = load.show_customer(shop.database, shop.store_id, customer_id)
    assert found
    return found


def _recounted(database: Connection) -> dict[tuple[str, str], tuple[int, float]]:
    rows = database.execute(
        "SELECT key, value, count(*), sum(lifetime_value)"
        " FROM current_profiles, jsonb_each_text(segment_memberships) GROUP BY key, value"
    ).fetchall()
    return {(axis, name): (n, value) for axis, name, n, value in rows}


def assert_counts_are_true(database: Connection, store_id: str = "default") -> None:
    run_id = load.latest_published(database, store_id)
    rows = database.execute(
        "SELECT axis, segment, n_customers, lifetime_value FROM segment_counts WHERE run_id = %s",
        [run_id],
    ).fetchall()
    counted = {(axis, name): (n, value) for axis, name, n, value in rows}
    recounted = _recounted(database)
    assert counted.keys() == recounted.keys()
    for key, (n, value) in recounted.items():
        assert counted[key] == (n, pytest.approx(value, abs=0.0051))
    n_all = database.execute("SELECT count(*) FROM current_profiles").fetchone()
    of_run = "SELECT n_customers FROM segmentation_runs WHERE run_id = %s"
    assert database.execute(of_run.encode(), [run_id]).fetchone() == n_all
    for row in fetch_dicts(
        database, "SELECT * FROM segment_definitions WHERE run_id = %s", [run_id]
    ):
        own = {key: size for key, size in recounted.items() if key[0] == row["axis"]}
        n, value = own.get((row["axis"], row["segment"]), (0, 0.0))
        n_total, total = (sum(part) for part in zip(*own.values(), strict=True))
        assert row["n_customers"] == n
        assert row["share"] == pytest.approx(n / n_total)
        assert row["lifetime_value"] == pytest.approx(value, abs=0.0101)
        assert row["value_share"] == pytest.approx(value / total, abs=1e-3)


@contextmanager
def _second(database_url: str) -> Iterator[Connection]:
    with postgres.connect(database_url) as connection:
        yield connection


def test_a_new_customer_is_written_as_a_run_would_have(database: Connection) -> None:
    comes = Customer('a "whale" \\ of\ttabs', trend="steady", value=12.3456, n_orders=2)
    states: list[State] = []
    for store_id in ("by run", "by request"):
        shop = Shop(database, store_id=store_id)
        shop.publish(
            {"there": Customer()} | ({"new": comes} if store_id == "by run" else {}), MARCH
        )
        if store_id == "by request":
            _store(shop, "new", comes)
        states.append(state_of(database, store_id))
    by_run, by_request = states
    assert by_run.measures == by_request.measures
    for run, request in zip(by_run.profiles, by_request.profiles, strict=True):
        assert {key for key in run if run[key] != request[key]} == {*TIMES, "store_id", "run_id"}
    assert by_request.profiles[0]["run_id"] == by_request.run_id
    assert by_request.profiles[0]["first_seen_on"] == MARCH


def test_a_known_customer_keeps_their_past_and_their_move_is_remembered(shop: Shop) -> None:
    shop.publish({"a": Customer(), "b": Customer()}, MARCH)
    before = _profile(shop, "a")
    _store(shop, "a", Customer("whale", value=900.0, n_orders=9), APRIL)
    after = _profile(shop, "a")
    assert after["created_at"] == before["created_at"]
    assert after["last_updated"] > before["last_updated"]
    assert after["content_hash"] != before["content_hash"]
    moved = ({VALUE: "mid_tier"}, {VALUE: "2025-04-01"}, "2025-03-01")
    assert shop.remembered("a") == moved
    _store(shop, "a", Customer("whale", value=901.0, n_orders=10), MAY)
    assert shop.remembered("a") == moved
    assert load.read_measures(shop.database, "default", 1, "a") == {
        "n_orders": 10.0,
        "lifetime_value": 901.0,
    }
    assert_counts_are_true(shop.database)


def test_the_counts_are_those_of_the_profiles_whatever_is_stored(shop: Shop) -> None:
    draw = np.random.default_rng(7)
    ids = [f"c{n}" for n in range(12)]

    def drawn() -> Customer:
        return Customer(
            str(draw.choice(KINDS[VALUE])),
            str(draw.choice(KINDS[TREND])),
            round(draw.uniform(0, 500), 4),
        )

    shop.publish({name: drawn() for name in ids[:8]}, MARCH)
    shop.publish({name: drawn() for name in ids[:6]}, MARCH)  # two are absent
    _define(shop)
    for _ in range(40):
        _store(shop, str(draw.choice(ids)), drawn())
        assert_counts_are_true(shop.database)


def test_a_segment_that_is_left_by_all_has_no_count(shop: Shop) -> None:
    shop.publish({"a": Customer("whale")}, MARCH)
    _store(shop, "a", Customer("low_value"))
    rows = shop.database.execute("SELECT segment FROM segment_counts WHERE axis = %s", [VALUE])
    assert rows.fetchall() == [("low_value",)]


def test_an_absent_customer_is_back(shop: Shop) -> None:
    shop.publish({"a": Customer(), "b": Customer()}, MARCH)
    shop.publish({"a": Customer()}, APRIL)
    assert _profile(shop, "b")["absent_since_run_id"] == 2
    _store(shop, "b", Customer(), APRIL)
    assert _profile(shop, "b")["absent_since_run_id"] is None
    assert shop.remembered("b") == ({}, {}, "2025-03-01")
    assert_counts_are_true(shop.database)


@pytest.mark.parametrize("is_repeated", [False, True])
def test_the_next_run_takes_the_customer_on(shop: Shop, *, is_repeated: bool) -> None:
    there = {"a": Customer(), "b": Customer()}
    shop.publish(there, MARCH)
    _store(shop, "new", Customer("whale"))
    _store(shop, "a", Customer("whale"))
    info = shop.publish({**there, "new": Customer("whale")}, MARCH, is_repeated=is_repeated)
    assert (info.n_inserted, info.n_absent_kept) == (0, 0)
    if is_repeated:
        assert (info.n_updated, info.n_unchanged) == (1, 2)
    assert [(t.from_segment, t.to_segment) for t in info.transitions] == [("whale", "mid_tier")]
    assert shop.remembered("new") == ({}, {}, "2025-03-01")
    assert shop.remembered("a")[0] == {VALUE: "whale"}
    assert_counts_are_true(shop.database)


@pytest.mark.parametrize("is_repeated", [False, True])
def test_the_next_run_without_the_customer_keeps_them_as_absent(
    shop: Shop, *, is_repeated: bool
) -> None:
    there = {"a": Customer(), "b": Customer()}
    shop.publish(there, MARCH)
    _store(shop, "new", Customer("whale"))
    info = shop.publish(there, MARCH, is_repeated=is_repeated)
    assert info.n_absent_kept == 1
    row = _profile(shop, "new")
    assert (row["absent_since_run_id"], row["run_id"]) == (2, 1)
    assert load.read_measures(shop.database, "default", 1, "new")
    assert_counts_are_true(shop.database)


@pytest.mark.parametrize("is_repeated", [False, True])
def test_a_rollback_takes_away_what_was_stored_since(shop: Shop, *, is_repeated: bool) -> None:
    shop.publish({name: Customer() for name in "abcd"}, MARCH)
    _define(shop)
    _store(shop, "early", Customer("whale", value=7.0))
    before = state_of(shop.database)
    changed = {name: Customer() for name in "abc"} | {"a": Customer("whale"), "e": Customer()}
    shop.publish(changed, MARCH, is_repeated=is_repeated)
    _store(shop, "late", Customer("whale", value=5.0))
    for name in ("a", "b", "e", "d", "early"):  # changed, untouched, brought, absent, stored
        _store(shop, name, Customer("low_value", value=3.0))
    _store(shop, "b", Customer("whale", value=4.0))  # once more
    assert_counts_are_true(shop.database)
    load.rollback(shop.database, "default")
    assert state_of(shop.database) == before
    assert_counts_are_true(shop.database)
    _store(shop, "late", Customer())
    assert_counts_are_true(shop.database)


def test_a_rollback_keeps_what_was_stored_before_the_run(shop: Shop) -> None:
    shop.publish({"a": Customer()}, MARCH)
    shop.publish({"a": Customer("whale")}, MARCH, is_repeated=True)
    _store(shop, "new", Customer())
    shop.publish({"a": Customer(), "new": Customer("whale")}, MARCH, is_repeated=True)
    load.rollback(shop.database, "default")
    assert _profile(shop, "new")["segment_memberships"][VALUE] == "mid_tier"
    assert_counts_are_true(shop.database)
    load.rollback(shop.database, "default")
    assert load.show_customer(shop.database, "default", "new") is None
    assert_counts_are_true(shop.database)


def test_a_forgotten_customer_is_gone_and_is_not_stored_again(shop: Shop) -> None:
    shop.publish({"a": Customer()}, MARCH)
    shop.publish({"a": Customer("whale")}, MARCH, is_repeated=True)
    _store(shop, "new", Customer())
    _store(shop, "a", Customer("low_value"))
    done = forget_customer(shop.database, "default", "new")
    # the profile, its measures, and both undos
    assert [erasure.n_rows for erasure in done.tables] == [1, 1, 1, 1]
    assert load.show_customer(shop.database, "default", "new") is None
    before = state_of(shop.database)
    with pytest.raises(InputError, match="asked to be forgotten"):
        _store(shop, "new", Customer())
    assert state_of(shop.database) == before
    _store(shop, "other", Customer())
    assert forget_customer(shop.database, "default", "new").is_clean


def test_only_the_run_in_force_takes_customers(shop: Shop) -> None:
    with pytest.raises(NotInForceError, match="none is"):
        persist(shop.database, "default", 1, assigned("new", Customer()))
    shop.publish({"a": Customer()}, MARCH)
    shop.publish({"a": Customer()}, APRIL)
    with pytest.raises(NotInForceError, match=r"Run 1 .* no longer in force, run 2 is"):
        persist(shop.database, "default", 1, assigned("new", Customer()))
    with pytest.raises(InputError, match="as of 2025-03-01, and the run in force as of 2025-04-01"):
        persist(shop.database, "default", 2, assigned("new", Customer(), MARCH))
    assert load.show_customer(shop.database, "default", "new") is None


def test_a_run_at_work_is_not_waited_for(shop: Shop, database_url: str) -> None:
    shop.publish({"a": Customer()}, MARCH)
    with (
        _second(database_url) as other,
        load.hold_store(other, "default", wait=False, told=lambda _: None),
        pytest.raises(BusyError, match="being written by a run"),
    ):
        _store(shop, "new", Customer())
    with _second(database_url) as other, other.transaction():
        load.lock_store(other, "another store")
        _store(shop, "new", Customer())
    assert _profile(shop, "new")


def test_customers_stored_at_once_wait_for_each_other(shop: Shop, database_url: str) -> None:
    shop.publish({"a": Customer()}, MARCH)
    _define(shop)

    def store_some(worker: int) -> None:
        with _second(database_url) as connection:
            for n in range(10):
                persist(connection, "default", 1, assigned(f"w{worker}-{n}", Customer("whale")))

    with ThreadPoolExecutor(4) as workers:
        list(workers.map(store_some, range(4)))
    assert_counts_are_true(shop.database)
    assert len(state_of(shop.database).profiles) == 41


def test_figures_that_are_missing_or_unknown_to_the_run_are_left_out(shop: Shop) -> None:
    shop.publish({"a": Customer()}, MARCH)
    told = replace(assigned("new", Customer()), measures={"n_orders": None, "of_tomorrow": 1.0})
    persist(shop.database, "default", 1, told)
    assert load.read_measures(shop.database, "default", 1, "new") == {
        "n_orders": None,
        "lifetime_value": None,
    }


def test_a_run_without_measures_takes_customers_too(shop: Shop) -> None:
    shop.publish({"a": Customer()}, MARCH, measures=[])
    _store(shop, "new", Customer())
    shop.database.execute("UPDATE segmentation_runs SET measures_table = 'dropped_by_hand'")
    _store(shop, "new", Customer("whale"))
    assert _profile(shop, "new")["segment_memberships"][VALUE] == "whale"
    assert_counts_are_true(shop.database)


def test_columns_of_its_users_stay_as_they_are(shop: Shop) -> None:
    shop.publish({"a": Customer()}, MARCH)
    shop.database.execute("ALTER TABLE customer_profiles ADD COLUMN note text")
    shop.database.execute("UPDATE customer_profiles SET note = 'call her'")
    _store(shop, "a", Customer("whale"))
    assert _profile(shop, "a")["note"] == "call her"


def test_who_alters_the_table_is_not_waited_for_long(
    shop: Shop, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["segpipe.load.persist"], "_LOCK_PATIENCE", "50ms")
    shop.publish({"a": Customer()}, MARCH)
    with _second(database_url) as other, other.transaction():
        other.execute("LOCK TABLE customer_profiles IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(BusyError, match="try again"):
            _store(shop, "new", Customer())


READS = "customer_profiles, segmentation_runs, segment_definitions, segment_counts"
WRITES = (
    "INSERT, UPDATE ON customer_profiles",
    "UPDATE ON segmentation_runs, segment_definitions",
    "INSERT, UPDATE, DELETE ON segment_counts",
    "SELECT ON forgotten_customers, forgotten_salts",
)


def test_the_rights_that_are_needed_are_those_of_the_tables(shop: Shop) -> None:
    database, role = shop.database, f"service_{uuid4().hex}"
    shop.publish({"a": Customer()}, MARCH)
    shop.publish({"a": Customer("whale")}, MARCH, is_repeated=True)
    shop.publish({"a": Customer()}, MARCH, is_repeated=True)
    _define(shop)
    database.execute(f"CREATE ROLE {role}".encode())
    try:
        database.execute(f"GRANT SELECT ON {READS}, segment_transitions TO {role}".encode())
        database.execute(f"SET ROLE {role}".encode())
        assert answers.read_profile(database, "default", "a")
        assert answers.read_stats(database, "default")
        assert answers.read_axes(database, "default")
        assert answers.list_runs(database, "default")["runs"]
        assert answers.read_transitions_of(database, "default")
        assert answers.list_customers(database, "default", VALUE, "mid_tier")
        with pytest.raises(DatabaseError, match="permission denied"):
            _store(shop, "new", Customer())
        database.execute("RESET ROLE")
        for right in WRITES:
            database.execute(f"GRANT {right} TO {role}".encode())
        for name in tables_of(database):  # of runs, and so of the runs to come
            database.execute(f"GRANT SELECT, INSERT, UPDATE ON {name} TO {role}".encode())
        database.execute(f"SET ROLE {role}".encode())
        _store(shop, "new", Customer())
        _store(shop, "a", Customer("whale"))
    finally:
        database.execute("RESET ROLE")
        database.execute(f"DROP OWNED BY {role}".encode())
        database.execute(f"DROP ROLE {role}".encode())
    assert_counts_are_true(database)
