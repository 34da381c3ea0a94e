"""customer_profiles as it is in this database, and tables of one store beside it.

Takes a connection; reads the catalog, which takes no lock on the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import md5

from segpipe.core.schema import DOMINANT_COLUMN, MEMBERSHIPS_COLUMN, PROFILE_COLUMNS
from segpipe.postgres import Connection, column_list, fetch_one, sql, upsert_from

PROFILE_KEY = ("store_id", "customer_id")


@dataclass(frozen=True)
class ProfilesTable:
    """customer_profiles, with what its users have added."""

    oid: int
    name: sql.Identifier
    schema: str
    schema_oid: int
    columns: str  # definitions for CREATE TABLE; see `partition.drop_copied_expression`
    has_own_columns: bool
    is_referenced: bool  # by a foreign key

    @property
    def must_stay(self) -> bool:
        """Whether no other table can take the place of a partition."""
        return self.is_referenced or self.has_own_columns


@dataclass(frozen=True)
class StoreTable:
    """A table of one store: its partition of customer_profiles, or one that a run made."""

    schema: str
    name: str

    @property
    def identifier(self) -> sql.Identifier:
        """Name with its schema, quoted."""
        return sql.Identifier(self.schema, self.name)


def find_parent(connection: Connection) -> ProfilesTable:
    """customer_profiles of the search path.

    CREATE TABLE … LIKE would keep a lock on it to the end, and two stores that publish at the same
    time would wait for each other.
    """
    row = connection.execute(
        """
        SELECT c.oid, n.nspname, n.oid, c.relname,
            (SELECT string_agg(concat_ws(' ',
                    quote_ident(attname), format_type(atttypid, atttypmod),
                    CASE WHEN attcollation <> typcollation
                        THEN 'COLLATE ' || attcollation::regcollation END,
                    CASE WHEN attname = %(copied)s
                        THEN 'GENERATED ALWAYS AS (' || %(original)s || ') STORED'
                    WHEN attgenerated <> ''
                        THEN 'GENERATED ALWAYS AS (' || pg_get_expr(adbin, adrelid) || ') STORED'
                        ELSE 'DEFAULT ' || pg_get_expr(adbin, adrelid) END,
                    CASE WHEN attnotnull THEN 'NOT NULL' END), ', ' ORDER BY attnum)
                FROM pg_attribute JOIN pg_type ON pg_type.oid = atttypid
                LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
                WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped)
            || (SELECT coalesce(string_agg(format(', CONSTRAINT %%I %%s', conname,
                    pg_get_constraintdef(oid)), ''), '')
                FROM pg_constraint WHERE conrelid = c.oid AND contype = 'c'),
            EXISTS (SELECT FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0
                AND NOT attisdropped AND attname <> ALL(%(columns)s)),
            EXISTS (SELECT FROM pg_constraint WHERE confrelid = c.oid AND contype = 'f')
        FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE c.oid = 'customer_profiles'::regclass
        """,
        {
            "columns": list(PROFILE_COLUMNS),
            "copied": DOMINANT_COLUMN,
            "original": MEMBERSHIPS_COLUMN,
        },
    ).fetchone()
    assert row is not None  # noqa: S101 - regclass has raised for a missing table
    oid, schema, schema_oid, name, columns, has_own_columns, is_referenced = row
    return ProfilesTable(
        oid,
        sql.Identifier(schema, name),
        schema,
        schema_oid,
        columns,
        has_own_columns,
        is_referenced,
    )


def profiles_schema(connection: Connection) -> str:
    """Schema of customer_profiles, and with it of the tables of its runs."""
    query = """
        SELECT nspname FROM pg_class JOIN pg_namespace AS n ON n.oid = relnamespace
        WHERE pg_class.oid = 'customer_profiles'::regclass
    """
    return str(fetch_one(connection, query)[0])


def find_partition(
    connection: Connection, parent: ProfilesTable, store_id: str
) -> StoreTable | None:
    """The store's partition; None before its first publication."""
    bound = "FOR VALUES IN ('" + store_id.replace("'", "''") + "')"
    row = connection.execute(
        """
        SELECT n.nspname, c.relname
        FROM pg_inherits JOIN pg_class AS c ON c.oid = inhrelid
        JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE inhparent = %s AND pg_get_expr(c.relpartbound, c.oid) = %s
        """,
        [parent.oid, bound],
    ).fetchone()
    return StoreTable(row[0], row[1]) if row else None


def table_of(
    parent: ProfilesTable, kind: str, store_id: str, run_id: int, suffix: str = ""
) -> StoreTable:
    """Table of a run: customer_profiles or customer_measures; suffix is _undo, _staged or none."""
    store_hash = md5(store_id.encode(), usedforsecurity=False).hexdigest()[:10]
    return StoreTable(parent.schema, f"{kind}_{store_hash}_r{run_id}{suffix}")


def put_rows(connection: Connection, parent: ProfilesTable, rows: StoreTable) -> None:
    """Upsert the rows of a table into customer_profiles; columns of its users stay as they are."""
    select = sql.SQL("SELECT {} FROM {} WHERE segment_memberships IS NOT NULL").format(
        column_list(PROFILE_COLUMNS), rows.identifier
    )
    connection.execute(upsert_from(parent.name, PROFILE_COLUMNS, PROFILE_KEY, select))
