"""`segpipe db`: the database and its schema."""

from __future__ import annotations

import os

import click

from segpipe.cli.options import database_url_option


@click.group()
def db() -> None:
    """Manage the database: status, schema, the embedded server.

    Example: psql "$(segpipe db url)"
    """


@db.command()
@database_url_option
def upgrade(database_url: str | None) -> None:
    """Upgrade the tables to the newest schema.

    Example: segpipe db upgrade
    """
    from segpipe.postgres import migrate
    from segpipe.postgres.database import resolve_url

    before = migrate.upgrade(resolve_url(database_url)[0])
    click.echo(f"Schema {before.head}, was {before.current or 'empty'}.")


@db.command()
@database_url_option
def status(database_url: str | None) -> None:
    """Show where the database is and whether its schema is up to date.

    Example: segpipe db status
    """
    from segpipe import postgres
    from segpipe.core.settings import home_path
    from segpipe.postgres import embedded, migrate

    url = postgres.database_url(database_url)
    if url is None:
        found = embedded.status(home_path())
        running = f"running, process {found.pid}" if found.is_running else "stopped"
        click.echo(f"Embedded PostgreSQL in {found.data_path}: {running}.")
        url = found.url
    if url is None:
        click.echo("Start it with: segpipe db start")
        return
    schema = migrate.status(url)
    upgrade_to = f"to be upgraded to {schema.head}: segpipe db upgrade"
    state = "up to date" if schema.is_current else upgrade_to
    click.echo(f"{postgres.redact(url)}\nSchema {schema.current or 'empty'}, {state}.")


@db.command()
@database_url_option
def url(database_url: str | None) -> None:
    """Print the URL and nothing else; starts the embedded server if needed.

    Example: psql "$(segpipe db url)"
    """
    from segpipe.postgres.database import resolve_url

    click.echo(resolve_url(database_url)[0])


@db.command()
def start() -> None:
    """Start the embedded server.

    Example: segpipe db start
    """
    from segpipe.core.settings import home_path
    from segpipe.postgres import embedded

    click.echo(f"Embedded PostgreSQL is running: {embedded.start(home_path())}")


@db.command()
def stop() -> None:
    """Stop the embedded server; its data stays.

    Example: segpipe db stop
    """
    from segpipe.core.settings import home_path
    from segpipe.postgres import embedded

    was_running = embedded.stop(home_path())
    click.echo("Embedded PostgreSQL is stopped." if was_running else "It was not running.")


@db.command()
@database_url_option
def shell(database_url: str | None) -> None:
    """Open psql on the database.

    Example: segpipe db shell
    """
    from segpipe import postgres
    from segpipe.postgres import embedded
    from segpipe.postgres.database import resolve_url

    address = resolve_url(database_url)[0]
    os.environ |= postgres.secrets(address)  # a process's arguments are public, these are not
    program = str(embedded.psql_path())
    os.execv(program, [program, postgres.redact(address)])  # noqa: S606 - psql, without a shell
