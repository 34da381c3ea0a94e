"""A run that a test stops in the middle of publishing, to break something at that moment."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from segpipe import postgres
from segpipe.cli import main
from segpipe.postgres import Connection, embedded
from tests.support.commands import FEW_KS, Outcome, shop_lines, write_shop

PASSWORD = "hush"  # of a server that trusts its socket and asks for none
_KEY = 77  # of the advisory lock that a held run waits for
_HOLD = f"""
    CREATE OR REPLACE FUNCTION held(customer_id text) RETURNS boolean LANGUAGE plpgsql AS $$
    BEGIN
        IF customer_id = 'c0030' THEN PERFORM pg_advisory_xact_lock_shared({_KEY}); END IF;
        RETURN true;
    END $$;
    ALTER TABLE customer_profiles ADD CONSTRAINT held CHECK (held(customer_id));
"""
_WAITING = (
    f"SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = {_KEY} AND NOT granted"
)


@dataclass(frozen=True)
class Shop:
    """A store with a published run, and files for the next one."""

    url: str
    model: Path
    before: Path
    after: Path
    attempts: int = 2  # to publish

    def command(self, path: Path, *more: str) -> list[str]:
        """Arguments of a run of that file."""
        config = self.before.with_name("attempts.toml")
        config.write_text(f"[load]\nattempts = {self.attempts}\n", encoding="utf-8")
        options = ("--model", self.model, "--config", config, "--database-url", self.url)
        return [str(part) for part in ("run", "--csv-path", path, *options, *more)]

    def run(self, path: Path) -> Outcome:
        """Run segpipe on the file to its end, in this process, which spares the imports."""
        return run_here(*self.command(path, "--quiet"))

    def current_run(self) -> list[tuple[int, int]]:
        """Each run that has profiles, and how many; the current one alone should."""
        return _rows(
            self.url, "SELECT run_id, count(*) FROM customer_profiles GROUP BY run_id ORDER BY 1"
        )

    def ledger(self) -> list[tuple[int, str]]:
        """Runs and their status."""
        return _rows(self.url, "SELECT run_id, status FROM segmentation_runs ORDER BY run_id")


@dataclass(frozen=True)
class HeldRun:
    """A run that waits in the middle of COPY until it is released."""

    process: subprocess.Popen[str]
    holder: Connection
    admin: Connection

    def backends(self) -> list[int]:
        """Process ids of the sessions that wait."""
        return [row[0] for row in self.admin.execute(_WAITING.encode()).fetchall()]

    def end_backends(self) -> None:
        """Terminate the sessions that wait."""
        for pid in self.backends():
            self.admin.execute("SELECT pg_terminate_backend(%s)", [pid])

    def end_every_backend(self) -> None:
        """Terminate them as often as the run tries again."""
        while self.process.poll() is None:
            self.end_backends()
            time.sleep(0.05)

    def release(self) -> None:
        """Let the run continue, and later ones too."""
        self.holder.execute(f"SELECT pg_advisory_unlock({_KEY})".encode())

    def outcome(self) -> Outcome:
        """How the run ended."""
        out, err = self.process.communicate(timeout=120)
        return Outcome(self.process.returncode, out, err)


@contextmanager
def own_home() -> Iterator[Path]:
    """Folder for a server of one test; the server is stopped and the folder removed after it."""
    home = Path(tempfile.mkdtemp(prefix="segpipe-"))
    try:
        yield home
    finally:
        embedded.stop(home)
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def small_disk(size: str) -> Iterator[Path]:
    """File system of that size; the test is skipped if mounting is not permitted."""
    folder = Path(tempfile.mkdtemp(prefix="segpipe-"))
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        folder.rmdir()
        pytest.skip("mounting a small file system is not permitted here")
    try:
        yield folder
    finally:
        embedded.stop(folder)
        subprocess.run(["umount", str(folder)], check=True)
        folder.rmdir()


def run_here(*arguments: object) -> Outcome:
    """Run segpipe in this process; unlike `call`, without the test's capsys."""
    status = 0
    with redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()) as err:
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as error:
            status = int(error.code or 0)
    return Outcome(status, out.getvalue(), err.getvalue())


def make_model(folder: Path) -> Path:
    """Model of the small shop, with which runs need no clustering."""
    path = write_shop(folder / "shop.csv", shop_lines(60))
    model = folder / "model.json"
    options = ("--dry-run", "--quiet", "--model-out", model, *FEW_KS)
    made = run_here("run", "--csv-path", path, *options)
    assert made.status == 0, made.err
    return model


def make_shop(url: str, model: Path, folder: Path) -> Shop:
    """A store of 60 customers with run 1 published, and a file of 70 for the next."""
    lines = shop_lines(60)
    later = [f"c{n:04d},late{n},2025-06-01T10:00:00,20,1,0,0,p1,cat1,web" for n in range(60, 70)]
    before = write_shop(folder / "before.csv", lines)
    after = write_shop(folder / "after.csv", [*lines, *later])
    shop = Shop(url, model, before, after)
    first = shop.run(before)
    assert first.status == 0, first.err
    return shop


@contextmanager
def held(shop: Shop) -> Iterator[HeldRun]:
    """Run segpipe on the shop's next file, and hold it in the middle of COPY during the block."""
    with postgres.connect(shop.url) as admin:
        admin.execute(_HOLD.encode())
    holder, admin = postgres.connect(shop.url), postgres.connect(shop.url)
    postgres.prepare_session(holder)
    postgres.prepare_session(admin)
    holder.execute(f"SELECT pg_advisory_lock({_KEY})".encode())
    process = start(shop)
    run = HeldRun(process, holder, admin)
    try:
        wait_for(lambda: run.backends() or process.poll() is not None)
        yield run
    finally:
        end(process)
        for connection in (holder, admin):
            connection.close()


def start(shop: Shop) -> subprocess.Popen[str]:
    """Start segpipe on the shop's next file."""
    return subprocess.Popen(
        [sys.executable, "-m", "segpipe", *shop.command(shop.after)],
        env=dict(os.environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end(process: subprocess.Popen[str]) -> None:
    """End a process that a failed test has left."""
    if process.poll() is None:
        process.kill()
    process.communicate()


def free(shop: Shop) -> None:
    """Remove what holds runs from the table."""
    with postgres.connect(shop.url) as admin:
        admin.execute("ALTER TABLE customer_profiles DROP CONSTRAINT IF EXISTS held")


def wait_for(condition: Callable[[], Any], seconds: float = 60) -> None:
    """Wait until the condition is true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition never became true"
        time.sleep(0.02)


def assert_refused(outcome: Outcome, *topics: str) -> None:
    """Status 2 and a message that names the topics, without a traceback or the password."""
    assert outcome.status == 2, outcome
    assert outcome.err.splitlines()[-1].startswith("segpipe: error: ")
    assert "Traceback" not in outcome.err
    assert PASSWORD not in outcome.err
    for topic in topics:
        assert topic in outcome.err, outcome.err


def assert_previous_then_next(shop: Shop, n_before: int = 60) -> None:
    """The previous run is whole, and the next one succeeds with no manual step."""
    assert shop.current_run() == [(1, n_before)]
    free(shop)
    again = shop.run(shop.after)
    assert again.status == 0, again.err
    newest, status = shop.ledger()[-1]
    assert status == "published"
    found = dict(shop.current_run())
    assert found[newest] == 70
    assert sum(found.values()) == 70


def _rows(url: str, query: str) -> list[Any]:
    with postgres.connect(url) as connection:
        return connection.execute(query.encode()).fetchall()
