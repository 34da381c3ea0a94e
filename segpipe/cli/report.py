"""`segpipe report`, and the page that `segpipe run --report` writes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from segpipe.cli.options import database_url_option, store_option

if TYPE_CHECKING:
    from segpipe.core.report import RunReport


@click.command()
@click.argument("run")
@click.option(
    "--out", type=click.Path(path_type=Path), help="File to write.  [default: report-RUN.html]"
)
@store_option
@database_url_option
def report(run: str, out: Path | None, store_id: str | None, database_url: str | None) -> None:
    """Write a run as an HTML page. RUN is a number of `segpipe runs`, or latest.

    Example: segpipe report latest --out report.html
    """
    from segpipe.postgres.database import open_store
    from segpipe.reports.html import page_html
    from segpipe.reports.html.build import check_page_path, write_page
    from segpipe.runs import find_run, read_run_page

    if out:
        check_page_path(out, "--out")
    with open_store(database_url) as store:
        run_id = find_run(store, run, store_id)
        document, details = read_run_page(store, run_id, store_id)
    path = out or Path(f"report-{run_id}.html")
    write_page(page_html(document, details), path)
    click.echo(path)


def write_report(run_report: RunReport, path: Path, database_url: str | None) -> None:
    """Write the page of the run that has just ended.

    A published run is read back, since the database also knows the value of each segment.
    """
    from segpipe.core.errors import DatabaseError, InputError
    from segpipe.postgres.database import open_store
    from segpipe.reports.html import page_html
    from segpipe.reports.html.build import write_page
    from segpipe.runs import read_run_page

    document, details = run_report.to_dict(), {}
    if run_report.details:
        details = {"model": run_report.details.model, "scatter": run_report.details.scatter}
    if run_report.load:
        try:
            with open_store(database_url) as store:
                document, details = read_run_page(store, run_report.load.run_id)
        except (InputError, DatabaseError):
            pass  # its report could not be stored or read; the run is published all the same
    write_page(page_html(document, details), path)
