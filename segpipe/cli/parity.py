"""`segpipe parity`: whether the service gives what the batch gave."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from datetime import date
from typing import TYPE_CHECKING, Any

import click

from segpipe.cli.options import input_options, json_option, quiet_option, settings_of
from segpipe.cli.output import print_json

if TYPE_CHECKING:
    from segpipe.core.settings import RunSettings
    from segpipe.parity import Parity, Service

_SHOWN = 20


@click.command()
@input_options
@click.option(
    "--customers",
    type=click.IntRange(1),
    default=1000,
    show_default=True,
    help="Number of customers to replay.",
)
@click.option("--seed", type=int, default=42, show_default=True, help="Seed of the draw.")
@click.option(
    "--url", default="http://127.0.0.1:5001", show_default=True, help="URL of the running service."
)
@quiet_option
@json_option
def parity(
    *,
    customers: int,
    seed: int,
    url: str,
    quiet: bool,
    as_json: bool,
    **options: Any,  # noqa: ANN401 - click's values
) -> None:
    """Compare the service with the batch on customers of a file.

    Customers of the current run's file are replayed through the service; any difference ends with
    status 1. The key of the service is read from SEGPIPE_API_KEY.

    Example: segpipe parity --customers 1000 --csv-path product_sales_order.csv
    """
    found = _replayed(settings_of(options, {}), customers, seed, url, is_quiet=quiet)
    if as_json:
        print_json(found)
    else:
        click.echo(_text(found))
    if found.differences:
        sys.exit(1)


def _replayed(
    settings: RunSettings, n_customers: int, seed: int, url: str, *, is_quiet: bool
) -> Parity:
    import os

    from segpipe.core.errors import InputError
    from segpipe.core.progress import open_progress
    from segpipe.engines.duckdb import open_engine
    from segpipe.parity import Service, current_run_of, documents, draw_customers, replay
    from segpipe.sources import read_order_lines

    key = os.environ.get("SEGPIPE_API_KEY", "")
    if not key:
        advice = "create one with `segpipe keys create NAME` and export it"
        raise InputError(f"SEGPIPE_API_KEY is empty; expected a key of the service: {advice}.")
    with (
        closing(Service(url, key)) as service,
        open_engine(settings.engine) as engine,
        open_progress(is_quiet=is_quiet) as progress,
    ):
        run = current_run_of(service)
        as_of = date.fromisoformat(run["as_of"])
        progress.stage("source")
        source = read_order_lines(engine, settings.source, progress.step, is_forced=True)
        _check_same_input(service, run["run_id"], source.input_hash)
        progress.stage("replay")
        ids = draw_customers(engine, as_of, n_customers, seed)
        bodies = documents(engine, source.inputs, source.timezone, as_of, ids)
        return replay(service, bodies, lambda done: progress.advance(done, len(ids)))


def _check_same_input(service: Service, run_id: int, input_hash: str) -> None:
    """Raise InputError where the current run has read other files."""
    from segpipe.core.errors import InputError

    runs = json.loads(service.request("GET", "/runs?limit=100"))["runs"]
    known = {run["run_id"]: run["input_hash"] for run in runs}
    if known.get(run_id) != input_hash:
        msg = f"Run {run_id}, which the service serves, was made from other files;"
        raise InputError(f"{msg} name those, or run these first.")


def _text(found: Parity) -> str:
    from segpipe.core.text import counted

    n = len(found.differences)
    head = (
        f"Parity with run {found.run_id}: {found.n_customers:,} customers, {found.n_figures:,}"
        f" figures, {counted(n, 'difference')}."
    )
    if found.n_unpublished:
        head += f" {found.n_unpublished:,} more have no profile, such as the forgotten."
    if found.unsent:
        first = found.unsent[0]
        head += (
            f" {len(found.unsent):,} more were not accepted, such as {first.customer_id}"
            f" ({first.reason})."
        )
    differences = [
        f"  {one.customer_id} {one.figure}: batch {one.batch}, service {one.service}"
        for one in found.differences[:_SHOWN]
    ]
    more = [f"  and {n - _SHOWN:,} more"] if n > _SHOWN else []
    return "\n".join([head, *differences, *more])
