"""A real standby: readers are served, and a run fails at once, in plain words."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from segpipe import postgres
from segpipe.postgres import embedded
from tests.support.live_database import (
    Shop,
    assert_previous_then_next,
    assert_refused,
    make_model,
    make_shop,
    own_home,
    run_here,
    wait_for,
)

pytestmark = pytest.mark.postgres


@pytest.fixture
def primary() -> Iterator[Path]:
    """Folder of a server that a standby can follow."""
    with own_home() as home:
        with postgres.connect(embedded.start(home)) as admin:
            admin.execute("ALTER SYSTEM SET wal_level = 'replica'")
            admin.execute("ALTER SYSTEM SET max_wal_senders = 4")
        embedded.stop(home)
        embedded.start(home)
        yield home


@pytest.fixture
def standby(primary: Path) -> Iterator[Path]:
    """Folder for the standby, empty as yet; it is stopped before the primary."""
    assert primary.exists()
    with own_home() as home:
        yield home


def test_a_run_on_a_standby_fails_and_readers_are_served(
    primary: Path, standby: Path, tmp_path: Path
) -> None:
    shop = make_shop(embedded.start(primary), make_model(tmp_path), tmp_path)
    copy_server(primary, standby)
    there = Shop(embedded.start(standby), shop.model, shop.before, shop.after)
    wait_for(lambda: there.ledger() == [(1, "published")])
    assert_refused(there.run(shop.after), "The database is read-only", "the primary server")
    for command in (("show", "c0001"), ("sql", "whales_who_wait_for_discounts"), ("runs",)):
        served = run_here(*command, "--database-url", there.url)
        assert served.status == 0, served.err
    assert_previous_then_next(shop)
    wait_for(lambda: sum(n for _, n in there.current_run()) == 70)


def copy_server(source: Path, target: Path) -> None:
    """Make `target` a standby of the server of `source`."""
    data = target / "pg"
    folder = data if os.geteuid() != 0 else target
    user = None if os.geteuid() != 0 else pwd.getpwuid((source / "pg").stat().st_uid).pw_name
    if user:
        shutil.chown(folder, user)
    url = embedded.status(source).url
    assert url
    program = embedded.psql_path().with_name("pg_basebackup")
    done = subprocess.run(
        [program, "-d", url, "-D", data, "-R", "-X", "stream", "--checkpoint=fast"],
        user=user,
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for lock in data.glob(".s.PGSQL.*.lock"):  # the source keeps its socket among its data
        lock.unlink()
