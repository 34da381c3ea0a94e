"""A watched run: its start and end are reported to a healthcheck and to a file of metrics.

This is not in the pipeline, since it reads the clock and goes over the network.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from segpipe.cli.output import notify, warn
from segpipe.core.errors import InputError, SegpipeError

if TYPE_CHECKING:
    from segpipe.core.report import RunReport


@dataclass(frozen=True)
class Watchers:
    """Where a run is reported, and whether the terminal says so."""

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
    """Report the start and the end of the block to the watchers, whatever ends it.

    Raises InputError for a URL or a path that cannot be used; the other watcher gets that as the
    end of the run. A report that fails later is a warning, and never fails the run.
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
    """Raise InputError for a URL or a path that cannot be used; the URL is not shown."""
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
    """Exit status of the command line for the error; 0 without one."""
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

    problem = path_problem(path)  # again: the file may now be an output of this very run
    if problem:
        warn(f"the metrics were not written: --metrics-file {problem}")
    elif watched.store_id is None:
        warn("the metrics were not written, since the settings do not name the store.")
    else:
        ending = Ending(watched.store_id, time.time(), seconds, status, watched.report)
        try:
            write_metrics(path, ending)
        except OSError as error:
            warn(f"the metrics were not written to {path} ({error.strerror}).")


def _ping_start(url: str | None) -> None:
    if url is None:
        return
    from segpipe.monitor import ping

    reason = ping(url, "start", "started")
    if reason:
        warn(f"the start was not reported to the healthcheck ({reason}).")


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
        what, event, text = "success", "", _published(watched.report)
    else:
        what, event, text = "failure", "fail", f"exit status {status}: {redacted(error)}"
    reason = ping(url, event, text, attempts=3)
    if reason:
        warn(f"the {what} was not reported to the healthcheck ({reason}).")
    elif not watchers.is_quiet:
        # scripts/monthly_resegment.sh looks for this line, and else reports the failure itself.
        notify(f"reported the {what} to the healthcheck.")


def _published(report: RunReport) -> str:
    load = report.load
    if load is None:
        return "published"
    return f"published run {load.run_id} of store {load.store_id}: {load.n_published:,} profiles"
