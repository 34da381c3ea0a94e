"""`segpipe rollback`, `segpipe runs` and `segpipe runs prune`, on runs of a real database."""

from __future__ import annotations

import json
import re
import threading

import pytest

from segpipe import postgres, runs
from segpipe.postgres import Connection, fetch_one
from segpipe.runs import lock_store
from tests.conftest import Rows
from tests.support.commands import call
from tests.support.publishing import publish_ids


def _publish(database: Connection, rows: Rows, ids: list[str], store_id: str = "default") -> int:
    """A run whose customers are worth its number."""
    n_runs = int(fetch_one(database, "SELECT count(*) FROM segmentation_runs")[0])
    return publish_ids(database, rows, ids, store_id, value=float(n_runs + 1))


def _status(database: Connection) -> dict[int, str]:
    return dict(database.execute("SELECT run_id, status FROM segmentation_runs").fetchall())


@pytest.fixture
def url(database: Connection) -> tuple[str, str]:
    return ("--database-url", postgres.location(database))


def test_rollback_makes_the_previous_run_current(
    capsys: pytest.CaptureFixture[str], database: Connection, url: tuple[str, str], rows: Rows
) -> None:
    _publish(database, rows, ["a", "b"])
    _publish(database, rows, ["a", "c", "d"])
    outcome = call(capsys, "rollback", *url)
    message = "Run 1 of store default is current again: 2 profiles; withdrawn: run 2.\n"
    assert (outcome.status, outcome.out) == (0, message), outcome.err
    assert _status(database) == {1: "published", 2: "withdrawn"}
    found = database.execute("SELECT customer_id, lifetime_value FROM customer_profiles ORDER BY 1")
    assert found.fetchall() == [("a", 1.0), ("b", 1.0)]


def test_rollback_makes_an_earlier_run_current_by_its_number(
    capsys: pytest.CaptureFixture[str], database: Connection, url: tuple[str, str], rows: Rows
) -> None:
    for ids in (["a"], ["a", "b"], ["a", "b", "c"]):
        _publish(database, rows, ids)
    outcome = call(capsys, "rollback", "1", *url)
    assert "Run 1 of store default is current again: 1 profile; withdrawn: runs 3, 2." in (
        outcome.out
    ), outcome.err
    listed = json.loads(call(capsys, "runs", "--json", *url).out)
    assert [run["status"] for run in listed] == ["withdrawn", "withdrawn", "published"]
    assert [run["kept_bytes"] > 0 for run in listed] == [False, False, True]


def test_rollback_refuses_what_it_cannot_restore(
    capsys: pytest.CaptureFixture[str], database: Connection, url: tuple[str, str], rows: Rows
) -> None:
    assert "No run has been published" in call(capsys, "rollback", *url).err
    _publish(database, rows, ["a"])
    _publish(database, rows, ["a"], "other")
    several = call(capsys, "rollback", *url)
    assert several.status == 2
    assert "several stores (default, other); name one with --store-id" in several.err
    alone = call(capsys, "rollback", "--store-id", "other", *url)
    assert (alone.status, alone.out) == (2, "")
    another = call(capsys, "rollback", "2", "--store-id", "default", *url)
    assert "There is no run 2 of store 'default'" in another.err
    assert _status(database) == {1: "published", 2: "published"}


def test_kept_runs_are_listed_with_their_size_and_pruned(
    capsys: pytest.CaptureFixture[str], database: Connection, url: tuple[str, str], rows: Rows
) -> None:
    for _ in range(3):
        _publish(database, rows, ["a", "b"])
    before = json.loads(call(capsys, "runs", "--json", *url).out)
    assert all(run["kept_bytes"] > 0 for run in before)
    outcome = call(capsys, "runs", "prune", "--keep", "1", *url)
    assert outcome.status == 0, outcome.err
    assert outcome.out == (
        f"{before[2]['kept_bytes']:,} bytes freed;"
        " runs of store default to which you can roll back: 2.\n"
    )
    after = json.loads(call(capsys, "runs", "--json", *url).out)
    assert [run["kept_bytes"] > 0 for run in after] == [True, True, False]
    again = call(capsys, "runs", "prune", "--keep", "1", *url)
    assert again.out.startswith("0 bytes freed;")


def test_runs_of_one_store_are_listed_without_the_others(
    capsys: pytest.CaptureFixture[str], database: Connection, url: tuple[str, str], rows: Rows
) -> None:
    assert call(capsys, "runs", *url).out == "No run yet.\n"
    _publish(database, rows, ["a"])
    _publish(database, rows, ["a"], "other")
    lines = call(capsys, "runs", "--store-id", "other", *url).out.splitlines()
    assert len(lines) == 2
    assert lines[0].split()[-3:] == ["customers", "axes", "kept"]
    assert "other" in lines[1]
    assert re.search(r"[0-9] MB$", lines[1])
    # The options of the list hold for its subcommand, too.
    pruned = call(capsys, "runs", *url, "prune", "--keep", "0", "--store-id", "other")
    assert pruned.status == 0, pruned.err
    assert "store other" in pruned.out


def test_a_negative_number_of_runs_is_refused(
    capsys: pytest.CaptureFixture[str], url: tuple[str, str]
) -> None:
    assert call(capsys, "runs", "prune", "--keep", "-1", *url).status == 2


def test_a_command_waits_for_whoever_holds_the_store(
    capsys: pytest.CaptureFixture[str],
    database: Connection,
    database_url: str,
    url: tuple[str, str],
    rows: Rows,
) -> None:
    _publish(database, rows, ["a", "b"])
    with postgres.connect(database_url) as other:
        released = threading.Event()

        def hold() -> None:
            with other.transaction():
                lock_store(other, "default")
                released.wait(1.0)

        holder = threading.Thread(target=hold)
        holder.start()
        while not _is_held(database):
            pass
        outcome = call(capsys, "forget", "a", "--yes", *url)
        holder.join()
    assert outcome.status == 0, outcome.err
    assert "holds store 'default'; waiting" in outcome.err
    assert runs.show_customer(database, "default", "a") is None


def _is_held(database: Connection) -> bool:
    row = database.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").fetchone()
    return bool(row and row[0])


def test_a_rollback_that_waited_for_a_run_does_not_withdraw_that_run(
    capsys: pytest.CaptureFixture[str],
    database: Connection,
    database_url: str,
    url: tuple[str, str],
    rows: Rows,
) -> None:
    _publish(database, rows, ["a"])
    _publish(database, rows, ["a", "b"])
    with postgres.connect(database_url) as other:

        def publish_once_waited_for() -> None:
            with runs.hold_store(other, "default", wait=True, notify=print):
                held.set()
                while not _waits(other):
                    pass
                _publish(other, rows, ["a", "b", "c"])

        held = threading.Event()
        holder = threading.Thread(target=publish_once_waited_for)
        holder.start()
        held.wait()
        outcome = call(capsys, "rollback", *url)
        holder.join()
    assert outcome.status == 2
    assert "Run 3 was published while this command waited; nothing was changed." in outcome.err
    assert runs.latest_published(database, "default") == 3


def _waits(database: Connection) -> bool:
    row = database.execute(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    ).fetchone()
    return bool(row and row[0])
