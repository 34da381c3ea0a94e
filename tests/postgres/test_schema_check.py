"""Names that are taken, and tables altered by hand: reported at the start, nothing changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from segpipe import postgres
from segpipe.core.errors import DatabaseError
from segpipe.postgres import Connection, migrate, schema_check
from segpipe.postgres.database import open_store
from tests.support.commands import FEW_KS, call, profiles, shop_lines, write_shop

COLUMNS = """
    SELECT relname, attname, format_type(atttypid, atttypmod)
    FROM pg_class AS c JOIN pg_attribute ON attrelid = c.oid
    WHERE relkind IN ('r', 'p') AND relnamespace = current_schema()::regnamespace
        AND attnum > 0 AND NOT attisdropped AND relname <> 'segpipe_schema_version'
"""
NO_VIEW = "DROP VIEW current_profiles"  # which holds on to the columns that it shows
RELATIONS = "SELECT relname, relkind FROM pg_class WHERE relnamespace = 'public'::regnamespace"


def test_the_list_of_columns_is_what_the_migrations_make(database: Connection) -> None:
    """A migration that adds or changes a column brings its line in sql/schema/columns.csv."""
    assert sorted(schema_check.expected_columns()) == sorted(database.execute(COLUMNS).fetchall())


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        (
            "CREATE TABLE customer_profiles (id integer, email text)",
            ("a table customer_profiles", "the columns id integer, email text", "ALTER TABLE"),
        ),
        (
            "CREATE TABLE customer_profiles (store_id text) PARTITION BY LIST (store_id)",
            ("a table customer_profiles", "store_id text"),
        ),
        (
            "CREATE VIEW customer_profiles AS SELECT 1 AS id",
            ("a view customer_profiles", "ALTER VIEW public.customer_profiles RENAME"),
        ),
        (
            "CREATE MATERIALIZED VIEW customer_profiles AS SELECT 1 AS id",
            ("a materialized view customer_profiles", "ALTER MATERIALIZED VIEW"),
        ),
        ("CREATE TABLE segmentation_runs (id integer)", ("a table segmentation_runs",)),
        ("CREATE VIEW current_profiles AS SELECT 1 AS id", ("a view current_profiles",)),
        ("CREATE SEQUENCE segment_counts", ("a sequence segment_counts",)),
        (
            "CREATE TABLE mine (a int); CREATE INDEX customer_profiles_customer_id ON mine (a)",
            ("an index customer_profiles_customer_id",),
        ),
    ],
)
def test_a_taken_name_is_reported_with_its_kind_and_owner(
    database_url: str, statement: str, found: tuple[str, ...]
) -> None:
    with postgres.connect(database_url) as connection:
        connection.execute(statement.encode())
        before = sorted(connection.execute(RELATIONS).fetchall())
        with pytest.raises(DatabaseError, match="that segpipe has not made") as caught:
            migrate.upgrade(connection)
        assert all(part in str(caught.value) for part in (*found, "belongs to postgres"))
        assert "\n" not in str(caught.value)
        assert sorted(connection.execute(RELATIONS).fetchall()) == before


def test_a_taken_name_fails_a_run_at_once_and_another_schema_helps(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, database_url: str
) -> None:
    with postgres.connect(database_url) as connection:
        connection.execute("CREATE TABLE customer_profiles AS SELECT 7 AS id")
        connection.execute("CREATE SCHEMA segments")
    path = write_shop(tmp_path / "shop.csv", shop_lines(40))
    command = ("run", "--csv-path", path, "--quiet", *FEW_KS, "--database-url")
    outcome = call(capsys, *command, database_url)
    assert outcome.status == 2
    assert "RENAME TO customer_profiles_old" in outcome.err
    assert len(outcome.err.splitlines()) == 1
    with postgres.connect(database_url) as connection:
        assert connection.execute("SELECT * FROM customer_profiles").fetchall() == [(7,)]
    elsewhere = database_url + "&options=-csearch_path%3Dsegments,public"
    assert call(capsys, *command, elsewhere).status == 0
    assert len(profiles(elsewhere)) == 40


def test_an_upgrade_checks_the_names_of_new_tables_only(database: Connection) -> None:
    script = "CREATE TABLE newcomer (a int);\nCREATE OR REPLACE VIEW current_profiles AS SELECT 1;"
    schema_check.check_names_free(database, script)
    database.execute("CREATE TABLE newcomer (a text)")
    with pytest.raises(DatabaseError, match="a table newcomer"):
        schema_check.check_names_free(database, script)


@pytest.mark.parametrize(
    ("alteration", "found"),
    [
        (
            "ALTER TABLE customer_profiles DROP COLUMN churn_risk_score CASCADE",
            "lacks the column churn_risk_score (expected double precision)",
        ),
        (
            f"{NO_VIEW}; ALTER TABLE customer_profiles ALTER COLUMN total_orders TYPE text",
            "the column customer_profiles.total_orders is text (expected integer)",
        ),
        (
            "ALTER TABLE segmentation_runs DROP COLUMN model",
            "segmentation_runs lacks the column model",
        ),
        (
            "ALTER TABLE segment_counts DROP COLUMN lifetime_value",
            "segment_counts lacks the column lifetime_value",
        ),
        (
            "ALTER TABLE customer_profiles DROP CONSTRAINT customer_profiles_pkey",
            "has no primary key (expected PRIMARY KEY (store_id, customer_id))",
        ),
        (
            "ALTER TABLE customer_profiles ADD COLUMN agent text NOT NULL",
            "your column customer_profiles.agent is NOT NULL and has no default",
        ),
    ],
)
def test_an_alteration_is_reported_before_the_run_with_its_correction(
    database_url: str, alteration: str, found: str
) -> None:
    with open_store(database_url) as store:
        store.execute(alteration.encode())
    with pytest.raises(DatabaseError, match="altered by hand") as caught, open_store(database_url):
        pass
    assert found in str(caught.value)
    assert "\n" not in str(caught.value)
    cure = str(caught.value).partition("Put it right with: ")[2].partition(" Or take")[0]
    with postgres.connect(database_url) as connection:
        connection.execute(cure.encode())
        schema_check.check_tables_unaltered(connection)


@pytest.mark.parametrize(
    ("alteration", "found"),
    [
        ("DROP TABLE segment_transitions", "the table segment_transitions is missing"),
        (
            f"{NO_VIEW}; DROP TABLE customer_profiles; CREATE TABLE customer_profiles (a int)",
            "customer_profiles is not partitioned (expected LIST (store_id))",
        ),
    ],
)
def test_a_missing_or_recreated_table_is_reported(
    database: Connection, alteration: str, found: str
) -> None:
    database.execute(alteration.encode())
    with pytest.raises(DatabaseError, match="altered by hand") as caught:
        schema_check.check_tables_unaltered(database)
    assert found in str(caught.value)


def test_added_columns_and_wider_types_are_fine(database: Connection) -> None:
    database.execute(
        "DROP VIEW current_profiles; ALTER TABLE customer_profiles ADD COLUMN agent text,"
        " ADD COLUMN region text NOT NULL DEFAULT 'north',"
        " ALTER COLUMN customer_id TYPE text, ALTER COLUMN total_orders TYPE bigint;"
        "ALTER TABLE segment_counts ALTER COLUMN store_id TYPE varchar(200)"
    )
    schema_check.check_tables_unaltered(database)


def test_many_alterations_are_reported_in_one_message(database: Connection) -> None:
    database.execute("ALTER TABLE segment_definitions RENAME COLUMN share TO part")
    database.execute("ALTER TABLE segment_counts DROP COLUMN axis, DROP COLUMN segment CASCADE")
    with pytest.raises(DatabaseError, match=r"segment_definitions lacks .*; segment_counts lacks"):
        schema_check.check_tables_unaltered(database)
