"""Failures of a live database: one plain line, nothing is lost, and the next run succeeds."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from segpipe import postgres
from segpipe.postgres import embedded
from tests.support.commands import Outcome
from tests.support.live_database import (
    PASSWORD,
    Shop,
    assert_previous_then_next,
    assert_refused,
    end,
    free,
    held,
    make_model,
    make_shop,
    own_home,
    small_disk,
    start,
    wait_for,
)

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def shop(database_url: str, model: Path, tmp_path: Path) -> Shop:
    return make_shop(database_url.replace("postgres@", f"postgres:{PASSWORD}@"), model, tmp_path)


@pytest.fixture
def home() -> Iterator[Path]:
    with own_home() as folder:
        yield folder


@pytest.fixture
def served_shop(home: Path, model: Path, tmp_path: Path) -> Shop:
    """On a server of its own, which the test may stop."""
    return make_shop(embedded.start(home), model, tmp_path)


def test_a_connection_lost_during_copy_fails_the_run(shop: Shop) -> None:
    with held(shop) as run:
        run.end_every_backend()
        assert_refused(run.outcome(), "The connection was lost", "run the command again")
    assert shop.ledger() == [(1, "published"), (2, "failed")]
    assert_previous_then_next(shop)


def test_a_connection_lost_once_is_opened_again(shop: Shop) -> None:
    with held(shop) as run:
        run.end_backends()
        run.release()
        outcome = run.outcome()
    assert outcome.status == 0, outcome.err
    assert "trying again in 1 s (attempt 2 of 2)" in outcome.err
    free(shop)
    assert shop.current_run() == [(2, 70)]


def test_a_connection_lost_before_publication_is_reported(shop: Shop) -> None:
    with postgres.connect(shop.url) as admin, admin.transaction():
        admin.execute("LOCK TABLE segment_definitions")  # which a run reads when it has begun
        process = start(shop)
        try:
            waiting = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted"
            waiting += " AND relation = 'segment_definitions'::regclass"
            wait_for(lambda: admin.execute(waiting.encode()).fetchall() == [(True,)])
            out, err = process.communicate(timeout=60)
        finally:
            end(process)
    assert_refused(Outcome(process.returncode, out, err), "The connection was lost")
    assert shop.ledger() == [(1, "published"), (2, "failed")]
    assert_previous_then_next(shop)


def test_a_server_stopped_during_publication_keeps_the_last_results(
    served_shop: Shop, home: Path
) -> None:
    with held(served_shop) as run:
        stop_at_once(home)
        outcome = run.outcome()
    assert_refused(outcome)
    assert "lost" in outcome.err or "does not answer" in outcome.err
    embedded.start(home)
    assert_previous_then_next(served_shop)


def test_a_server_that_comes_back_in_time_gets_the_run(served_shop: Shop, home: Path) -> None:
    with held(replace(served_shop, attempts=6)) as run:
        stop_at_once(home)
        embedded.start(home)
        outcome = run.outcome()
    assert outcome.status == 0, outcome.err
    assert "trying again" in outcome.err
    free(served_shop)
    assert served_shop.current_run() == [(2, 70)]


def stop_at_once(home: Path) -> None:
    """As `pg_ctl -m immediate` does: no checkpoint, every session cut."""
    pid = embedded.status(home).pid
    assert pid
    os.kill(pid, signal.SIGQUIT)
    wait_for(lambda: not (home / "pg" / "postmaster.pid").exists())


def test_the_timeouts_of_a_role_do_not_end_a_run(shop: Shop) -> None:
    with postgres.connect(shop.url) as admin:
        for name in ("statement_timeout", "idle_session_timeout", "lock_timeout"):
            where = f"ALTER ROLE CURRENT_USER IN DATABASE {database(shop)}"
            admin.execute(f"{where} SET {name} = 100".encode())
    with held(shop) as run:
        run.holder.execute("SELECT pg_sleep(0.5)")
        run.release()
        outcome = run.outcome()
    assert outcome.status == 0, outcome.err


def test_a_disk_that_fills_up_during_copy_fails_the_run(model: Path, tmp_path: Path) -> None:
    with small_disk("110m") as folder:
        shop = make_shop(embedded.start(folder), model, tmp_path)
        filler = folder / "filler"
        with held(shop) as run:
            fill(filler)
            run.release()
            outcome = run.outcome()
        assert_refused(outcome, "The disk of the database is full", "once there is room")
        filler.unlink()
        assert_previous_then_next(shop)


def fill(path: Path) -> None:
    """Write until the disk is full."""
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(2**16))


def test_no_connection_is_left(shop: Shop, database_url: str) -> None:
    with postgres.connect(database_url) as admin:
        role = f"clerk_{database(shop)}"
        admin.execute(f"CREATE ROLE {role} LOGIN CONNECTION LIMIT 0".encode())
        try:
            url = shop.url.replace("postgres:", f"{role}:")
            outcome = Shop(url, shop.model, shop.before, shop.after).run(shop.after)
        finally:
            admin.execute(f"DROP ROLE {role}".encode())
    assert_refused(outcome, "takes no more connections", "try again later")
    assert_previous_then_next(shop)


def database(shop: Shop) -> str:
    """Name of the shop's database."""
    with postgres.connect(shop.url) as connection:
        return connection.info.dbname
