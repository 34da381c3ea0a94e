"""`segpipe generate`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from segpipe.cli.options import FILE, quiet_option


@click.command()
@click.argument("path", type=FILE)
@click.option("--customers", default=93_564, show_default=True, help="Number of customers.")
@click.option("--seed", default=42, show_default=True, help="The same seed gives the same bytes.")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="Date of the newest orders.")
@click.option("--tickets", "tickets_path", type=FILE, help="Also write support tickets here.")
@click.option("--truth", "truth_path", type=FILE, help="Also write the planted segments here.")
@click.option(
    "--unstructured", multiple=True, metavar="AXIS", help="Plant this axis without segments."
)
@click.option(
    "--season",
    "has_season",
    is_flag=True,
    help="More orders before Christmas, and holiday shoppers.",
)
@quiet_option
def generate(
    path: Path,
    customers: int,
    seed: int,
    until: datetime | None,
    tickets_path: Path | None,
    truth_path: Path | None,
    unstructured: tuple[str, ...],
    *,
    has_season: bool,
    quiet: bool,
) -> None:
    """Write synthetic order lines with planted segments to PATH.

    PATH ends in .csv, .csv.gz or .parquet.

    Example: segpipe generate product_sales_order.csv --customers 93564 --truth truth.csv
    """
    from segpipe.core.progress import open_progress
    from segpipe.datasets.synthetic import UNTIL, generate_order_lines

    with open_progress(is_quiet=quiet) as progress:
        progress.stage("generate")
        made = generate_order_lines(
            path,
            customers,
            seed,
            tickets_path=tickets_path,
            truth_path=truth_path,
            unstructured=frozenset(unstructured),
            until=until.date() if until else UNTIL,
            has_season=has_season,
            progress=progress.advance,
        )
    click.echo(
        f"{path}: {made.lines:,} lines, {made.orders:,} orders, {made.customers:,} customers"
    )
