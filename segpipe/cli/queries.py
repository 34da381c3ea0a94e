"""`segpipe runs`, `segpipe show` and `segpipe sql`: what was published."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from segpipe.postgres import Connection

_URL = click.option("--database-url", help="Else DATABASE_URL, else the embedded PostgreSQL.")
_JSON = click.option("--json", "as_json", is_flag=True, help="As JSON.")


@click.command()
@click.option("--store-id", help="Of this store only.")
@click.option("--limit", default=20, show_default=True)
@_URL
@_JSON
def runs(store_id: str | None, limit: int, database_url: str | None, *, as_json: bool) -> None:
    """List the runs, newest first.

    Example: segpipe runs --limit 12
    """
    from segpipe.load import list_runs
    from segpipe.render import table_text
    from segpipe.store import open_store

    with open_store(database_url) as store:
        rows = list_runs(store, store_id, limit)
    if as_json:
        click.echo(json.dumps(rows, indent=2, default=str))
    elif rows:
        click.echo(table_text(list(rows[0]), [list(row.values()) for row in rows]))
    else:
        click.echo("No run yet.")


@click.command()
@click.argument("customer")
@click.option("--store-id", help="Where several stores have the customer.")
@_URL
@_JSON
def show(customer: str, store_id: str | None, database_url: str | None, *, as_json: bool) -> None:
    """Show the profile of one customer.

    Example: segpipe show 15362
    """
    from segpipe.store import open_store

    with open_store(database_url) as store:
        profile = find_profile(store, customer, store_id)
    if as_json:
        click.echo(json.dumps(profile, indent=2, default=str, ensure_ascii=False))
        return
    memberships = profile.pop("segment_memberships")
    strengths = profile.pop("membership_strengths")
    previous, since = profile.pop("previous_segments"), profile.pop("segment_since")
    profile.pop("dominant_segments")
    for name, value in profile.items():
        click.echo(f"{name:<28}{value}")
    for axis, segment in memberships.items():
        told = f"{segment} (strength {strengths[axis]:.2f})"
        told += f", since {since[axis]}" if axis in since else ""
        told += f", before: {previous[axis]}" if axis in previous else ""
        click.echo(f"{axis:<28}{told}")


def find_profile(store: Connection, customer: str, store_id: str | None) -> dict[str, Any]:
    """The customer's profile; InputError where there is none, or several and no store is named."""
    from segpipe.errors import InputError
    from segpipe.load import show_customer, stores_of

    stores = stores_of(store, customer)
    if store_id is None and len(stores) > 1:
        found = ", ".join(stores)
        raise InputError(f"Customer {customer!r} is in several stores ({found}); --store-id?")
    profile = show_customer(store, store_id or (stores or ["default"])[0], customer)
    if profile is None:
        where = f"in store {store_id!r}" if store_id else "in any store"
        raise InputError(f"There is no profile of customer {customer!r} {where}; check the id.")
    return profile


@click.command()
@click.argument("name", required=False)
@click.option("--customer", help="For queries that ask for :customer_id.")
@click.option("--limit", default=20, show_default=True, help="Rows to show.")
@click.option("--print", "only_print", is_flag=True, help="Print the SQL, run nothing.")
@_URL
def sql(
    name: str | None,
    customer: str | None,
    limit: int,
    database_url: str | None,
    *,
    only_print: bool,
) -> None:
    """List the example queries, print one, or run one.

    Example: segpipe sql whales_who_wait_for_discounts
    """
    from segpipe.queries import list_queries, read_query
    from segpipe.store import open_store

    if name is None:
        for query in list_queries():
            click.echo(f"{query.name:<36}{query.question}")
    elif only_print:
        click.echo(read_query(name).sql)
    else:
        with open_store(database_url) as store:
            click.echo(query_text(store, name, limit, customer))


def query_text(store: Connection, name: str, limit: int, customer: str | None = None) -> str:
    """The query's SQL and the first rows of what it finds."""
    from segpipe.queries import read_query, run_query
    from segpipe.render import table_text

    parameters = {} if customer is None else {"customer_id": customer}
    found = run_query(store, name, parameters, limit)
    shown = table_text(found.columns, found.rows)
    count = f"({len(found.rows)} rows shown)" if found.has_more else f"({len(found.rows)} rows)"
    return f"{read_query(name).sql}\n\n{shown}\n{count}"
