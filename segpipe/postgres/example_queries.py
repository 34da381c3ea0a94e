"""The example queries of `sql/queries/`: takes a name, gives its SQL or its rows.

A `:name` in a query stands for a parameter, as in psql, and is bound, never pasted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from segpipe import postgres
from segpipe.core.errors import InputError
from segpipe.core.resources import resource
from segpipe.core.suggestions import did_you_mean
from segpipe.postgres.connection import Connection

# Strings, quoted names, comments and a cast's double colon match first, and stay as they are.
_TOKEN = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|--[^\n]*|::|:(?P<name>[a-z_][a-z_0-9]*)")


@dataclass(frozen=True)
class Query:
    """One example: the question it answers, its SQL, and the parameters it needs."""

    name: str
    question: str
    sql: str
    parameters: tuple[str, ...]


@dataclass(frozen=True)
class QueryResult:
    """Rows of a query, and whether there were more than were asked for."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    has_more: bool


def list_queries() -> tuple[Query, ...]:
    """All examples by name."""
    paths = sorted(resource("sql", "queries").glob("*.sql"))
    return tuple(read_query(path.stem) for path in paths)


def read_query(name: str) -> Query:
    """Example of that name. Raises InputError, with the names that are near."""
    known = sorted(path.stem for path in resource("sql", "queries").glob("*.sql"))
    if name not in known:
        raise InputError(f"There is no query {name!r}. {did_you_mean(name, known)}")
    text = resource("sql", "queries", f"{name}.sql").read_text(encoding="utf-8")
    comment, _, body = text.partition("\n")
    names = [match["name"] for match in _TOKEN.finditer(body) if match["name"]]
    question = comment.removeprefix("--").strip()
    return Query(name, question, body.strip(), tuple(dict.fromkeys(names)))


def run_query(
    connection: Connection,
    name: str,
    parameters: Mapping[str, str] | None = None,
    limit: int | None = None,
) -> QueryResult:
    """Rows of the example, at most `limit`.

    Raises InputError for a parameter that is missing or not one of the query's.
    """
    query = read_query(name)
    given = dict(parameters or {})
    if set(given) != set(query.parameters):
        wanted = ", ".join(query.parameters) or "none"
        found = ", ".join(given) or "none"
        raise InputError(f"The query {name} takes these parameters: {wanted}; found: {found}.")
    with postgres.plain_errors(), connection.cursor() as cursor:
        cursor.execute(bound(query.sql).encode(), given)
        columns = tuple(column.name for column in cursor.description or ())
        rows = cursor.fetchall() if limit is None else cursor.fetchmany(limit)
        return QueryResult(columns, rows, has_more=cursor.rowcount > len(rows))


def bound(text: str) -> str:
    """SQL with psycopg's placeholders for `:name`, and `%` as it is."""
    doubled = text.replace("%", "%%")
    return _TOKEN.sub(lambda match: f"%({match['name']})s" if match["name"] else match[0], doubled)
