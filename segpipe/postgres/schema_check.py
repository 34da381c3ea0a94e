"""Checks that the tables are as segpipe made them.

Before they are made, a name may be taken; later, somebody may have changed a column. Both are
reported at the start of a run and not after minutes. `sql/schema/columns.csv` has what is expected.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from segpipe.core.errors import DatabaseError
from segpipe.core.resources import resource
from segpipe.postgres.connection import Connection
from segpipe.postgres.errors import plain_errors
from segpipe.postgres.statements import fetch_dicts

_CREATED = re.compile(r"^CREATE (?:TABLE|VIEW|(?:UNIQUE )?INDEX) (\w+)", re.MULTILINE)
_KINDS = {
    "r": "table",
    "p": "table",
    "f": "foreign table",
    "v": "view",
    "m": "materialized view",
    "i": "index",
    "I": "index",
    "S": "sequence",
}
_PROFILES = "customer_profiles"
_PARTITIONED = "LIST (store_id)"
_KEY = "PRIMARY KEY (store_id, customer_id)"
_COLUMNS = 5  # columns or problems named in a message; the rest is counted


@dataclass(frozen=True)
class Problem:
    """What is wrong with a table, and the statement that puts it right."""

    found: str
    cure: str


def expected_columns() -> list[tuple[str, str, str]]:
    """Table, column and type of every column that segpipe has made."""
    with resource("sql", "schema", "columns.csv").open(encoding="utf-8", newline="") as file:
        return [(row["table"], row["column"], row["type"]) for row in csv.DictReader(file)]


def check_names_free(connection: Connection, script: str) -> None:
    """Raise DatabaseError if somebody else's relation has a name that the script would create."""
    rows = fetch_dicts(
        connection,
        """
        SELECT relname AS name, relkind AS kind, pg_get_userbyid(relowner) AS owner,
            current_schema() AS schema, quote_ident(current_user) AS role,
            format('%%I.%%I', current_schema(), relname) AS place,
            ARRAY(
                SELECT concat(quote_ident(attname), ' ', format_type(atttypid, atttypmod))
                FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped
                ORDER BY attnum
            ) AS columns
        FROM pg_class AS c
        WHERE relname = ANY(%s)
            AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())
        ORDER BY relname <> 'customer_profiles', relname
        """,
        [_CREATED.findall(script)],
    )
    if rows:
        raise DatabaseError(_taken(rows[0]))


def check_tables_unaltered(connection: Connection) -> None:
    """Raise DatabaseError for tables changed by hand so that a run could not be published.

    Columns and indexes of the user's own, and types that hold as much, are fine.
    """
    with plain_errors():
        problems = list(_problems(connection))
    if problems:
        found = _some([problem.found for problem in problems], "; ")
        cures = " ".join(problem.cure for problem in problems[:_COLUMNS])
        raise DatabaseError(
            f"segpipe's tables were altered by hand: {found}."
            f" Put it right with: {cures} Or take the table from a backup."
        )


def _taken(row: dict[str, Any]) -> str:
    kind, name, place = _KINDS.get(row["kind"], "relation"), row["name"], row["place"]
    had = f", with the columns {_some(row['columns'], ', ')}" if row["columns"] else ""
    return (
        f"Schema {row['schema']} already has {'an' if kind[0] in 'aeiou' else 'a'} {kind} {name}"
        f" that segpipe has not made: it belongs to {row['owner']}{had}. segpipe expects the name"
        f" to be free, for a table of its own. Rename yours, with:"
        f" ALTER {kind.upper()} {place} RENAME TO {name}_old; or give segpipe another schema, with:"
        f" CREATE SCHEMA segments AUTHORIZATION {row['role']};"
        f" ALTER ROLE {row['role']} SET search_path = segments; Nothing was changed."
    )


def _problems(connection: Connection) -> Iterator[Problem]:
    yield from list(_unfit_profiles(connection)) or _unfit_columns(connection)
    yield from _columns_that_must_be_filled(connection)


def _unfit_columns(connection: Connection) -> Iterator[Problem]:
    tables, columns, types = zip(*expected_columns(), strict=True)
    rows = connection.execute(
        """
        SELECT name, quote_ident(col), kind, c.oid IS NULL,
            format_type(atttypid, atttypmod)
        FROM unnest(%s::text[], %s::text[], %s::text[]) WITH ORDINALITY
            AS expected (name, col, kind, place)
        LEFT JOIN pg_class AS c ON relname = name AND relkind IN ('r', 'p')
            AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())
        LEFT JOIN pg_attribute ON attrelid = c.oid AND attname = col AND NOT attisdropped
        WHERE format_type(atttypid, atttypmod) IS DISTINCT FROM kind
        ORDER BY place
        """,
        [list(tables), list(columns), list(types)],
    ).fetchall()
    gone = dict.fromkeys(name for name, _, _, is_gone, _ in rows if is_gone)
    for name in gone:
        begin = "DROP TABLE segpipe_schema_version; and rename or drop the tables beside it."
        yield Problem(
            f"the table {name} is missing", f"restore {name}, or start from scratch: {begin}"
        )
    for name, column, kind, is_gone, found in rows:
        if found is None and not is_gone:
            cure = f"ALTER TABLE {name} ADD COLUMN {column} {kind};"
            if name == "customer_profiles":  # or a run would leave the rows that it finds unchanged
                cure += " UPDATE customer_profiles SET content_hash = 0;"
            yield Problem(f"{name} lacks the column {column} (expected {kind})", cure)
        elif found is not None and not _holds_as_much(found, kind):
            cure = f"ALTER TABLE {name} ALTER COLUMN {column} TYPE {kind} USING {column}::{kind};"
            yield Problem(f"the column {name}.{column} is {found} (expected {kind})", cure)


def _holds_as_much(found: str, expected: str) -> bool:
    if expected == "integer":
        return found == "bigint"
    if expected == "text":
        return found == "character varying"
    length, wanted = _length(found), _length(expected)
    return length is not None and wanted is not None and length >= wanted


def _length(kind: str) -> float | None:
    """Characters that a type of text takes, None of another type."""
    if kind in ("text", "character varying"):
        return float("inf")
    digits = re.fullmatch(r"character varying\((\d+)\)", kind)
    return float(digits[1]) if digits else None


def _unfit_profiles(connection: Connection) -> Iterator[Problem]:
    row = connection.execute(
        "SELECT pg_get_partkeydef(c.oid), pg_get_constraintdef(con.oid) FROM pg_class AS c"
        " LEFT JOIN pg_constraint AS con ON conrelid = c.oid AND contype = 'p'"
        " WHERE relname = %s AND relkind IN ('r', 'p')"
        " AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())",
        [_PROFILES],
    ).fetchone()
    if row is None:
        return  # reported as missing
    partitioning, key = row
    if partitioning != _PARTITIONED:
        found = f"partitioned by {partitioning}" if partitioning else "not partitioned"
        cure = f"ALTER TABLE {_PROFILES} RENAME TO {_PROFILES}_old; DROP TABLE"
        cure += " segpipe_schema_version; and rename or drop the tables beside it."
        yield Problem(f"{_PROFILES} is {found} (expected {_PARTITIONED})", cure)
    elif key != _KEY:
        found = f"has the {key}" if key else "has no primary key"
        yield Problem(
            f"{_PROFILES} {found} (expected {_KEY})", f"ALTER TABLE {_PROFILES} ADD {_KEY};"
        )


def _columns_that_must_be_filled(connection: Connection) -> Iterator[Problem]:
    """Columns of the user's own that segpipe would leave empty, as it does not know them."""
    expected = expected_columns()
    rows = connection.execute(
        """
        SELECT relname, quote_ident(attname)
        FROM pg_class AS c JOIN pg_attribute ON attrelid = c.oid
        WHERE relname = ANY(%s) AND relkind IN ('r', 'p')
            AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())
            AND attnum > 0 AND NOT attisdropped AND attnotnull AND NOT atthasdef
            AND attidentity = ''
            AND (relname, attname) NOT IN (SELECT * FROM unnest(%s::text[], %s::text[]))
        """,
        [
            sorted({table for table, _, _ in expected}),
            [table for table, _, _ in expected],
            [column for _, column, _ in expected],
        ],
    ).fetchall()
    for name, column in rows:
        cure = f"ALTER TABLE {name} ALTER COLUMN {column} DROP NOT NULL;"
        found = f"your column {name}.{column} is NOT NULL and has no default"
        yield Problem(found, cure)


def _some(parts: list[str], separator: str) -> str:
    more = f"{separator}and {len(parts) - _COLUMNS} more" if len(parts) > _COLUMNS else ""
    return separator.join(parts[:_COLUMNS]) + more
