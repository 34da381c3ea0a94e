"""Statements that several packages need: rows by column, lists of columns, inserts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from psycopg import sql
from psycopg.rows import dict_row

from segpipe.postgres.connection import Connection


def fetch_dicts(
    connection: Connection,
    query: str,
    parameters: Sequence[Any] | Mapping[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """Rows of a query as column → value."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query.encode(), parameters).fetchall()


def fetch_one(
    connection: Connection, query: str, parameters: Sequence[Any] | None = None
) -> tuple[Any, ...]:
    """Row of a query that always has one, such as INSERT … RETURNING or an aggregate."""
    row = connection.execute(query.encode(), parameters).fetchone()
    assert row is not None  # noqa: S101 - by the query's nature
    return row


def column_list(names: Iterable[str]) -> sql.Composed:
    """The names, quoted, with commas between them."""
    return sql.SQL(", ").join(map(sql.Identifier, names))


def insert_rows(
    connection: Connection, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """Add the rows to the table, their values in the order of the columns."""
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
        sql.Identifier(table),
        column_list(columns),
        sql.SQL(", ").join([sql.Placeholder()] * len(columns)),
    )
    with connection.cursor() as cursor:
        cursor.executemany(statement, rows)


def upsert_from(
    table: sql.Identifier, columns: Sequence[str], keys: Sequence[str], rows: sql.Composable
) -> sql.Composed:
    """INSERT of `rows`, VALUES or a SELECT, that replaces the rows with the same keys.

    Other columns of the table, which its users have added, stay as they are.
    """
    changed = [
        sql.SQL("{0} = EXCLUDED.{0}").format(sql.Identifier(name))
        for name in columns
        if name not in keys
    ]
    return sql.SQL(
        "INSERT INTO {table} ({columns}) {rows} ON CONFLICT ({keys}) DO UPDATE SET {changed}"
    ).format(
        table=table,
        columns=column_list(columns),
        rows=rows,
        keys=column_list(keys),
        changed=sql.SQL(", ").join(changed),
    )
