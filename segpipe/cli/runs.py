"""`segpipe runs`: the runs of a database, and what each keeps."""

from __future__ import annotations

from textwrap import shorten
from typing import Any

import click

from segpipe.cli.options import database_url_option, json_option, store_option
from segpipe.cli.output import notify, print_json

_LONGEST_ERROR = 280  # characters; --json has all of it


@click.group(invoke_without_command=True)
@click.option("--store-id", metavar="ID", help="List the runs of this store only.")
@click.option("--limit", default=20, show_default=True, help="Runs to list.")
@database_url_option
@json_option
@click.pass_context
def runs(
    context: click.Context,
    store_id: str | None,
    limit: int,
    database_url: str | None,
    *,
    as_json: bool,
) -> None:
    """List the runs, and what each keeps in the database.

    The newest is first. withdrawn: published, then rolled back. kept: size of its tables with their
    indexes; shared: its rows are in the tables of a later run. axes: whose segments the run
    replaced or held back. --json has more columns.

    Example: segpipe runs --limit 12
    """
    if context.invoked_subcommand:
        context.obj = (store_id, database_url)
        return
    from segpipe.history import kept_bytes
    from segpipe.postgres.database import open_store
    from segpipe.runs import list_runs

    with open_store(database_url) as store:
        kept = kept_bytes(store)
        rows = [
            {**row, "kept_bytes": kept.get(row["run_id"], 0)}
            for row in list_runs(store, store_id, limit)
        ]
    if as_json:
        print_json(rows)
    elif rows:
        click.echo(_text(rows))
    else:
        click.echo("No run yet.")


def _text(rows: list[dict[str, Any]]) -> str:
    from segpipe.core.text import paragraph, table_text

    columns = [_columns(row) for row in rows]
    table = table_text(list(columns[0]), [list(row.values()) for row in columns])
    failures = [paragraph(_failure(row), "", 2) for row in rows if row["failed_stage"]]
    return "\n".join([table, *failures])


def _failure(row: dict[str, Any]) -> str:
    error = str(row["error"]).removeprefix("The run is refused, nothing was published:")
    reason = shorten(error, _LONGEST_ERROR, placeholder=" ...")
    return f"Run {row['run_id']} failed at {row['failed_stage']}: {reason}"


def _kept(n_bytes: int, *, is_shared: bool) -> str:
    """Size of the run's own tables; a table that later runs need too counts for those."""
    if n_bytes:
        return f"{max(1, round(n_bytes / 1e6)):,} MB"
    return "shared" if is_shared else ""


def _columns(row: dict[str, Any]) -> dict[str, Any]:
    started, finished = row["started_at"], row["finished_at"]
    return {
        "run_id": row["run_id"],
        "store_id": row["store_id"],
        "status": row["status"] + (" (forced)" if row["forced_past"] else ""),
        "started_at": f"{started:%Y-%m-%d %H:%M}",
        "seconds": f"{(finished - started).total_seconds():.0f}" if finished else "",
        "as_of": row["as_of"],
        "rows_read": "" if row["rows_read"] is None else f"{row['rows_read']:,}",
        "customers": "" if row["n_customers"] is None else f"{row['n_customers']:,}",
        "axes": _decided(row["axis_decisions"]),
        "kept": _kept(row["kept_bytes"], is_shared=bool(row["profiles_table"])),
    }


def _decided(decisions: dict[str, Any]) -> str:
    """Axes whose segments the run replaced or held back: 2 replaced, 1 held back."""
    from segpipe.core.decisions import HELD_BACK, REPLACED

    made = [one["decision"] for one in decisions.values()]
    return ", ".join(
        f"{made.count(decision)} {decision}"
        for decision in (REPLACED, HELD_BACK)
        if decision in made
    )


@runs.command()
@click.option(
    "--keep",
    type=click.IntRange(0),
    required=True,
    metavar="N",
    help="Earlier runs to keep for a rollback, beside the current one.",
)
@store_option
@database_url_option
@click.pass_context
def prune(
    context: click.Context, keep: int, store_id: str | None, database_url: str | None
) -> None:
    """Delete the tables of earlier runs; their reports and counts stay.

    Example: segpipe runs prune --keep 1
    """
    from segpipe import runs
    from segpipe.history import store_of_run
    from segpipe.postgres.database import open_store

    outer_store, outer_url = context.obj
    with open_store(database_url or outer_url) as store:
        of_store, _ = store_of_run(store, "latest", store_id or outer_store)
        with runs.hold_store(store, of_store, wait=True, notify=notify):
            done = runs.prune(store, of_store, keep)
    still = ", ".join(map(str, done.kept)) or "none"
    freed = f"{done.freed_bytes:,} bytes freed"
    click.echo(f"{freed}; runs of store {of_store} to which you can roll back: {still}.")
