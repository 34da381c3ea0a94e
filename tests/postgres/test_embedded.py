"""The embedded server: started, found again, recovered, and its errors in plain words."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from filelock import FileLock, Timeout

from segpipe import postgres, publishing, runs
from segpipe.core.errors import DatabaseError
from segpipe.postgres import embedded, migrate
from tests.conftest import AXES, Rows
from tests.support.live_database import small_disk

pytestmark = pytest.mark.postgres


@contextmanager
def _stopped_after(home: Path) -> Iterator[Path]:
    try:
        yield home
    finally:
        embedded.stop(home)
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def home() -> Iterator[Path]:
    """Short, with a space and a quote in it."""
    with _stopped_after(Path(tempfile.mkdtemp(prefix="seg pipe's-"))) as folder:
        yield folder


def test_a_server_outlives_the_process_that_started_it(home: Path) -> None:
    code = (
        "import sys, pathlib; from segpipe.postgres import embedded;"
        " print(embedded.start(pathlib.Path(sys.argv[1])))"
    )
    started = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, str(home)],
        check=True,
        capture_output=True,
        text=True,
    )
    assert started.stderr == ""
    url = started.stdout.strip()
    assert embedded.start(home) == url
    status = embedded.status(home)
    assert (status.is_running, status.url) == (True, url)
    with postgres.connect(url) as connection:
        settings = {
            "wal_level": "minimal",
            "listen_addresses": "",
            "unix_socket_permissions": "0700",
            "shared_buffers": "256MB",
        }
        for name, value in settings.items():
            found = postgres.fetch_one(connection, "SELECT current_setting(%s)", [name])
            assert found == (value,)
    assert embedded.stop(home)
    assert not embedded.stop(home)
    assert embedded.status(home).url is None


def test_a_killed_server_comes_back_with_what_was_committed(home: Path) -> None:
    url = embedded.start(home)
    with postgres.connect(url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS a")
    pid = embedded.status(home).pid
    assert pid
    os.kill(pid, signal.SIGKILL)
    while embedded.status(home).is_running:
        pass
    for left in (home / "pg" / "postmaster.pid", home / "pg" / ".s.PGSQL.5432.lock"):
        lines = left.read_text().splitlines()
        left.write_text("\n".join([str(os.getpid()), *lines[1:]]))  # its number is another's
    with postgres.connect(embedded.start(home)) as connection:
        assert postgres.fetch_one(connection, "SELECT a FROM kept") == (1,)


def test_an_interrupted_creation_starts_again(home: Path) -> None:
    (home / "pg.new").mkdir()
    (home / "pg.new" / "PG_VERSION").write_text("18\n")
    postgres.connect(embedded.start(home)).close()


def test_one_process_at_a_time_starts_it_and_a_killed_one_blocks_nobody(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from segpipe.postgres import embedded\n"
        "with embedded._lock(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        lock = FileLock(tmp_path / "pg.lock")
        with pytest.raises(Timeout):
            lock.acquire(timeout=0)
        holder.kill()
        with lock.acquire(timeout=10):
            pass


def test_a_deep_folder_gets_its_socket_elsewhere() -> None:
    top = Path(tempfile.mkdtemp(prefix="segpipe-"))
    deep = top / ("d" * 60) / ("e" * 60)
    with _stopped_after(deep):
        url = embedded.start(deep)
        folder = Path(url.partition("host=")[2].partition("&")[0])
        assert not folder.is_relative_to(top)
        postgres.connect(url).close()
        embedded.stop(deep)
        folder.rmdir()
    shutil.rmtree(top)


def test_a_folder_that_cannot_be_made_is_a_plain_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DatabaseError, match="SEGPIPE_HOME") as caught:
        embedded.start(tmp_path / "file" / "home")
    assert "\n" not in str(caught.value)


def test_data_of_another_version_is_a_plain_error(tmp_path: Path) -> None:
    (tmp_path / "pg").mkdir()
    (tmp_path / "pg" / "PG_VERSION").write_text("16\n")
    with pytest.raises(DatabaseError, match="version 16"):
        embedded.start(tmp_path)


def test_a_broken_configuration_is_a_plain_error(home: Path) -> None:
    embedded.start(home)
    embedded.stop(home)
    with (home / "pg" / "postgresql.conf").open("a") as settings:
        settings.write("\nmax_connections = none\n")
    with pytest.raises(DatabaseError, match="cannot run") as caught:
        embedded.start(home)
    assert "\n" not in str(caught.value)


def test_a_full_disk_is_a_plain_error(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.ERROR)
    with (
        small_disk("20m") as folder,
        pytest.raises(DatabaseError, match="the disk is full") as caught,
    ):
        embedded.start(folder)
    assert "\n" not in str(caught.value)
    assert caplog.text == ""
    assert "".join(capfd.readouterr()) == ""


def test_a_disk_that_fills_up_during_publication_keeps_the_last_results_live(rows: Rows) -> None:
    with small_disk("110m") as folder, postgres.connect(embedded.start(folder)) as database:
        migrate.upgrade(database)
        run_id = runs.start_run(database, "default")
        publishing.publish(
            database, publishing.Publication(run_id, "default", [rows(["a"])], axes=AXES)
        )
        large = (rows([f"c{n}" for n in range(start, start + 50_000)]) for start in range(9))
        run_id = runs.start_run(database, "default")
        with pytest.raises(DatabaseError, match="disk of the database is full"):
            publishing.publish(
                database, publishing.Publication(run_id, "default", large, axes=AXES)
            )
        runs.fail_run(database, run_id, "load", "full")
        found = database.execute("SELECT customer_id FROM customer_profiles").fetchall()
        assert found == [("a",)]
        run_id = runs.start_run(database, "default")
        assert (
            publishing.publish(
                database, publishing.Publication(run_id, "default", [rows(["a"])], axes=AXES)
            ).n_updated
            == 1
        )


def test_the_status_of_an_empty_folder_starts_nothing(tmp_path: Path) -> None:
    status = embedded.status(tmp_path)
    assert (status.is_running, status.url, status.pid) == (False, None, None)
    assert list(tmp_path.iterdir()) == []


def test_psql_comes_with_the_server() -> None:
    shown = subprocess.run([embedded.psql_path(), "--version"], capture_output=True, check=True)
    assert shown.stdout.startswith(b"psql (PostgreSQL) 18")
