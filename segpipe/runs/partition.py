"""A store's next partition: made beside the table, given its indexes, swapped in at the end.

Takes the publishing transaction's connection; a rollback of the transaction undoes every step.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tenacity import retry_if_exception_type, stop_before_delay

from segpipe.core.backoff import backoff
from segpipe.core.errors import DatabaseError
from segpipe.core.schema import DOMINANT_COLUMN, PROFILE_COLUMNS
from segpipe.postgres import Connection, DeadlockError, LockTimeoutError, column_list, sql
from segpipe.runs.profiles_table import ProfilesTable, StoreTable, table_of

_IDENTIFIER = r'(?:"(?:[^"]|"")*"|[^\s".]+)'
_AXES_AN_INDEX = 4  # few combinations, which btree keeps once each: docs/decisions/0007
_INDEX_DEFINITION = re.compile(
    rf"CREATE (UNIQUE )?INDEX {_IDENTIFIER} ON (?:ONLY )?{_IDENTIFIER}(?:\.{_IDENTIFIER})?"
    " (USING .*)",
    re.DOTALL,
)


@dataclass(frozen=True)
class PartitionSwap:
    """The new partition takes the place of the old one, None at a store's first publication."""

    parent: ProfilesTable
    store_id: str
    old: StoreTable | None
    new: StoreTable


def create_partition(
    connection: Connection, parent: ProfilesTable, store_id: str, run_id: int
) -> StoreTable:
    """New table for the run's profiles; with the check on store_id, attaching scans no rows."""
    new = table_of(parent, "customer_profiles", store_id, run_id)
    # A row has some 2 KB, where PostgreSQL begins to compress; that costs more than it saves.
    # Runs that update in place every hour leave dead rows: vacuum before they are a fifth.
    statement = sql.SQL(
        "CREATE TABLE {} ({}, CHECK (store_id = {}))"
        " WITH (toast_tuple_target = 4080, autovacuum_vacuum_scale_factor = 0.05)"
    ).format(new.identifier, sql.SQL(_as_template(parent.columns)), sql.Literal(store_id))
    connection.execute(statement)
    return new


def drop_copied_expression(connection: Connection, new: StoreTable) -> None:
    """Make dominant_segments a column like the others, once the rows are in.

    While they are sent the server copies it from segment_memberships, the same for hard clustering:
    parsing a document is what takes time in COPY.
    """
    statement = sql.SQL("ALTER TABLE {} ALTER COLUMN {} DROP EXPRESSION")
    connection.execute(statement.format(new.identifier, sql.Identifier(DOMINANT_COLUMN)))


def build_indexes(
    connection: Connection, parent: ProfilesTable, new: StoreTable, axes: Sequence[str]
) -> None:
    """Give the partition the indexes of the parent, its users' own included.

    And those for `segment_memberships->>'axis' = …`, which GIN does not serve. The parent lacks
    these, since another store may have other axes.
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
    # The scalar columns only: jsonb takes five times as long, and autovacuum comes soon.
    documents = ("segment_", "dominant_", "member", "previous_")
    scalars = [name for name in PROFILE_COLUMNS if not name.startswith(documents)]
    connection.execute("SET LOCAL default_statistics_target = 20")  # autovacuum takes more samples
    connection.execute(sql.SQL("ANALYZE {} ({})").format(new.identifier, column_list(scalars)))


def swap(connection: Connection, change: PartitionSwap, patience_seconds: float) -> None:
    """Put the new partition in the old one's place; waits for readers a second at a time.

    Sessions that arrive while we wait queue behind us, so we wait briefly, many times. Raises
    DatabaseError if readers still hold the table after `patience_seconds`.
    """
    in_the_way = (LockTimeoutError, DeadlockError)
    attempting = backoff(
        retry=retry_if_exception_type(in_the_way),
        stop=stop_before_delay(patience_seconds),
        first_seconds=0.1,
        longest_seconds=2,
    )
    try:
        attempting(_try_swap, connection, change)
    except in_the_way:
        raise DatabaseError(
            "Other sessions have kept customer_profiles locked for"
            f" {patience_seconds:.0f} seconds, so the run was not published; the last results stay"
            " live. End their transactions and run it again."
        ) from None  # a lock as the cause would be tried again, and that has been done


def _try_swap(connection: Connection, change: PartitionSwap) -> None:
    parent, store = change.parent.name, sql.Literal(change.store_id)
    with connection.transaction():
        connection.execute("SET LOCAL lock_timeout = '1s'")
        if change.old:
            detach = sql.SQL("ALTER TABLE {} DETACH PARTITION {}")
            connection.execute(detach.format(parent, change.old.identifier))
        attach = sql.SQL("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES IN ({})")
        connection.execute(attach.format(parent, change.new.identifier, store))


def _index_statement(new: StoreTable, definition: str, constraint: str | None) -> Any:  # noqa: ANN401 - psycopg's Composed
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
