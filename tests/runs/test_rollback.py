"""Runs put back: everything is as it was, to the last figure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segpipe import publishing, runs
from segpipe.core.errors import DatabaseError, InputError
from segpipe.postgres import Connection, fetch_one
from segpipe.runs import PreviousRun
from tests.support.moving_customers import (
    APRIL,
    MARCH,
    MAY,
    VALUE,
    Customer,
    Shop,
    State,
    measures_of,
    named_tables,
    state_of,
    tables_of,
)

REFERENCE = (
    b"CREATE TABLE letters (store_id varchar(100), customer_id varchar(100),"
    b" FOREIGN KEY (store_id, customer_id) REFERENCES customer_profiles)"
)
STAYS = {f"c{n}": Customer() for n in range(6)}


@pytest.fixture
def shop(database: Connection) -> Shop:
    return Shop(database)


def _three_states(shop: Shop, kinds: Sequence[str]) -> list[State]:
    """What was current after each of the runs, which are swaps or repeated ones."""
    states = []
    for n, kind in enumerate(kinds):
        customers = dict(STAYS) | {f"new{n}": Customer("modest", value=n + 0.5)}
        customers["c1"] = Customer(f"segment{n}", n_orders=n)
        del customers[f"c{n + 2}"]
        shop.publish(
            customers,
            MARCH,
            absent="delete" if n == 2 else "keep",
            is_repeated=kind == "update",
        )
        states.append(state_of(shop.database))
    return states


@pytest.mark.parametrize(
    "kinds",
    [
        ("swap", "swap", "swap"),
        ("swap", "update", "update"),
        ("swap", "swap", "update"),
        ("swap", "update", "swap"),
    ],
)
def test_run_after_run_is_put_back_as_it_was(
    shop: Shop, database: Connection, kinds: tuple[str, ...]
) -> None:
    first, second, third = _three_states(shop, kinds)
    done = runs.rollback(database, "default")
    assert (done.current_run_id, done.withdrawn) == (second.run_id, (third.run_id,))
    assert done.n_profiles == len(second.profiles)
    assert state_of(database) == second
    assert tables_of(database) == named_tables(database)
    assert runs.rollback(database, "default").current_run_id == first.run_id
    assert state_of(database) == first
    assert tables_of(database) == named_tables(database)
    assert len(tables_of(database)) == 2
    statuses = [run["status"] for run in runs.list_runs(database)]
    assert statuses == ["withdrawn", "withdrawn", "published"]
    with pytest.raises(InputError, match=r"No run before run 1 .* is kept; .*: none"):
        runs.rollback(database, "default")


@pytest.mark.parametrize("kinds", [("swap", "update", "swap"), ("swap", "swap", "update")])
@pytest.mark.parametrize(
    "addition", [REFERENCE, b"ALTER TABLE customer_profiles ADD note text DEFAULT 'x'"]
)
def test_rows_are_put_back_if_the_partition_must_stay(
    shop: Shop, database: Connection, kinds: tuple[str, ...], addition: bytes
) -> None:
    states = _three_states(shop, kinds)
    database.execute(addition)
    partition = _partition(database)
    done = runs.rollback(database, "default", states[0].run_id)
    assert done.withdrawn == (states[2].run_id, states[1].run_id)
    assert _without_note(state_of(database)) == states[0]
    assert _partition(database) == partition
    assert tables_of(database) == named_tables(database)
    assert len(tables_of(database)) == 2
    shop.publish(STAYS, APRIL)
    assert runs.rollback(database, "default").current_run_id == states[0].run_id
    assert _without_note(state_of(database)) == states[0]


def _without_note(state: State) -> State:
    for row in state.profiles:
        row.pop("note", None)
    return state


def _partition(database: Connection) -> str:
    query = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass"
    return str(fetch_one(database, query, ["customer_profiles"])[0])


def test_columns_that_users_added_keep_their_values(shop: Shop, database: Connection) -> None:
    shop.publish(STAYS, MARCH)
    database.execute(b"ALTER TABLE customer_profiles ADD note text DEFAULT 'x'")
    database.execute(b"UPDATE customer_profiles SET note = customer_id WHERE customer_id < 'c3'")
    shop.publish(dict.fromkeys(("c1", "c4", "comes"), Customer("whale")), APRIL)
    database.execute(b"UPDATE customer_profiles SET note = 'later' WHERE customer_id = 'c4'")
    runs.rollback(database, "default")
    notes = database.execute(
        "SELECT customer_id, note FROM customer_profiles ORDER BY 1"
    ).fetchall()
    assert [note for _, note in notes] == ["c0", "c1", "c2", "x", "later", "x"]


def test_rows_of_a_kept_table_that_no_longer_fits_are_written_back(
    shop: Shop, database: Connection
) -> None:
    shop.publish(STAYS, MARCH)
    before = state_of(database)
    shop.publish(dict.fromkeys(("c1", "comes"), Customer("whale")), APRIL)
    database.execute(b"ALTER TABLE customer_profiles ADD CHECK (total_orders >= 0)")
    runs.rollback(database, "default")
    assert state_of(database) == before
    assert tables_of(database) == named_tables(database)


def test_a_store_whose_partition_was_dropped_gets_its_former_run_back(
    shop: Shop, database: Connection
) -> None:
    shop.publish(STAYS, MARCH)
    before = state_of(database)
    shop.publish({"a": Customer()}, APRIL)
    database.execute(f"DROP TABLE {_partition(database)}".encode())
    runs.rollback(database, "default")
    assert state_of(database) == before


def test_a_run_that_cannot_be_put_back_is_an_error_and_nothing_changes(
    shop: Shop, database: Connection
) -> None:
    with pytest.raises(InputError, match="Store 'default' has no current run"):
        runs.rollback(database, "default")
    numbers = [shop.publish({"a": Customer(value=float(n))}, MARCH).run_id for n in range(4)]
    failed = runs.start_run(database, "default")
    runs.fail_run(database, failed, "load", "broken")
    other = Shop(database, store_id="other").publish(STAYS, MARCH).run_id
    before, ledger = state_of(database), _ledger(database)
    kept = rf"those that can be put back: runs {numbers[2]}, {numbers[1]}\."
    for wanted in (numbers[0], failed, other, 999, -1):
        with pytest.raises(
            InputError, match=rf"Run {wanted} of store 'default' is not kept; {kept}"
        ):
            runs.rollback(database, "default", wanted)
    with pytest.raises(InputError, match=f"Run {numbers[3]} .* is the current one already"):
        runs.rollback(database, "default", numbers[3])
    with pytest.raises(InputError, match="Store 'nowhere' has no current run"):
        runs.rollback(database, "nowhere")
    assert (state_of(database), _ledger(database)) == (before, ledger)


def test_a_referenced_customer_is_not_removed(shop: Shop, database: Connection) -> None:
    shop.publish(STAYS, MARCH)
    database.execute(REFERENCE)
    second = shop.publish({"comes": Customer()}, APRIL).run_id
    before, ledger = state_of(database), _ledger(database)
    database.execute(b"INSERT INTO letters (store_id, customer_id) VALUES ('default', 'comes')")
    with pytest.raises(InputError, match=f"run {second} added.*comes.*letters.*delete those"):
        runs.rollback(database, "default")
    assert (state_of(database), _ledger(database)) == (before, ledger)
    database.execute(b"DELETE FROM letters")
    assert runs.rollback(database, "default").n_profiles == len(STAYS)


def _ledger(database: Connection) -> list[tuple[object, ...]]:
    return database.execute("SELECT * FROM segmentation_runs ORDER BY run_id").fetchall()


def test_the_next_run_follows_the_one_that_was_put_back(shop: Shop, database: Connection) -> None:
    first = shop.publish({"a": Customer("whale"), "b": Customer()}, MARCH)
    withdrawn = shop.publish({"a": Customer("low_value"), "b": Customer()}, APRIL)
    late = runs.start_run(database, "default")
    runs.rollback(database, "default")
    previous = PreviousRun(withdrawn.run_id, {})
    with pytest.raises(DatabaseError, match=f"run {first.run_id} is current now.*run it again"):
        publishing.publish(
            database, publishing.Publication(late, "default", [], axes=shop.axes, previous=previous)
        )
    third = shop.publish({"a": Customer("whale"), "b": Customer("modest")}, MAY)
    assert third.previous_run_id == first.run_id
    assert [(t.from_segment, t.to_segment) for t in third.transitions] == [("mid_tier", "modest")]
    assert shop.remembered("a") == ({}, {}, "2025-03-01")
    assert shop.remembered("b") == ({VALUE: "mid_tier"}, {VALUE: "2025-05-01"}, "2025-03-01")
    assert runs.list_runs(database)[0]["previous_run_id"] == first.run_id
    runs.rollback(database, "default")
    assert runs.latest_published(database, "default") == first.run_id


def test_ids_of_a_withdrawn_run_are_not_used_again(shop: Shop, database: Connection) -> None:
    for number in (1, 2):
        run_id = runs.start_run(database, "default")
        definition = runs.SegmentDefinition(VALUE, number, f"s{number}", "segment", "d", {}, 0.5)
        publishing.publish(
            database,
            publishing.Publication(
                run_id, "default", [], axes=shop.axes, definitions=[definition], model={}
            ),
        )
    runs.rollback(database, "default")
    found = runs.read_published(database, "default")
    assert found
    assert (found.run_id, found.known_ids) == (run_id - 1, {VALUE: {"s1": 1, "s2": 2}})


@dataclass(frozen=True)
class _Step:
    """A publication; the segment of each customer, None for who is absent."""

    segments: tuple[str | None, ...]
    absent: str
    kind: str
    keep_runs: int
    more: tuple[str, ...]
    n_back: int  # runs to put back after it, as far as they are kept


STEPS = st.builds(
    _Step,
    segments=st.tuples(*[st.sampled_from(["whale", "mid_tier", "low_value", None])] * 6),
    absent=st.sampled_from(["keep", "delete"]),
    kind=st.sampled_from(["swap", "update", "reference"]),
    keep_runs=st.integers(0, 3),
    more=st.sampled_from([(), ("gap_trend",)]),
    n_back=st.sampled_from([0, 0, 0, 1, 2]),
)


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    print_blob=True,
)
@given(steps=st.lists(STEPS, min_size=3, max_size=6))
def test_any_chain_of_runs_is_put_back_run_by_run(database: Connection, steps: list[_Step]) -> None:
    shop = Shop(database, store_id=uuid4().hex)
    chain: list[State] = []  # those that can be put back, and the current one
    for step in steps:
        _publish_step(shop, step)
        chain = [*chain, state_of(database, shop.store_id)][-step.keep_runs - 1 :]
        for _ in range(min(step.n_back, len(chain) - 1)):
            chain.pop()
            _assert_put_back(shop, chain[-1])
    while len(chain) > 1:
        chain.pop()
        _assert_put_back(shop, chain[-1])
    with pytest.raises(InputError, match="is kept"):
        runs.rollback(database, shop.store_id)


def _publish_step(shop: Shop, step: _Step) -> None:
    with _referenced(shop.database) if step.kind == "reference" else nullcontext():
        customers = {
            f"c{n}": Customer(segment, value=float(len(segment)), n_orders=n)
            for n, segment in enumerate(step.segments)
            if segment
        }
        shop.publish(
            customers,
            MARCH,
            absent=step.absent,
            keep_runs=step.keep_runs,
            is_repeated=step.kind == "update",
            measures=[measures_of(customers, *step.more)],
        )
    assert tables_of(shop.database) == named_tables(shop.database)


def _assert_put_back(shop: Shop, wanted: State) -> None:
    assert wanted.run_id
    must_stay = wanted.run_id % 2 == 0
    with _referenced(shop.database) if must_stay else nullcontext():
        done = runs.rollback(shop.database, shop.store_id)
    assert (done.current_run_id, done.n_profiles) == (wanted.run_id, len(wanted.profiles))
    assert state_of(shop.database, shop.store_id) == wanted
    assert tables_of(shop.database) == named_tables(shop.database)


@contextmanager
def _referenced(database: Connection) -> Iterator[None]:
    """While another table refers to customer_profiles."""
    database.execute(REFERENCE)
    try:
        yield
    finally:
        database.execute(b"DROP TABLE letters")
