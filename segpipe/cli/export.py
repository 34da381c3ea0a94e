"""`segpipe export`."""

from __future__ import annotations

from pathlib import Path

import click

from segpipe.cli.options import database_url_option, store_option


@click.command()
@click.option(
    "--format",
    "formats",
    type=click.Choice(["json", "yaml", "csv"]),
    multiple=True,
    default=["json"],
    show_default=True,
    help="Repeatable: the files are all of one moment.",
)
@click.option(
    "--out",
    "out_path",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="Folder of the files; made where it is missing.",
)
@store_option
@click.option("--run", default="latest", show_default=True, help="A number of `segpipe runs`.")
@database_url_option
@click.option("--quiet", is_flag=True, help="No progress.")
def export(
    formats: tuple[str, ...],
    out_path: Path,
    store_id: str | None,
    run: str,
    database_url: str | None,
    *,
    quiet: bool,
) -> None:
    """Write profiles, segments and a document for an AI agent as files.

    profiles.jsonl has a profile a line. In CSV, a text that a spreadsheet would run as a formula
    (= + - @) has an apostrophe in front.

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
        click.echo(f"Note: {note}", err=True)
