"""A store's next partition: made beside the table, given its indexes, swapped in at the end.

Takes the publishing transaction's connection; every step is undone by its rollback.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import md5
from typing import Any

from segpipe.core.errors import DatabaseError
from segpipe.core.schema import DOMINANT_COLUMN, MEMBERSHIPS_COLUMN, PROFILE_COLUMNS
from segpipe.postgres import (
    Connection,
    DeadlockError,
    LockTimeoutError,
    sql,
)

_IDENTIFIER = r'(?:"(?:[^"]|"")*"|[^\s".]+)'
_AXES_AN_INDEX = 4  # few combinations, which btree keeps once each: docs/decisions/0007
_INDEX_DEFINITION = re.compile(
    rf"CREATE (UNIQUE )?INDEX {_IDENTIFIER} ON (?:ONLY )?{_IDENTIFIER}(?:\.{_IDENTIFIER})?"
    " (USING .*)",
    re.DOTALL,
)


@dataclass(frozen=True)
class ProfilesTable:
    """customer_profiles as it is in this database, with what its users have added."""

    oid: int
    name: sql.Identifier
    schema: str
    schema_oid: int
    columns: str  # their definitions, as CREATE TABLE takes them; see `drop_copied_expression`
    has_own_columns: bool
    is_referenced: bool  # by a foreign key

    @property
    def must_stay(self) -> bool:
        """Whether no other table can take the place of a partition."""
        return self.is_referenced or self.has_own_columns


@dataclass(frozen=True)
class Partition:
    """A table that holds the profiles of one store."""

    schema: str
    name: str

    @property
    def identifier(self) -> sql.Identifier:
        """Name with its schema, quoted."""
        return sql.Identifier(self.schema, self.name)


@dataclass(frozen=True)
class PartitionSwap:
    """What takes whose place: `old` is None at a store's first publication."""

    parent: ProfilesTable
    store_id: str
    old: Partition | None
    new: Partition


def find_parent(connection: Connection) -> ProfilesTable:
    """customer_profiles of the search path, read from the catalog, which takes no lock on it.

    CREATE TABLE … LIKE would keep one to the end, and two stores publishing at once would wait
    for each other.
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
    assert row is not None  # noqa: S101 - a missing table has been refused by regclass
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


def find_partition(
    connection: Connection, parent: ProfilesTable, store_id: str
) -> Partition | None:
    """Partition of the store that is in force."""
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
    return Partition(row[0], row[1]) if row else None


def table_of(
    parent: ProfilesTable, kind: str, store_id: str, run_id: int, more: str = ""
) -> Partition:
    """Table of a run: customer_profiles or customer_measures, `more` being _undo or _staged."""
    store_hash = md5(store_id.encode(), usedforsecurity=False).hexdigest()[:10]
    return Partition(parent.schema, f"{kind}_{store_hash}_r{run_id}{more}")


def create_partition(
    connection: Connection, parent: ProfilesTable, store_id: str, run_id: int
) -> Partition:
    """New table for the run's profiles; its check on store_id spares the attach a scan."""
    new = table_of(parent, "customer_profiles", store_id, run_id)
    # A row has some 2 KB, where PostgreSQL begins to compress; that costs more than it saves.
    # Runs that update in place every hour leave dead rows: a fifth of them is too late to vacuum.
    statement = sql.SQL(
        "CREATE TABLE {} ({}, CHECK (store_id = {}))"
        " WITH (toast_tuple_target = 4080, autovacuum_vacuum_scale_factor = 0.05)"
    ).format(new.identifier, sql.SQL(_as_template(parent.columns)), sql.Literal(store_id))
    connection.execute(statement)
    return new


def drop_copied_expression(connection: Connection, new: Partition) -> None:
    """Make dominant_segments a column like the others, once the rows are in.

    While they are sent the server copies it from segment_memberships, the same for hard clustering:
    to parse a document is what takes time in COPY.
    """
    statement = sql.SQL("ALTER TABLE {} ALTER COLUMN {} DROP EXPRESSION")
    connection.execute(statement.format(new.identifier, sql.Identifier(DOMINANT_COLUMN)))


def build_indexes(
    connection: Connection, parent: ProfilesTable, new: Partition, axes: Sequence[str]
) -> None:
    """Give the partition whatever indexes the parent has, its users' own included.

    And those that serve `segment_memberships->>'axis' = …`, which GIN cannot: not the parent's,
    since another store may have other axes.
    """
    rows = connection.execute(
        """
        SELECT pg_get_indexdef(indexrelid), pg_get_constraintdef(con.oid)
        FROM pg_index LEFT JOIN pg_constraint AS con
            ON conindid = indexrelid AND contype IN ('p', 'u', 'x') AND conrelid = indrelid
        WHERE indrelid = %s AND indisvalid ORDER BY indisprimary DESC, indexrelid
        """,
        [parent.oid],
    ).fetchall()
    for definition, constraint in rows:
        connection.execute(_index_statement(new, definition, constraint))
    for start in range(0, len(axes), _AXES_AN_INDEX):
        some = axes[start : start + _AXES_AN_INDEX]
        keys = [sql.SQL("(segment_memberships->>{})").format(sql.Literal(axis)) for axis in some]
        connection.execute(
            sql.SQL("CREATE INDEX ON {} ({})").format(new.identifier, sql.SQL(", ").join(keys))
        )
    # The scalar columns only: those of jsonb cost five times more, and autovacuum comes soon.
    documents = ("segment_", "dominant_", "member", "previous_")
    scalars = [name for name in PROFILE_COLUMNS if not name.startswith(documents)]
    connection.execute("SET LOCAL default_statistics_target = 20")  # autovacuum will look closer
    connection.execute(
        sql.SQL("ANALYZE {} ({})").format(
            new.identifier, sql.SQL(", ").join(map(sql.Identifier, scalars))
        )
    )


def swap(connection: Connection, exchange: PartitionSwap, patience_seconds: float) -> None:
    """Put the new partition in the old one's place; waits for readers a second at a time.

    Whoever comes while the lock is awaited queues behind it, hence many short waits and not a
    long one. Raises DatabaseError when readers have not let go after `patience_seconds`.
    """
    deadline = time.monotonic() + patience_seconds
    pause = 0.1
    while not _try_exchange(connection, exchange):
        if time.monotonic() + pause > deadline:
            raise DatabaseError(
                "Other sessions have kept customer_profiles locked for"
                f" {patience_seconds:.0f} seconds, so the run was not published and the"
                " previous one stays in force. End their transactions and run it again."
            ) from None  # it has been tried long enough: no cause that asks for another attempt
        time.sleep(pause)
        pause = min(pause * 2, 2.0)


def _try_exchange(connection: Connection, exchange: PartitionSwap) -> bool:
    try:
        with connection.transaction():
            connection.execute("SET LOCAL lock_timeout = '1s'")
            _exchange(connection, exchange)
    except (LockTimeoutError, DeadlockError):
        return False
    return True


def _exchange(connection: Connection, exchange: PartitionSwap) -> None:
    parent, store = exchange.parent.name, sql.Literal(exchange.store_id)
    if exchange.old:
        detach = sql.SQL("ALTER TABLE {} DETACH PARTITION {}")
        connection.execute(detach.format(parent, exchange.old.identifier))
    attach = sql.SQL("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES IN ({})")
    connection.execute(attach.format(parent, exchange.new.identifier, store))


def _index_statement(new: Partition, definition: str, constraint: str | None) -> Any:  # noqa: ANN401 - psycopg's Composed
    if constraint:
        return sql.SQL("ALTER TABLE {} ADD {}").format(
            new.identifier, sql.SQL(_as_template(constraint))
        )
    parts = _INDEX_DEFINITION.fullmatch(definition)
    if not parts:
        raise DatabaseError(f"An index of customer_profiles cannot be rebuilt: {definition}.")
    return sql.SQL("CREATE {}INDEX ON {} {}").format(
        sql.SQL(parts[1] or ""), new.identifier, sql.SQL(_as_template(parts[2]))
    )


def _as_template(text: str) -> Any:  # noqa: ANN401 - str of the catalog, where LiteralString is asked
    """SQL that the server itself has written, which needs no quoting."""
    return text
