"""URLs, connections and errors: what people see when the database fails."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from segpipe import postgres
from segpipe.core.errors import DatabaseError, InputError
from segpipe.postgres import Connection, embedded


@pytest.mark.parametrize(
    "url",
    [
        "postgres://u:p@h:5432/d",
        "postgresql://u:p@h:5432/d",
        "postgresql+psycopg://u:p@h:5432/d",
        "postgresql+psycopg2://u:p@h:5432/d",
    ],
)
def test_every_spelling_of_the_scheme_is_accepted(url: str) -> None:
    assert postgres.database_url(url) == "postgresql://u:p@h:5432/d"


def test_the_argument_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://from/environment")
    assert postgres.database_url("postgres://from/argument") == "postgresql://from/argument"
    assert postgres.database_url(None) == "postgresql://from/environment"
    monkeypatch.setenv("DATABASE_URL", "")
    assert postgres.database_url(None) is None


@pytest.mark.parametrize("url", ["mysql://u:hush@h/d", "h:5432/d"])
def test_another_scheme_is_rejected_without_showing_the_password(url: str) -> None:
    with pytest.raises(InputError, match="expected postgresql://") as caught:
        postgres.database_url(url)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:hu%40sh@h:1/d?sslmode=require", "postgresql://u@h:1/d?sslmode=require"),
        ("postgresql://u@h/d?password=hush", "postgresql://u@h/d"),
        ("postgres://h/d", "postgresql://h/d"),
        ("postgresql://u:hush@/d?host=/a%20b", "postgresql://u@/d?host=/a%20b"),
        ("postgresql://u:hush@[::1]:5/d", "postgresql://u@[::1]:5/d"),
    ],
)
def test_a_shown_url_has_no_password(url: str, shown: str) -> None:
    assert postgres.redact(url) == shown


def test_a_url_that_cannot_be_read_is_rejected_without_showing_the_password() -> None:
    with pytest.raises(InputError, match="cannot be read") as caught:
        postgres.connect("postgresql://u:hush%zz@h/d")
    assert "hush" not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("postgresql://u:hush@127.0.0.1:1/d", "nothing listens"),
        ("postgresql://u:hush@no-such-host.invalid/d", "host name that is not known"),
        ("postgresql://u:hush@/d?host=/nonexistent", "its socket is not there"),
    ],
)
def test_a_server_that_is_down_is_one_plain_sentence(url: str, found: str) -> None:
    with pytest.raises(DatabaseError, match=found) as caught:
        postgres.connect(url)
    assert "hush" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_database_that_does_not_exist_is_named(server_url: str) -> None:
    with pytest.raises(DatabaseError, match='database "nowhere" does not exist'):
        postgres.connect(server_url.replace("/postgres?", "/nowhere?"))


def test_a_connection_has_a_name_and_commits_by_itself(database: Connection) -> None:
    name = postgres.fetch_one(database, "SELECT current_setting('application_name')")
    assert name == ("segpipe",)
    assert database.autocommit


@pytest.fixture
def guarded_url() -> Iterator[str]:
    """URL of a server of its own, which asks for the password."""
    home = Path(tempfile.mkdtemp(prefix="segpipe-"))
    try:
        url = embedded.start(home)
        with postgres.connect(url) as connection:
            connection.execute("CREATE ROLE clerk LOGIN PASSWORD 'secret'")
            rules = home / "pg" / "pg_hba.conf"
            text = rules.read_text()
            rules.write_text("local all clerk scram-sha-256\n" + text)
            connection.execute("SELECT pg_reload_conf()")
        yield url.replace("postgres@", "clerk:{}@")
    finally:
        embedded.stop(home)
        shutil.rmtree(home)


@pytest.mark.postgres
def test_a_wrong_password_is_one_plain_sentence(guarded_url: str) -> None:
    for password in ("hush", ""):
        with pytest.raises(DatabaseError, match="password") as caught:
            postgres.connect(guarded_url.format(password))
        assert "hush" not in str(caught.value)
    postgres.connect(guarded_url.format("secret")).close()


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("SELECT * FROM nothing_here", "A table is missing"),
        ("SET transaction_read_only = on; CREATE TABLE t (a int)", "read-only"),
        ("SET statement_timeout = 10; SELECT pg_sleep(5)", "stopped the statement"),
        ("SELECT pg_terminate_backend(pg_backend_pid())", "connection was lost"),
        ("SELECT 1/0", r"division by zero \(SQLSTATE 22012\)"),
        ("DO $$BEGIN RAISE SQLSTATE '53100'; END$$", "disk of the database is full"),
        ("DO $$BEGIN RAISE SQLSTATE '53300'; END$$", "no more connections"),
    ],
)
def test_an_error_of_the_server_is_one_plain_sentence(
    database_url: str, statement: str, found: str
) -> None:
    with postgres.connect(database_url) as connection:
        with pytest.raises(DatabaseError, match=found) as caught, postgres.plain_errors():
            connection.execute("BEGIN; " + statement)
        assert "\n" not in str(caught.value)


def test_a_lock_held_too_long_is_one_plain_sentence(database_url: str) -> None:
    with postgres.connect(database_url) as holder, postgres.connect(database_url) as waiter:
        holder.execute("CREATE TABLE t (a int)")
        with holder.transaction():
            holder.execute("LOCK TABLE t")
            waiter.execute("SET lock_timeout = 10")
            with pytest.raises(DatabaseError, match="held a lock"), postgres.plain_errors():
                waiter.execute("SELECT * FROM t")


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("SELECT pg_terminate_backend(pg_backend_pid())", True),
        ("DO $$BEGIN RAISE SQLSTATE '57P01'; END$$", True),
        ("DO $$BEGIN RAISE SQLSTATE '57P03'; END$$", True),
        ("DO $$BEGIN RAISE SQLSTATE '08006'; END$$", True),
        ("DO $$BEGIN RAISE SQLSTATE '40P01'; END$$", True),
        ("DO $$BEGIN RAISE SQLSTATE '40001'; END$$", True),
        ("DO $$BEGIN RAISE SQLSTATE '55P03'; END$$", True),
        ("DO $$BEGIN RAISE SQLSTATE '53300'; END$$", True),
        ("DO $$BEGIN RAISE SQLSTATE '53100'; END$$", False),
        ("DO $$BEGIN RAISE SQLSTATE '57P04'; END$$", False),
        ("DO $$BEGIN RAISE SQLSTATE '42501'; END$$", False),
        ("SET statement_timeout = 10; SELECT pg_sleep(5)", False),
        ("SET transaction_read_only = on; CREATE TABLE t (a int)", False),
        ("SELECT 1/0", False),
    ],
)
def test_only_errors_that_pass_by_themselves_are_transient(
    database_url: str, statement: str, *, expected: bool
) -> None:
    with postgres.connect(database_url) as connection:
        with pytest.raises(DatabaseError) as caught, postgres.plain_errors():
            connection.execute("BEGIN; " + statement)
        assert postgres.is_transient(caught.value) == expected


def test_a_server_that_does_not_answer_may_come_back_and_a_wrong_url_does_not(
    server_url: str, tmp_path: Path
) -> None:
    folder = str(tmp_path)
    for url, expected in (
        ("postgresql://u@127.0.0.1:1/d", True),
        (f"postgresql://u@/d?host={folder}", True),
        ("postgresql://u@no-such-host.invalid/d", False),
        (server_url.replace("/postgres?", "/nowhere?"), False),
        (server_url.replace("postgres@", "nobody@"), False),
    ):
        with pytest.raises(DatabaseError) as caught:
            postgres.connect(url)
        assert postgres.is_transient(caught.value) == expected, url


def test_a_closed_connection_is_transient_and_an_error_of_ours_is_not(database_url: str) -> None:
    connection = postgres.connect(database_url)
    connection.close()
    with pytest.raises(DatabaseError) as caught, postgres.plain_errors():
        connection.execute("SELECT 1")
    assert postgres.is_transient(caught.value)
    assert not postgres.is_transient(DatabaseError("no"))
    assert not postgres.is_transient(KeyboardInterrupt())


def test_a_transient_failure_is_tried_again_and_reported(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("tenacity.nap.time.sleep", pauses.append)
    messages: list[str] = []
    failures = [True] * 6

    def action() -> str:
        with postgres.connect(database_url) as connection, postgres.plain_errors():
            if failures:
                failures.pop()
                connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
            return "done"

    assert postgres.with_retries(7, messages.append, action) == "done"
    assert pauses == [1, 2, 4, 8, 16, 30]
    lost = "The connection was lost: terminating connection due to administrator command"
    assert messages[1] == f"{lost}; trying again in 2 s (attempt 3 of 7)."


def test_the_last_failure_is_raised(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _: None)
    messages: list[str] = []
    n_calls = 0

    def action() -> None:
        nonlocal n_calls
        n_calls += 1
        with postgres.connect(database_url) as connection, postgres.plain_errors():
            connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    with pytest.raises(DatabaseError, match="connection was lost"):
        postgres.with_retries(3, messages.append, action)
    assert (n_calls, len(messages)) == (3, 2)


def test_a_lasting_failure_is_raised_at_once(database_url: str) -> None:
    messages: list[str] = []

    def action() -> None:
        with postgres.connect(database_url) as connection, postgres.plain_errors():
            connection.execute("SELECT 1/0")

    with pytest.raises(DatabaseError, match="division by zero"):
        postgres.with_retries(3, messages.append, action)
    assert messages == []


def test_a_prepared_session_outlasts_those_of_its_role(database_url: str) -> None:
    options = "&options=-cstatement_timeout%3D50%20-cidle_session_timeout%3D50"
    with postgres.connect(database_url + options) as connection:
        postgres.prepare_session(connection)
        connection.execute("SELECT pg_sleep(0.2)")


def test_an_old_server_is_rejected() -> None:
    postgres.check_server_version(130000)
    with pytest.raises(DatabaseError, match="PostgreSQL 12; segpipe needs 13"):
        postgres.check_server_version(120022)
