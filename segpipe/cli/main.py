"""The command group and its edge, where an error becomes one plain line and an exit status."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import NoReturn

import click

from segpipe import __version__
from segpipe.cli.db import db
from segpipe.cli.doctor import doctor
from segpipe.cli.explain import explain
from segpipe.cli.export import export
from segpipe.cli.generate import generate
from segpipe.cli.history import diff, forget, rollback
from segpipe.cli.keys import keys
from segpipe.cli.parity import parity
from segpipe.cli.report import report
from segpipe.cli.run import demo, run
from segpipe.cli.runs import runs
from segpipe.cli.serve import keep_heap_whole, serve
from segpipe.cli.show import show
from segpipe.cli.sql import sql
from segpipe.cli.transitions import transitions
from segpipe.core.errors import SegpipeError

_LAST_RESULTS_STAY = (
    "the previous run stays in force, unless this one had published by then (`segpipe runs` tells)"
)


class _Commands(click.Group):
    """Commands whose output nobody may read to its end, as with `| head`; that is no failure.

    Here, since Click itself would end with status 1.
    """

    def invoke(self, ctx: click.Context) -> object:
        """The command's value, None where the reader has gone."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return None


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="segpipe")
def cli() -> None:
    """Give every customer a segment on each of 13 behavioural axes, in PostgreSQL.

    Example: segpipe run --csv-path product_sales_order.csv
    """


for command in (
    run,
    doctor,
    demo,
    generate,
    runs,
    show,
    explain,
    transitions,
    diff,
    rollback,
    forget,
    export,
    report,
    sql,
    serve,
    keys,
    parity,
    db,
):
    cli.add_command(command)


def main(arguments: Sequence[str] | None = None, prog_name: str = "segpipe") -> None:
    """Run a command and exit: 0, 1 (failed), 2 (bad input), 3 (refused), 75 (busy), 130, 143."""
    try:
        with _orderly_end():
            cli.main(args=arguments, prog_name=prog_name, standalone_mode=False)
    except click.exceptions.Abort:
        _leave(f"interrupted; {_LAST_RESULTS_STAY}.", 130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except SegpipeError as error:
        _leave(str(error), error.exit_status)
    except Exception as error:
        if os.environ.get("SEGPIPE_DEBUG"):
            raise
        told = f"unforeseen {type(error).__name__}: {error} (SEGPIPE_DEBUG=1 shows where)."
        _leave(told, 1)


def start(prog_name: str = "segpipe") -> NoReturn:
    """`main` as a process of its own, which ends at once when it is done.

    Python would take half a second to free, object by object, what the system frees anyway. And
    after an interrupt in the midst of an import it would end by the signal, whatever was caught.
    """
    if sys.argv[1:2] == ["serve"]:
        keep_heap_whole()
    status = 0
    try:
        main(prog_name=prog_name)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 0
    for stream in (sys.stdout, sys.stderr):
        if stream:
            with suppress(OSError):  # who read it may have gone
                stream.flush()
    os._exit(status)


@contextmanager
def _orderly_end() -> Iterator[None]:
    """SIGTERM and SIGHUP raise, within the block."""
    before = {number: signal.signal(number, _end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(number: int, _frame: object) -> None:
    """Raised where the program is, so that it tidies up: spill files, connections, the ledger.

    No Exception, which a library on the way might swallow.
    """
    name = signal.Signals(number).name
    click.echo(f"segpipe: error: ended by {name}; {_LAST_RESULTS_STAY}.", err=True)
    sys.exit(128 + number)


def _leave(message: str, status: int) -> None:
    click.echo(f"segpipe: error: {message}", err=True)
    sys.exit(status)
