"""The schema: takes a connection, gives the tables of `sql/schema/` in its current schema.

Alembic orders the migrations and renders them as SQL; psycopg runs them. Alembic is imported only
if there is something to do: looking takes a millisecond, the import a third of a second.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from segpipe import postgres
from segpipe.core.errors import DatabaseError
from segpipe.postgres import Connection, schema_check, sql

# Not Alembic's own name: the shop's application may use that in the same schema.
VERSION_TABLE = "segpipe_schema_version"
_FOLDER = Path(__file__).resolve().parent / "migrations"
_LOCK = 7_365_677  # any number, the same in every segpipe


@dataclass(frozen=True)
class SchemaStatus:
    """Revision the database is at (None: no tables yet) and the one that this segpipe wants."""

    current: str | None
    head: str

    @property
    def is_current(self) -> bool:
        """Whether there is nothing to do."""
        return self.current == self.head


def status(database: Connection | str) -> SchemaStatus:
    """Revision of the schema, and the newest one. Raises DatabaseError."""
    with _connected(database) as connection:
        return _status(connection)


def upgrade(database: Connection | str) -> SchemaStatus:
    """Bring the schema to the newest revision; gives the status before.

    One process at a time upgrades, in one transaction. Raises DatabaseError for a role that may
    not create tables, for a schema newer than this segpipe, and for a name that is taken.
    """
    with _connected(database) as connection:
        found = _status(connection)
        if found.is_current:
            return found
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
            found = _status(connection)  # another process may have been first
            if not found.is_current:
                _check_not_newer(found)
                _check_create_privilege(connection, found)
                script = _script(found.current, found.head)
                schema_check.check_names_free(connection, script)
                connection.execute(script.encode())
        return found


def head() -> str:
    """Newest revision, read from the names of the migrations."""
    return max(path.stem[1:5] for path in (_FOLDER / "versions").glob("m[0-9]*.py"))


def _status(connection: Connection) -> SchemaStatus:
    # Not to_regclass, which answers from a cache that may be older than the wait for the lock.
    exists = postgres.fetch_one(
        connection,
        "SELECT EXISTS (SELECT FROM pg_class WHERE relname = %s"
        " AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema()))",
        [VERSION_TABLE],
    )
    if exists != (True,):
        return SchemaStatus(None, head())
    query = sql.SQL("SELECT version_num FROM {}").format(sql.Identifier(VERSION_TABLE))
    row = connection.execute(query).fetchone()
    return SchemaStatus(row[0] if row else None, head())


def _script(current: str | None, target: str) -> str:
    """SQL of the migrations after `current`, the version table included."""
    from alembic import command
    from alembic.config import Config

    buffer = StringIO()
    config = Config(output_buffer=buffer, attributes={"version_table": VERSION_TABLE})
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    command.upgrade(config, f"{current or 'base'}:{target}", sql=True)
    return buffer.getvalue()


def _check_not_newer(found: SchemaStatus) -> None:
    if found.current and found.current > found.head:
        raise DatabaseError(
            f"The tables are of revision {found.current}, this segpipe knows {found.head}."
            " Install the newer segpipe that made them."
        )


def _check_create_privilege(connection: Connection, found: SchemaStatus) -> None:
    schema, quoted_schema, role, may_create, closed = postgres.fetch_one(
        connection,
        """
        SELECT current_schema(), quote_ident(current_schema()), quote_ident(current_user),
            has_schema_privilege(current_schema(), 'CREATE'),
            (
                SELECT string_agg(quote_ident(nspname), ', ') FROM pg_namespace
                WHERE NOT has_schema_privilege(oid, 'USAGE')
                    AND nspname = ANY (SELECT btrim(named, ' "') FROM
                        unnest(string_to_array(current_setting('search_path'), ',')) AS named)
            )
        """,
    )
    if may_create:
        return
    if closed:  # else the message would name the next schema of the search_path
        raise DatabaseError(
            f"The role {role} may not look into schema {closed} of its search_path. An owner of"
            f" the schema can allow it with: GRANT USAGE ON SCHEMA {closed} TO {role};"
        )
    if schema is None:
        raise DatabaseError(
            "No schema of the search_path exists in this database; create one, or correct the"
            " search_path of the role."
        )
    if found.current:
        raise DatabaseError(
            f"The tables are of revision {found.current}, this segpipe wants {found.head}, and"
            f" the role {role} may not change them. Have the role that publishes run"
            " `segpipe db upgrade`."
        )
    raise DatabaseError(
        f"The role {role} may not create tables in schema {quoted_schema}. An owner of the"
        f" schema can allow it with: GRANT CREATE ON SCHEMA {quoted_schema} TO {role};"
    )


@contextmanager
def _connected(database: Connection | str) -> Iterator[Connection]:
    with postgres.plain_errors():
        if not isinstance(database, str):
            yield database
            return
        with postgres.connect(database) as connection:
            postgres.prepare_session(connection)
            yield connection
