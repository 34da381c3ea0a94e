"""The database of a run: DATABASE_URL or the embedded PostgreSQL, with its schema in place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from segpipe import postgres
from segpipe.core.settings import home_path
from segpipe.postgres import embedded, migrate, schema_check
from segpipe.postgres.connection import Connection


def resolve_url(url: str | None) -> tuple[str, bool]:
    """URL of the database, and whether it is the embedded one, which is started if it is down."""
    given = postgres.database_url(url)
    if given:
        return given, False
    return embedded.start(home_path()), True


def embedded_note(url: str | None) -> tuple[str, ...]:
    """How to reach the embedded database, if that is the one in use."""
    if postgres.database_url(url):
        return ()
    folder = embedded.status(home_path()).data_path
    here = Path.cwd()
    shown = folder.relative_to(here) if folder.is_relative_to(here) else folder
    reach = "segpipe db shell opens it, segpipe db stop stops it"
    return (f"The embedded PostgreSQL in {shown} stays up: {reach}.",)


@contextmanager
def open_store(url: str | None) -> Iterator[Connection]:
    """Give a connection to the database of the settings, with the newest schema.

    Raises DatabaseError at once if tables were altered so that nothing can be published.
    """
    connection = postgres.connect(resolve_url(url)[0])
    try:
        postgres.prepare_session(connection)
        migrate.upgrade(connection)
        schema_check.check_tables_unaltered(connection)
        yield connection
    finally:
        connection.close()
