"""The database of a run: DATABASE_URL or the embedded PostgreSQL, with its schema in place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from segpipe import embedded, migrate, postgres
from segpipe.config import home_path
from segpipe.postgres import Connection


def resolve_url(url: str | None) -> tuple[str, bool]:
    """URL of the database, and whether it is the embedded one, which is started if need be."""
    given = postgres.database_url(url)
    if given:
        return given, False
    return embedded.start(home_path()), True


@contextmanager
def open_store(url: str | None) -> Iterator[Connection]:
    """Give a connection to the database of the settings, with the newest schema."""
    connection = postgres.connect(resolve_url(url)[0])
    try:
        migrate.upgrade(connection)
        yield connection
    finally:
        connection.close()
