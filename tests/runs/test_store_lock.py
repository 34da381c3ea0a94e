"""One writer a store: who waits, who gets an error, and what a dead run leaves."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pyarrow as pa
import pytest

from segpipe import postgres, publishing, runs
from segpipe.core.errors import BusyError, DatabaseError
from segpipe.postgres import Connection, fetch_one
from segpipe.runs.store_lock import sweep
from tests.support.moving_customers import (
    AXES,
    MARCH,
    Customer,
    Shop,
    batch_of,
    measures_of,
    named_tables,
    state_of,
    tables_of,
)

HOLD = """
import sys, time
from segpipe import postgres, publishing, runs
with postgres.connect(sys.argv[1]) as connection:
    with runs.hold_store(connection, "default", wait=False, notify=print):
        runs.record_stage(connection, runs.start_run(connection, "default"), "cluster")
        print("held", flush=True)
        time.sleep(600)
"""


def _nobody(text: str) -> None:
    raise AssertionError(text)


@contextmanager
def _waiting(url: str, messages: list[str]) -> Iterator[threading.Event]:
    """Another session that waits for the store; the event is set once it holds the store."""
    holds = threading.Event()

    def wait() -> None:
        with (
            postgres.connect(url) as other,
            runs.hold_store(other, "default", wait=True, notify=messages.append),
        ):
            holds.set()

    thread = threading.Thread(target=wait)
    thread.start()
    try:
        with postgres.connect(url) as watcher:
            while fetch_one(
                watcher,
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
                " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
            ) == (0,):
                pass
        yield holds
    finally:
        thread.join()
    assert holds.is_set()


def test_a_second_run_waits_and_is_notified(database: Connection, database_url: str) -> None:
    messages: list[str] = []
    held = ExitStack()
    held.enter_context(runs.hold_store(database, "default", wait=True, notify=_nobody))
    run_id = runs.start_run(database, "default")
    with _waiting(database_url, messages) as holds:
        assert not holds.is_set()
        runs.fail_run(database, run_id, "load", "done")
        held.close()
    (text,) = messages
    assert text.startswith(f"Run {run_id}, which started at 20")
    assert text.endswith("holds store 'default'; waiting for it to end.")


def test_a_run_that_does_not_wait_fails_at_once(database: Connection, database_url: str) -> None:
    with (
        runs.hold_store(database, "default", wait=False, notify=_nobody),
        postgres.connect(database_url) as other,
    ):
        run_id = runs.start_run(database, "default")
        again = runs.hold_store(other, "default", wait=False, notify=_nobody)
        busy = pytest.raises(BusyError, match=f"Run {run_id}, which started at .*without --no-wait")
        with busy as caught, again:
            pass
        assert caught.value.exit_status == 75
        assert [run["status"] for run in runs.list_runs(database)] == ["running"]
        runs.fail_run(database, run_id, "load", "done")
        nameless = runs.hold_store(other, "default", wait=False, notify=_nobody)
        with pytest.raises(BusyError, match="Another segpipe holds store 'default'"), nameless:
            pass


def test_two_stores_are_held_at_the_same_time(database: Connection, database_url: str) -> None:
    with (
        postgres.connect(database_url) as other,
        runs.hold_store(database, "north", wait=False, notify=_nobody),
        runs.hold_store(other, "south", wait=False, notify=_nobody),
    ):
        pass


def test_a_failure_releases_the_store(database: Connection, database_url: str) -> None:
    with postgres.connect(database_url) as other:
        failing = runs.hold_store(other, "default", wait=False, notify=_nobody)
        with pytest.raises(ZeroDivisionError), failing:
            raise ZeroDivisionError
        with runs.hold_store(database, "default", wait=False, notify=_nobody):
            pass


def test_a_failed_clean_up_releases_the_store(
    database: Connection, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise postgres.ServerError

    with postgres.connect(database_url) as other:
        with monkeypatch.context() as patched:
            patched.setattr("segpipe.runs.store_lock.sweep", failing)
            held = runs.hold_store(other, "default", wait=False, notify=_nobody)
            with pytest.raises(DatabaseError), held:
                pass
        with runs.hold_store(database, "default", wait=False, notify=_nobody):
            pass


def test_a_holder_whose_backend_is_killed_blocks_nobody(
    database: Connection, database_url: str
) -> None:
    messages: list[str] = []
    with (
        postgres.connect(database_url) as victim,
        runs.hold_store(victim, "default", wait=False, notify=_nobody),
        _waiting(database_url, messages) as holds,
    ):
        database.execute("SELECT pg_terminate_backend(%s)", [victim.info.backend_pid])
        assert holds.wait(60)
    assert len(messages) == 1


def test_a_killed_holder_blocks_nobody_and_its_run_is_marked_as_failed(
    database: Connection, database_url: str
) -> None:
    command = [sys.executable, "-c", HOLD, database_url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout
            assert holder.stdout.readline() == "held\n"
            messages: list[str] = []
            with _waiting(database_url, messages):
                holder.kill()
        finally:
            holder.kill()
    assert "Run 1, which started at" in messages[0]
    (run,) = runs.list_runs(database)
    assert (run["status"], run["failed_stage"]) == ("failed", "cluster")
    assert "killed" in run["error"]
    assert run["finished_at"] is not None


def test_dead_runs_are_marked_as_failed_and_their_tables_dropped(database: Connection) -> None:
    shop = Shop(database)
    shop.publish({"a": Customer()}, MARCH)
    before = state_of(database)
    others = runs.start_run(database, "other")
    early, late, own = (runs.start_run(database, "default") for _ in range(3))
    runs.record_stage(database, late, "load")
    left = f"customer_measures_0123456789_r{late}"
    database.execute(f"CREATE TABLE {left} AS SELECT 'a' AS customer_id".encode())
    database.execute(
        "UPDATE segmentation_runs SET measures_table = %s WHERE run_id = %s", [left, late]
    )
    with runs.hold_store(database, "default", wait=False, notify=_nobody, own_run_id=own):
        pass
    found = {
        run["run_id"]: (run["status"], run["failed_stage"]) for run in runs.list_runs(database)
    }
    assert found == {
        1: ("published", None),
        others: ("running", None),
        early: ("failed", "connect"),
        late: ("failed", "load"),
        own: ("running", None),
    }
    assert left not in tables_of(database)
    assert tables_of(database) == named_tables(database)
    assert state_of(database) == before


def test_a_table_in_use_is_cleaned_up_the_next_time(
    database: Connection, database_url: str
) -> None:
    customers = {"a": Customer()}
    run_id = runs.start_run(database, "default")

    def failing() -> Iterator[pa.RecordBatch]:
        yield batch_of(customers, MARCH)
        raise ZeroDivisionError

    measures = [measures_of(customers)]
    with pytest.raises(ZeroDivisionError):
        publishing.publish(
            database,
            publishing.Publication(run_id, "default", failing(), axes=AXES, measures=measures),
        )
    runs.fail_run(database, run_id, "load", "broken")
    (left,) = tables_of(database)
    with postgres.connect(database_url) as reader, reader.transaction():
        reader.execute(f"SELECT * FROM {left}".encode())  # as pg_dump does for hours
        sweep(database, "default")
        assert tables_of(database) == named_tables(database) == {left}
    sweep(database, "default")
    assert tables_of(database) == named_tables(database) == set()
