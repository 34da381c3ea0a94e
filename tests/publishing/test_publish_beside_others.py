"""Publishing while others use the tables: locks, their indexes and keys, and roles."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pyarrow as pa
import pytest

from segpipe import postgres, publishing, runs
from segpipe.core.errors import DatabaseError
from segpipe.core.report import LoadInfo
from segpipe.postgres import Connection, migrate
from tests.conftest import AXES, Rows
from tests.support.publishing import publish_batches

LETTERS = (
    "CREATE TABLE letters (store_id varchar(100), customer_id varchar(100),"
    " FOREIGN KEY (store_id, customer_id) REFERENCES customer_profiles);"
)


def _publish(
    database: Connection, rows: Rows, ids: list[str], value: float = 1.0, absent: str = "keep"
) -> LoadInfo:
    return publish_batches(database, [rows(ids, value)], absent=absent)


def test_indexes_and_grants_of_users_survive(database: Connection, rows: Rows) -> None:
    _publish(database, rows, ["a"])
    database.execute(
        """
        CREATE INDEX "their ON ""x"" USING index" ON customer_profiles
            (lower(customer_id), (segment_memberships->>'purchase_value'))
            INCLUDE (lifetime_value) WHERE lifetime_value > 5;
        CREATE UNIQUE INDEX ON customer_profiles (store_id, upper(customer_id));
        GRANT SELECT ON customer_profiles TO PUBLIC;
        CREATE VIEW theirs AS SELECT customer_id, lifetime_value FROM customer_profiles;
        ALTER TABLE customer_profiles ADD CHECK (total_orders >= 0);
        """
    )
    n_before = _n_partition_indexes(database)
    _publish(database, rows, ["a"], 2.0)
    assert _n_partition_indexes(database) == n_before == 7
    assert database.execute("SELECT * FROM theirs").fetchall() == [("a", 2.0)]
    with database.transaction():
        database.execute("SET LOCAL ROLE pg_monitor")
        assert postgres.fetch_one(database, "SELECT count(*) FROM customer_profiles") == (1,)


def _n_partition_indexes(database: Connection) -> int:
    query = (
        "SELECT count(*) FROM pg_index JOIN pg_inherits ON pg_inherits.inhrelid = indexrelid"
        " WHERE indrelid = (SELECT inhrelid FROM pg_inherits"
        " WHERE inhparent = 'customer_profiles'::regclass)"
    )
    return int(postgres.fetch_one(database, query)[0])


@pytest.mark.parametrize(
    ("addition", "reason"),
    [
        (
            LETTERS + "INSERT INTO letters (store_id, customer_id) VALUES ('default', 'stays')",
            "foreign key",
        ),
        ("ALTER TABLE customer_profiles ADD note text DEFAULT 'x'", "columns of your own"),
    ],
)
def test_rows_are_updated_in_place_if_the_partition_must_stay(
    database: Connection, rows: Rows, addition: str, reason: str
) -> None:
    first = _publish(database, rows, ["stays", "goes"])
    created = database.execute("SELECT DISTINCT created_at FROM customer_profiles").fetchall()
    database.execute(addition.encode())
    second = _publish(database, rows, ["stays", "comes"], 2.0)
    assert reason in second.notes[0]
    assert (second.n_inserted, second.n_updated, second.n_absent_kept) == (1, 1, 1)
    found = database.execute(
        "SELECT customer_id, run_id, lifetime_value FROM customer_profiles ORDER BY 1"
    ).fetchall()
    assert found == [
        ("comes", second.run_id, 2.0),
        ("goes", first.run_id, 1.0),
        ("stays", second.run_id, 2.0),
    ]
    stays = runs.show_customer(database, "default", "stays")
    assert stays
    assert [(stays["created_at"],)] == created
    third = _publish(database, rows, ["stays", "comes"], 3.0, absent="delete")
    assert third.n_absent_deleted == 1
    assert postgres.fetch_one(database, "SELECT count(*) FROM current_profiles") == (2,)


def test_a_referenced_customer_is_not_deleted(database: Connection, rows: Rows) -> None:
    _publish(database, rows, ["a", "b"])
    database.execute(
        (LETTERS + "INSERT INTO letters (store_id, customer_id) VALUES ('default', 'a')").encode()
    )
    with pytest.raises(DatabaseError, match="--absent keep"):
        _publish(database, rows, ["b"], absent="delete")


def test_a_reader_who_keeps_the_lock_fails_the_run_and_not_other_readers(
    database: Connection, database_url: str, rows: Rows
) -> None:
    _publish(database, rows, ["a"])
    run_id = runs.start_run(database, "default")
    with postgres.connect(database_url) as reader, reader.transaction():
        reader.execute("SELECT * FROM customer_profiles")
        with pytest.raises(DatabaseError, match="last results stay live"):
            publishing.publish(
                database,
                publishing.Publication(
                    run_id, "default", [rows(["a"], 2.0)], axes=AXES, patience_seconds=0
                ),
            )
        found = postgres.fetch_one(reader, "SELECT lifetime_value FROM customer_profiles")
        assert found == (1.0,)
    assert _publish(database, rows, ["a"], 3.0).n_updated == 1


def test_a_second_run_of_the_same_store_waits_for_the_first(
    database: Connection, database_url: str, rows: Rows
) -> None:
    infos: list[LoadInfo] = []

    def publish_too() -> None:
        with postgres.connect(database_url) as other:
            infos.append(_publish(other, rows, ["a", "b"], 2.0))

    with database.transaction():
        runs.lock_store(database, "default")
        thread = threading.Thread(target=publish_too)
        thread.start()
        _wait_for_a_waiting_lock(database_url)
        assert infos == []
    thread.join()
    assert [info.n_published for info in infos] == [2]
    assert _publish(database, rows, ["a"], 1.0).n_updated == 1


def _wait_for_a_waiting_lock(database_url: str) -> None:
    with postgres.connect(database_url) as watcher:
        while postgres.fetch_one(
            watcher,
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        ) == (0,):
            pass


def test_two_stores_publish_at_the_same_time(
    database: Connection, database_url: str, rows: Rows
) -> None:
    both = threading.Barrier(2)

    def publish(store_id: str) -> None:
        def batches() -> Iterator[pa.RecordBatch]:
            yield rows(["a"])
            both.wait()  # each has begun, neither has ended

        with postgres.connect(database_url) as connection:
            for _ in range(2):
                run_id = runs.start_run(connection, store_id)
                publishing.publish(
                    connection, publishing.Publication(run_id, store_id, batches(), axes=AXES)
                )

    threads = [threading.Thread(target=publish, args=[name]) for name in ("north", "south")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert postgres.fetch_one(database, "SELECT count(*) FROM current_profiles") == (2,)


def test_roles_may_read_or_publish_as_they_were_granted(
    database: Connection, database_url: str, rows: Rows
) -> None:
    _publish(database, rows, ["a"])
    role = "r" + database.info.dbname
    database.execute(f"CREATE ROLE {role} LOGIN".encode())
    database.execute(f"GRANT SELECT ON customer_profiles, current_profiles TO {role}".encode())
    try:
        with postgres.connect(database_url.replace("postgres@", f"{role}@")) as reader:
            _publish(database, rows, ["a"], 2.0)
            assert runs.show_customer(reader, "default", "a")
            with pytest.raises(DatabaseError, match=f"GRANT postgres TO {role}"):
                runs.start_run(reader, "default")
            with pytest.raises(DatabaseError, match="lack of a privilege"):
                runs.list_runs(reader)
            database.execute(f"ALTER TABLE customer_profiles OWNER TO {role}".encode())
            with pytest.raises(DatabaseError, match="GRANT CREATE ON SCHEMA public"):
                runs.start_run(reader, "default")
    finally:
        database.execute(
            f"REASSIGN OWNED BY {role} TO postgres; DROP OWNED BY {role}; DROP ROLE {role}".encode()
        )


def test_a_database_without_tables_names_the_command(database_url: str) -> None:
    missing = pytest.raises(DatabaseError, match="segpipe db upgrade")
    with postgres.connect(database_url) as connection, missing:
        runs.start_run(connection, "default")


def test_the_defaults_of_a_role_do_not_end_a_publication(
    database: Connection, database_url: str, rows: Rows
) -> None:
    options = (
        "&options=-cdefault_transaction_isolation%3Dserializable%20-cDateStyle%3DGerman"
        "%20-cTimeZone%3DAsia/Tokyo%20-cextra_float_digits%3D0%20-cstatement_timeout%3D2000"
    )
    with postgres.connect(database_url + options) as connection:
        first = _publish(connection, rows, ["a", "b"], 0.1 + 0.2)
        created = database.execute("SELECT created_at FROM customer_profiles").fetchall()
        _publish(connection, rows, ["a"], 0.1 + 0.2)
    after = database.execute(
        "SELECT created_at, lifetime_value FROM customer_profiles ORDER BY run_id"
    ).fetchall()
    assert after == [(*created[0], 0.1 + 0.2)] * 2
    assert first.database.startswith("postgresql://postgres@/")


def test_everything_stays_in_the_current_schema(
    database: Connection, database_url: str, rows: Rows
) -> None:
    database.execute('CREATE SCHEMA "the ""shop"')
    url = database_url + "&options=-csearch_path%3D%22the%5C%20%22%22shop%22"
    migrate.upgrade(url)
    with postgres.connect(url) as connection:
        for _ in range(3):
            _publish(connection, rows, ["a"])
    assert postgres.fetch_one(database, "SELECT count(*) FROM customer_profiles") == (0,)
