"""One customer stored between two runs: written and counted as a run would have done."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from uuid import uuid4

import numpy as np
import pytest

from segpipe import answers, postgres, runs
from segpipe.core.errors import BusyError, DatabaseError, InputError
from segpipe.postgres import Connection
from segpipe.publishing import RunReplacedError, persist
from tests.support.assigned import (
    KINDS,
    assert_counts_are_true,
    assigned,
    define,
    profile,
    shop,
    store,
)
from tests.support.moving_customers import (
    APRIL,
    MARCH,
    MAY,
    TREND,
    VALUE,
    Customer,
    Shop,
    State,
    state_of,
    tables_of,
)

__all__ = ["shop"]
TIMES = ("created_at", "last_updated")


@contextmanager
def _second(database_url: str) -> Iterator[Connection]:
    with postgres.connect(database_url) as connection:
        yield connection


def test_a_new_customer_is_written_as_a_run_would_write_them(database: Connection) -> None:
    comes = Customer(
        'a "whale" \\ of\ttabs', trend="steady", value=12.3456, n_orders=2, rfm_score="512"
    )
    states: list[State] = []
    for store_id in ("by run", "by request"):
        shop = Shop(database, store_id=store_id)
        shop.publish(
            {"there": Customer()} | ({"new": comes} if store_id == "by run" else {}), MARCH
        )
        if store_id == "by request":
            store(shop, "new", comes)
        states.append(state_of(database, store_id))
    by_run, by_request = states
    assert by_run.measures == by_request.measures
    for run, request in zip(by_run.profiles, by_request.profiles, strict=True):
        assert {key for key in run if run[key] != request[key]} == {*TIMES, "store_id", "run_id"}
    assert by_request.profiles[0]["run_id"] == by_request.run_id
    assert by_request.profiles[0]["first_seen_on"] == MARCH


def test_a_known_customer_keeps_their_history_and_their_move_is_recorded(shop: Shop) -> None:
    shop.publish({"a": Customer(), "b": Customer()}, MARCH)
    before = profile(shop, "a")
    store(shop, "a", Customer("whale", value=900.0, n_orders=9), APRIL)
    after = profile(shop, "a")
    assert after["created_at"] == before["created_at"]
    assert after["last_updated"] > before["last_updated"]
    assert after["content_hash"] != before["content_hash"]
    moved = ({VALUE: "mid_tier"}, {VALUE: "2025-04-01"}, "2025-03-01")
    assert shop.remembered("a") == moved
    store(shop, "a", Customer("whale", value=901.0, n_orders=10), MAY)
    assert shop.remembered("a") == moved
    assert runs.read_measures(shop.database, "default", 1, "a") == {
        "n_orders": 10.0,
        "lifetime_value": 901.0,
    }
    assert_counts_are_true(shop.database)


def test_the_counts_match_the_profiles_after_any_customer(shop: Shop) -> None:
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
    define(shop)
    for _ in range(40):
        store(shop, str(draw.choice(ids)), drawn())
        assert_counts_are_true(shop.database)


def test_a_segment_that_everybody_left_has_no_count(shop: Shop) -> None:
    shop.publish({"a": Customer("whale")}, MARCH)
    store(shop, "a", Customer("low_value"))
    rows = shop.database.execute("SELECT segment FROM segment_counts WHERE axis = %s", [VALUE])
    assert rows.fetchall() == [("low_value",)]


def test_an_absent_customer_is_present_again(shop: Shop) -> None:
    shop.publish({"a": Customer(), "b": Customer()}, MARCH)
    shop.publish({"a": Customer()}, APRIL)
    assert profile(shop, "b")["absent_since_run_id"] == 2
    store(shop, "b", Customer(), APRIL)
    assert profile(shop, "b")["absent_since_run_id"] is None
    assert shop.remembered("b") == ({}, {}, "2025-03-01")
    assert_counts_are_true(shop.database)


def test_customers_are_stored_for_the_current_run_only(shop: Shop) -> None:
    with pytest.raises(RunReplacedError, match="none is"):
        persist(shop.database, "default", 1, assigned("new", Customer()))
    shop.publish({"a": Customer()}, MARCH)
    shop.publish({"a": Customer()}, APRIL)
    with pytest.raises(RunReplacedError, match=r"Run 1 .* no longer the current one, run 2 is"):
        persist(shop.database, "default", 1, assigned("new", Customer()))
    with pytest.raises(InputError, match=r"as_of is 2025-03-01, before .* current run, 2025-04-01"):
        persist(shop.database, "default", 2, assigned("new", Customer(), MARCH))
    assert runs.show_customer(shop.database, "default", "new") is None


def test_a_run_at_work_is_not_waited_for(shop: Shop, database_url: str) -> None:
    shop.publish({"a": Customer()}, MARCH)
    with (
        _second(database_url) as other,
        runs.hold_store(other, "default", wait=False, notify=lambda _: None),
        pytest.raises(BusyError, match="being written by a run"),
    ):
        store(shop, "new", Customer())
    with _second(database_url) as other, other.transaction():
        runs.lock_store(other, "another store")
        store(shop, "new", Customer())
    assert profile(shop, "new")


def test_customers_stored_at_the_same_time_wait_for_each_other(
    shop: Shop, database_url: str
) -> None:
    shop.publish({"a": Customer()}, MARCH)
    define(shop)

    def store_some(worker: int) -> None:
        with _second(database_url) as connection:
            for n in range(10):
                persist(connection, "default", 1, assigned(f"w{worker}-{n}", Customer("whale")))

    with ThreadPoolExecutor(4) as workers:
        list(workers.map(store_some, range(4)))
    assert_counts_are_true(shop.database)
    assert len(state_of(shop.database).profiles) == 41


def test_measures_that_are_missing_or_unknown_to_the_run_are_left_out(shop: Shop) -> None:
    shop.publish({"a": Customer()}, MARCH)
    unusual = replace(assigned("new", Customer()), measures={"n_orders": None, "of_tomorrow": 1.0})
    persist(shop.database, "default", 1, unusual)
    assert runs.read_measures(shop.database, "default", 1, "new") == {
        "n_orders": None,
        "lifetime_value": None,
    }


def test_a_customer_is_stored_for_a_run_without_measures(shop: Shop) -> None:
    shop.publish({"a": Customer()}, MARCH, measures=[])
    store(shop, "new", Customer())
    shop.database.execute("UPDATE segmentation_runs SET measures_table = 'dropped_by_hand'")
    store(shop, "new", Customer("whale"))
    assert profile(shop, "new")["segment_memberships"][VALUE] == "whale"
    assert_counts_are_true(shop.database)


def test_columns_that_users_added_keep_their_values(shop: Shop) -> None:
    shop.publish({"a": Customer()}, MARCH)
    shop.database.execute("ALTER TABLE customer_profiles ADD COLUMN note text")
    shop.database.execute("UPDATE customer_profiles SET note = 'call her'")
    store(shop, "a", Customer("whale"))
    assert profile(shop, "a")["note"] == "call her"


def test_a_session_that_alters_the_table_is_waited_for_briefly(
    shop: Shop, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["segpipe.publishing.one_customer"], "_LOCK_TIMEOUT", "50ms")
    shop.publish({"a": Customer()}, MARCH)
    with _second(database_url) as other, other.transaction():
        other.execute("LOCK TABLE customer_profiles IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(BusyError, match="try again"):
            store(shop, "new", Customer())


READS = "customer_profiles, segmentation_runs, segment_definitions, segment_counts"
WRITES = (
    "INSERT, UPDATE ON customer_profiles",
    "UPDATE ON segmentation_runs, segment_definitions",
    "INSERT, UPDATE, DELETE ON segment_counts",
    "SELECT ON forgotten_customers, forgotten_salts",
)


def test_privileges_on_the_tables_are_enough(shop: Shop) -> None:
    database, role = shop.database, f"service_{uuid4().hex}"
    shop.publish({"a": Customer()}, MARCH)
    shop.publish({"a": Customer("whale")}, MARCH, is_repeated=True)
    shop.publish({"a": Customer()}, MARCH, is_repeated=True)
    define(shop)
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
            store(shop, "new", Customer())
        database.execute("RESET ROLE")
        for right in WRITES:
            database.execute(f"GRANT {right} TO {role}".encode())
        for name in tables_of(database):  # of runs, and so of the runs to come
            database.execute(f"GRANT SELECT, INSERT, UPDATE ON {name} TO {role}".encode())
        database.execute(f"SET ROLE {role}".encode())
        store(shop, "new", Customer())
        store(shop, "a", Customer("whale"))
    finally:
        database.execute("RESET ROLE")
        database.execute(f"DROP OWNED BY {role}".encode())
        database.execute(f"DROP ROLE {role}".encode())
    assert_counts_are_true(database)
