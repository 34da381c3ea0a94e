"""`segpipe keys`: the API keys of the service."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from segpipe.cli.options import database_url_option, json_option
from segpipe.cli.output import notify, print_json

if TYPE_CHECKING:
    from segpipe.access.api_keys import Scope


@click.group()
def keys() -> None:
    """Manage the API keys of the service.

    Example: KEY=$(segpipe keys create shop)
    """


@keys.command()
@click.argument("name")
@click.option(
    "--scope",
    type=click.Choice(["read", "write"]),
    default="read",
    show_default=True,
    help="write may also store an assigned customer (?persist=true).",
)
@click.option(
    "--rate-per-minute",
    type=click.IntRange(1, 1_000_000),
    default=6000,
    show_default=True,
    help="Requests a minute; they may come in one burst.",
)
@database_url_option
def create(name: str, scope: Scope, rate_per_minute: int, database_url: str | None) -> None:
    """Create a key for NAME and print its token, once.

    Only the token goes to stdout. Send it as the header X-API-Key; only its hash is stored.

    Example: KEY=$(segpipe keys create shop --scope write)
    """
    from segpipe.access.key_table import create_key
    from segpipe.postgres.database import open_store

    with open_store(database_url) as store:
        key, token = create_key(store, name, scope, rate_per_minute)
    click.echo(token)
    what = f"key {key.key_id} of {name!r}: {scope}, {rate_per_minute:,} requests a minute"
    notify(f"{what}. Its token is shown only this once; store it like a password.")


@keys.command("list")
@database_url_option
@json_option
def list_command(database_url: str | None, *, as_json: bool) -> None:
    """List the keys, revoked ones too, without their tokens.

    Example: segpipe keys list
    """
    from segpipe.access.key_table import list_keys
    from segpipe.core.text import table_text
    from segpipe.postgres.database import open_store

    with open_store(database_url) as store:
        rows = list_keys(store)
    if as_json:
        print_json(rows)
    elif rows:
        shown = [
            [
                key["key_id"],
                key["name"],
                key["scope"],
                f"{key['rate_per_minute']:,}",
                f"{key['created_at']:%Y-%m-%d %H:%M}",
                f"{key['revoked_at']:%Y-%m-%d %H:%M}" if key["revoked_at"] else "",
            ]
            for key in rows
        ]
        click.echo(table_text(list(rows[0]), shown))
    else:
        click.echo("No key yet.")


@keys.command()
@click.argument("name")
@database_url_option
def revoke(name: str, database_url: str | None) -> None:
    """Revoke the key of NAME; a running service refuses it within seconds.

    Example: segpipe keys revoke shop
    """
    from segpipe.access.key_table import revoke_key
    from segpipe.postgres.database import open_store

    with open_store(database_url) as store:
        key_id = revoke_key(store, name)
    notify(f"key {key_id} of {name!r} is revoked.")
