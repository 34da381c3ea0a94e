"""`segpipe export`."""

from __future__ import annotations

from pathlib import Path

import click

from segpipe.cli.options import database_url_option, quiet_option, run_option, store_option
from segpipe.cli.output import notify


@click.command()
@click.option(
    "--format",
    "formats",
    type=click.Choice(["json", "yaml", "csv"]),
    multiple=True,
    default=["json"],
    show_default=True,
    help="Repeatable; all files are of the same moment.",
)
@click.option(
    "--out",
    "out_path",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="Folder for the files; it is created if missing.",
)
@store_option
@run_option
@database_url_option
@quiet_option
def export(
    formats: tuple[str, ...],
    out_path: Path,
    store_id: str | None,
    run: str,
    database_url: str | None,
    *,
    quiet: bool,
) -> None:
    """Write profiles and segments as files, also for an AI agent.

    profiles.jsonl has one profile a line. In CSV, text that a spreadsheet would run as a formula
    (= + - @) starts with an apostrophe.

    Example: segpipe export --format json --format csv --out export
    """
    from segpipe import export as exporting
    from segpipe.core.progress import open_progress
    from segpipe.postgres.database import open_store

    with open_store(database_url) as store, open_progress(is_quiet=quiet) as progress:
        progress.stage("export")
        done = exporting.export(store, out_path, formats, store_id, run, progress.advance)
    kept = f", {done.n_kept:,} of them kept from earlier runs" if done.n_kept else ""
    click.echo(f"Run {done.run_id} of store {done.store_id}: {done.n_profiles:,} profiles{kept}")
    for path in done.paths:
        click.echo(path)
    for note in done.notes:
        notify(f"note: {note}")
