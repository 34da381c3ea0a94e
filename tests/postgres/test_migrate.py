"""The schema: created once, by one process, in the current schema, and only if allowed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from segpipe import postgres
from segpipe.core.errors import DatabaseError
from segpipe.postgres import Connection, migrate
from segpipe.runs.rollback import rollback
from tests.support.moving_customers import MARCH, Customer, Shop


def test_the_newest_revision_is_alembics_head() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_heads() == [migrate.head()]


def test_an_upgrade_is_done_once(database_url: str) -> None:
    assert migrate.status(database_url).current is None
    assert migrate.upgrade(database_url).current is None
    assert migrate.upgrade(database_url).is_current
    assert migrate.status(database_url).is_current


def test_current_tables_need_no_alembic(database: Connection) -> None:
    code = (
        "import sys; from segpipe.postgres import migrate; migrate.upgrade(sys.argv[1]);"
        " sys.exit('alembic' in sys.modules or 'sqlalchemy' in sys.modules)"
    )
    info = database.info
    url = f"postgresql://{info.user}@/{info.dbname}?host={info.host}&port={info.port}"
    subprocess.run([sys.executable, "-c", code, url], check=True)


def test_simultaneous_upgrades_do_not_clash(database_url: str) -> None:
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(migrate.upgrade, [database_url] * 4))
    assert sum(before.current is None for before in found) >= 1
    assert migrate.status(database_url).is_current


def test_every_table_and_column_has_a_comment(database: Connection) -> None:
    rows = postgres.fetch_dicts(
        database,
        """
        SELECT relname, attname FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
        WHERE relname IN ('customer_profiles', 'api_keys') AND attnum >= 0
            AND col_description(pg_class.oid, attnum) IS NULL
        UNION ALL
        SELECT relname, '' FROM pg_class
        WHERE relname IN ('customer_profiles', 'segmentation_runs', 'segment_definitions',
            'segment_counts', 'current_profiles', 'api_keys') AND obj_description(oid) IS NULL
        """,
    )
    assert rows == []


def test_default_privileges_for_reading_measures_do_not_include_the_keys(database_url: str) -> None:
    with postgres.connect(database_url) as connection:
        role = "r" + connection.info.dbname
        connection.execute(f"CREATE ROLE {role}".encode())
        try:
            grant = f"ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {role}, PUBLIC"
            connection.execute(grant.encode())
            migrate.upgrade(connection)
            tables = "('segment_counts'), ('api_keys')"
            may = connection.execute(
                f"SELECT has_table_privilege(%s, name, 'SELECT') FROM (VALUES {tables}) t (name)",
                [role],
            ).fetchall()
            assert may == [(True,), (False,)]
        finally:
            connection.execute(f"DROP OWNED BY {role}; DROP ROLE {role}".encode())


def test_tables_go_into_the_current_schema(database: Connection, database_url: str) -> None:
    database.execute("CREATE SCHEMA shop")
    url = database_url + "&options=-csearch_path%3Dshop,public"
    assert migrate.upgrade(url).current is None
    with postgres.connect(url) as connection:
        found = postgres.fetch_one(connection, "SELECT to_regclass('shop.customer_profiles')::oid")
        assert found != (None,)


def test_a_version_table_of_the_shops_own_alembic_is_left_alone(database_url: str) -> None:
    with postgres.connect(database_url) as connection:
        connection.execute("CREATE TABLE alembic_version AS SELECT 'theirs' AS version_num")
        migrate.upgrade(connection)
        found = connection.execute("SELECT version_num FROM alembic_version").fetchall()
        assert found == [("theirs",)]


def test_a_role_that_may_not_create_tables_sees_the_grant_it_needs(database_url: str) -> None:
    with postgres.connect(database_url) as connection:
        role = "r" + connection.info.dbname
        connection.execute(f"CREATE ROLE {role}".encode())
        try:
            connection.execute(f"SET ROLE {role}".encode())
            grant = f"GRANT CREATE ON SCHEMA public TO {role};"
            with pytest.raises(DatabaseError, match=grant):
                migrate.upgrade(connection)
        finally:
            connection.execute(f"RESET ROLE; DROP ROLE {role}".encode())


def test_a_search_path_without_a_schema_is_reported(database_url: str) -> None:
    with pytest.raises(DatabaseError, match="No schema of the search_path"):
        migrate.upgrade(database_url + "&options=-csearch_path%3Dnowhere")


def test_tables_of_a_newer_segpipe_are_an_error(database: Connection) -> None:
    database.execute("UPDATE segpipe_schema_version SET version_num = '9999'")
    with pytest.raises(DatabaseError, match="Install the newer segpipe"):
        migrate.upgrade(database)


def _as_before_the_outlook(database: Connection, kept: Sequence[str]) -> None:
    """The tables as the revision before left them, with what is in them."""
    _without_decisions(database, kept)
    database.execute("DROP VIEW current_profiles")
    for table in ("customer_profiles", *kept):
        database.execute(f"ALTER TABLE {table} DROP COLUMN expected_value_90d".encode())
        database.execute(f"UPDATE {table} SET churn_risk_score = 0.5".encode())
        column = f"ALTER TABLE {table} ALTER COLUMN churn_risk_score"
        database.execute(f"{column} SET DEFAULT 0".encode())
        if "undo" not in table:
            database.execute(f"{column} SET NOT NULL".encode())
    _create_view(database)
    database.execute("UPDATE segpipe_schema_version SET version_num = '0005'")


def _create_view(database: Connection) -> None:
    database.execute(
        "CREATE VIEW current_profiles AS"
        " SELECT p.* FROM customer_profiles AS p WHERE p.absent_since_run_id IS NULL"
    )


def _without_decisions(database: Connection, kept: Sequence[str] = ()) -> None:
    """The tables as revision 0006 left them, with what is in them."""
    database.execute("ALTER TABLE segmentation_runs DROP COLUMN axis_decisions")
    database.execute("ALTER TABLE segment_definitions DROP COLUMN holds_for")
    database.execute("DROP VIEW current_profiles")
    for table in ("customer_profiles", *kept):
        database.execute(f"ALTER TABLE {table} DROP COLUMN rfm_score".encode())
    _create_view(database)
    database.execute("UPDATE segpipe_schema_version SET version_num = '0006'")


def _kept_tables(database: Connection) -> list[str]:
    """Tables of profiles with which earlier runs can be put back."""
    rows = database.execute(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND NOT relispartition"
        " AND relname LIKE 'customer_profiles_%' ORDER BY 1"
    ).fetchall()
    assert rows
    return [name for (name,) in rows]


def test_profiles_of_an_earlier_version_are_upgraded_and_its_runs_can_be_put_back(
    database: Connection,
) -> None:
    shop = Shop(database)
    for n_customers in (1, 2, 3):
        shop.publish({f"c{number}": Customer() for number in range(n_customers)}, MARCH)
    kept = _kept_tables(database)
    _as_before_the_outlook(database, kept)
    assert migrate.status(database).current == "0005"
    migrate.upgrade(database)
    found = database.execute(
        "SELECT customer_id, churn_risk_score, expected_value_90d FROM current_profiles ORDER BY 1"
    ).fetchall()
    assert found == [("c0", 0.5, None), ("c1", 0.5, None), ("c2", 0.5, None)]
    assert rollback(database, "default").current_run_id == 2
    assert rollback(database, "default").current_run_id == 1
    shop.publish({"c0": Customer(), "new": Customer()}, MARCH)
    assert postgres.fetch_one(database, "SELECT count(*) FROM current_profiles") == (2,)


def test_earlier_runs_have_no_decisions_and_nothing_of_how_far_names_hold(
    database: Connection,
) -> None:
    Shop(database).publish({"c0": Customer()}, MARCH)
    database.execute(
        "INSERT INTO segment_definitions (store_id, run_id, axis, segment_id, segment, kind,"
        " description, n_customers, share,"
        " lifetime_value) VALUES ('default', 1, 'a', 1, 'b', 'segment', '', 1, 1, 0)"
    )
    _without_decisions(database)
    migrate.upgrade(database)
    runs = database.execute("SELECT axis_decisions FROM segmentation_runs").fetchall()
    definitions = database.execute("SELECT holds_for FROM segment_definitions").fetchall()
    assert (runs, definitions) == ([({},)], [(None,)])
    Shop(database).publish({"c0": Customer()}, MARCH)


def test_profiles_without_scores_are_upgraded_and_are_not_written_again(
    database: Connection,
) -> None:
    shop = Shop(database)
    for n_customers in (1, 2, 3):  # by a swap, and then in place, with an undo table
        customers = {f"c{number}": Customer() for number in range(n_customers)}
        shop.publish(customers, MARCH, is_repeated=n_customers == 3)
    kept = _kept_tables(database)
    assert [name.endswith("_undo") for name in kept] == [False, True]
    _without_decisions(database, kept)
    migrate.upgrade(database)
    scores = database.execute("SELECT customer_id, rfm_score FROM current_profiles ORDER BY 1")
    assert scores.fetchall() == [("c0", None), ("c1", None), ("c2", None)]
    assert rollback(database, "default").current_run_id == 2
    assert rollback(database, "default").current_run_id == 1
    shop.publish({"c0": Customer(), "new": Customer(rfm_score="543")}, MARCH)
    before = database.execute("SELECT run_id FROM current_profiles ORDER BY customer_id").fetchall()
    shop.publish({"c0": Customer(), "new": Customer(rfm_score="542")}, MARCH, is_repeated=True)
    found = database.execute(
        "SELECT run_id, rfm_score FROM current_profiles ORDER BY customer_id"
    ).fetchall()
    assert found[0] == (*before[0], None)
    assert found[1] != (*before[1], "543")
    assert found[1][1] == "542"
