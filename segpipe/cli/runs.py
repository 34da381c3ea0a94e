"""`segpipe runs`, `segpipe show` and `segpipe sql`: what was published."""

from __future__ import annotations

import json
from textwrap import shorten
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from segpipe.postgres import Connection

_URL = click.option("--database-url", help="Else DATABASE_URL, else the embedded PostgreSQL.")
_JSON = click.option("--json", "as_json", is_flag=True, help="As JSON.")


@click.group(invoke_without_command=True)
@click.option("--store-id", help="Of this store only.")
@click.option("--limit", default=20, show_default=True)
@_URL
@_JSON
@click.pass_context
def runs(
    context: click.Context,
    store_id: str | None,
    limit: int,
    database_url: str | None,
    *,
    as_json: bool,
) -> None:
    """List the runs, newest first, and what each keeps in the database.

    withdrawn: published, and then rolled back. kept: its tables with their indexes; shared: those
    of a later run, which changed rows in place. --json has
    more columns, and errors in full.

    Example: segpipe runs --limit 12
    """
    if context.invoked_subcommand:
        context.obj = (store_id, database_url)
        return
    from segpipe.history import kept_bytes
    from segpipe.postgres.database import open_store
    from segpipe.reports.text import table_text
    from segpipe.runs import list_runs

    with open_store(database_url) as store:
        kept = kept_bytes(store)
        rows = [
            {**row, "kept_bytes": kept.get(row["run_id"], 0)}
            for row in list_runs(store, store_id, limit)
        ]
    if as_json:
        click.echo(json.dumps(rows, indent=2, default=str))
    elif rows:
        shown = [_shown(row) for row in rows]
        click.echo(table_text(list(shown[0]), [list(row.values()) for row in shown]))
    else:
        click.echo("No run yet.")


def _kept(n_bytes: int, *, is_shared: bool) -> str:
    """What the run's own tables take; a table that later runs stand on too counts for those."""
    if n_bytes:
        return f"{max(1, round(n_bytes / 1e6)):,} MB"
    return "shared" if is_shared else ""


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    """What fits on a line of a run."""
    started, finished = row["started_at"], row["finished_at"]
    error = str(row["error"]).removeprefix("The run is refused, nothing was published:")
    failed = f"{row['failed_stage']}: {error}" if row["failed_stage"] else ""
    return {
        "run_id": row["run_id"],
        "store_id": row["store_id"],
        "status": row["status"] + (" (forced)" if row["forced_past"] else ""),
        "started_at": f"{started:%Y-%m-%d %H:%M}",
        "seconds": f"{(finished - started).total_seconds():.0f}" if finished else "",
        "as_of": row["as_of"],
        "rows_read": "" if row["rows_read"] is None else f"{row['rows_read']:,}",
        "customers": "" if row["n_customers"] is None else f"{row['n_customers']:,}",
        "kept": _kept(row["kept_bytes"], is_shared=bool(row["profiles_table"])),
        "failed": shorten(failed, 60, placeholder=" ..."),
    }


@runs.command()
@click.option(
    "--keep",
    type=click.IntRange(0),
    required=True,
    metavar="N",
    help="Earlier runs to keep for a rollback, beside the one in force.",
)
@click.option("--store-id", help="Where several stores have been published.")
@_URL
@click.pass_context
def prune(
    context: click.Context, keep: int, store_id: str | None, database_url: str | None
) -> None:
    """Drop what is kept of earlier runs; their reports and counts stay.

    Example: segpipe runs prune --keep 1
    """
    from segpipe import publishing, runs
    from segpipe.history import store_of_run
    from segpipe.postgres.database import open_store

    outer_store, outer_url = context.obj
    with open_store(database_url or outer_url) as store:
        of_store, _ = store_of_run(store, "latest", store_id or outer_store)
        with runs.hold_store(store, of_store, wait=True, told=_tell):
            done = publishing.prune(store, of_store, keep)
    still = ", ".join(map(str, done.kept)) or "none"
    click.echo(
        f"{done.freed_bytes:,} bytes freed; runs of store {of_store} that can be put back: {still}."
    )


def _tell(text: str) -> None:
    click.echo(f"segpipe: {text}", err=True)


@click.command()
@click.argument("customer")
@click.option("--store-id", help="Where several stores have the customer.")
@_URL
@_JSON
def show(customer: str, store_id: str | None, database_url: str | None, *, as_json: bool) -> None:
    """Show the profile of one customer.

    Example: segpipe show 15362
    """
    from segpipe.postgres.database import open_store

    with open_store(database_url) as store:
        profile = find_profile(store, customer, store_id)
    if as_json:
        click.echo(json.dumps(profile, indent=2, default=str, ensure_ascii=False))
        return
    memberships = profile.pop("segment_memberships")
    strengths = profile.pop("membership_strengths")
    previous, since = profile.pop("previous_segments"), profile.pop("segment_since")
    first_seen = profile["first_seen_on"]
    for name in ("dominant_segments", "content_hash"):
        profile.pop(name)
    for name, value in profile.items():
        if value is not None:
            click.echo(f"{name:<28}{value}")
    for axis, segment in memberships.items():
        told = f"{segment} (strength {strengths[axis]:.2f})"
        told += f", since {since.get(axis, first_seen)}"
        told += f", before: {previous[axis]}" if axis in previous else ""
        click.echo(f"{axis:<28}{told}")


def find_profile(store: Connection, customer: str, store_id: str | None) -> dict[str, Any]:
    """The customer's profile; InputError where there is none, or several and no store is named."""
    from segpipe.core.errors import InputError
    from segpipe.runs import show_customer, stores_of

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
    from segpipe.postgres.database import open_store
    from segpipe.postgres.example_queries import list_queries, read_query

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
    from segpipe.postgres.example_queries import read_query, run_query
    from segpipe.reports.text import table_text

    parameters = {} if customer is None else {"customer_id": customer}
    found = run_query(store, name, parameters, limit)
    shown = table_text(found.columns, found.rows)
    count = f"({len(found.rows)} rows shown)" if found.has_more else f"({len(found.rows)} rows)"
    return f"{read_query(name).sql}\n\n{shown}\n{count}"
