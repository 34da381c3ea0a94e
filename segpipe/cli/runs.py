"""`segpipe runs`, `segpipe show` and `segpipe sql`: what was published."""

from __future__ import annotations

import json
from textwrap import shorten
from typing import TYPE_CHECKING, Any

import click

from segpipe.cli.options import database_url_option, json_option, notify, store_option

if TYPE_CHECKING:
    pass


@click.group(invoke_without_command=True)
@click.option("--store-id", help="Of this store only.")
@click.option("--limit", default=20, show_default=True)
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
    """List the runs, newest first, and what each keeps in the database.

    withdrawn: published, and then rolled back. kept: its tables with their indexes; shared: those
    of a later run, which changed rows in place. --json has
    more columns, and errors in full.

    Example: segpipe runs --limit 12
    """
    if context.invoked_subcommand:
        context.obj = (store_id, database_url)
        return
    from segpipe.core.text import table_text
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
@store_option
@database_url_option
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
        with runs.hold_store(store, of_store, wait=True, told=notify):
            done = publishing.prune(store, of_store, keep)
    still = ", ".join(map(str, done.kept)) or "none"
    click.echo(
        f"{done.freed_bytes:,} bytes freed; runs of store {of_store} that can be put back: {still}."
    )
