"""A run under watch: how it began and ended is told to a healthcheck and to a file of metrics.

Here and not in the pipeline, since this reads the clock and goes over the network.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from segpipe.core.errors import InputError, SegpipeError

if TYPE_CHECKING:
    from segpipe.core.report import RunReport


@dataclass(frozen=True)
class Watchers:
    """Whom a run tells, and how much it says of that on the terminal."""

    healthcheck_url: str | None
    metrics_path: Path | None
    is_quiet: bool = False


@dataclass
class Watched:
    """What is known of the run so far."""

    store_id: str | None = None
    report: RunReport | None = None  # of a run that published


@contextmanager
def watch(watchers: Watchers) -> Iterator[Watched]:
    """Tell the watchers of the block's begin and end, whatever ends it.

    Raises InputError where one of them cannot be told at all; the other one is told of that.
    Later trouble with them is a warning, and never the run's.
    """
    begun = time.monotonic()
    watched = Watched()
    ended_by: BaseException | None = None
    try:
        check_watchers(watchers)
        _ping_start(watchers.healthcheck_url)
        yield watched
    except BaseException as error:
        ended_by = error
        raise
    finally:
        status = exit_status(ended_by)
        _write_metrics(watchers.metrics_path, watched, status, time.monotonic() - begun)
        _ping_end(watchers, watched, status, ended_by)


def check_watchers(watchers: Watchers) -> None:
    """Raise InputError where the URL or the path cannot be used; the URL is not shown."""
    url, path = watchers.healthcheck_url, watchers.metrics_path
    if url is not None:
        from segpipe.monitor import url_problem

        if problem := url_problem(url):
            raise InputError(f"--healthcheck-url {problem}")
    if path is not None:
        from segpipe.monitor.metrics import path_problem

        if problem := path_problem(path):
            raise InputError(f"--metrics-file {problem}")


def exit_status(error: BaseException | None) -> int:
    """Status that the command line makes of the error; 0 without one."""
    if isinstance(error, SegpipeError):
        return error.exit_status
    if isinstance(error, KeyboardInterrupt | EOFError | click.exceptions.Abort):
        return 130
    if isinstance(error, click.ClickException):
        return error.exit_code
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    if error is None or isinstance(error, BrokenPipeError):
        return 0
    return 1


def _write_metrics(path: Path | None, watched: Watched, status: int, seconds: float) -> None:
    if path is None:
        return
    from segpipe.monitor.metrics import Ending, path_problem, write_metrics

    problem = path_problem(path)  # again: what lies there now may be an output of this very run
    if problem:
        _warn(f"the metrics were not written: --metrics-file {problem}")
    elif watched.store_id is None:
        _warn("the metrics were not written, since the settings do not tell the store.")
    else:
        ending = Ending(watched.store_id, time.time(), seconds, status, watched.report)
        try:
            write_metrics(path, ending)
        except OSError as error:
            _warn(f"the metrics were not written to {path} ({error.strerror}).")


def _ping_start(url: str | None) -> None:
    if url is None:
        return
    from segpipe.monitor import ping

    reason = ping(url, "start", "started")
    if reason:
        _warn(f"the healthcheck was not told of the start ({reason}).")


def _ping_end(
    watchers: Watchers, watched: Watched, status: int, error: BaseException | None
) -> None:
    url = watchers.healthcheck_url
    if url is None:
        return
    from segpipe.monitor import ping, redacted, url_problem

    if url_problem(url):  # which is how the run ended
        return
    if status == 0 and watched.report:
        event, text, told = "", _published(watched.report), "that the run published"
    else:
        event, text, told = "fail", f"exit status {status}: {redacted(error)}", "of the failure"
    reason = ping(url, event, text, attempts=3)
    if reason:
        _warn(f"the healthcheck was not told {told} ({reason}).")
    elif not watchers.is_quiet:
        # scripts/monthly_resegment.sh looks for it, and tells what was not told.
        click.echo(f"segpipe: told the healthcheck {told}.", err=True)


def _published(report: RunReport) -> str:
    load = report.load
    if load is None:
        return "published"
    return f"published run {load.run_id} of store {load.store_id}: {load.n_published:,} profiles"


def _warn(message: str) -> None:
    click.echo(f"segpipe: warning: {message}", err=True)
