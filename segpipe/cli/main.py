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
    "the last results stay live, unless this run had already published (see `segpipe runs`)"
)
_SECTIONS = {
    "Segment customers": (run, doctor, demo, generate),
    "Look at the results": (show, explain, sql, transitions, report, export),
    "Manage runs": (runs, diff, rollback, forget),
    "Serve in real time": (serve, keys, parity),
    "The database": (db,),
}


class _Commands(click.Group):
    """The commands in sections; a reader of the output that stops early (`| head`) is no failure.

    Click itself would end with status 1 then.
    """

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands by section, in the order in which one needs them."""
        width = formatter.width - 6 - max(map(len, self.list_commands(ctx)))
        for title, commands in _SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(c.name or "", c.get_short_help_str(width)) for c in commands])

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
    """Give every customer of a shop a segment on each of 13 behavioural axes, in PostgreSQL.

    Example: segpipe run --csv-path product_sales_order.csv
    """


for command in (command for section in _SECTIONS.values() for command in section):
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
        what = f"unexpected {type(error).__name__}: {error}"
        _leave(f"{what} (SEGPIPE_DEBUG=1 shows where). Please report it.", 1)


def start(prog_name: str = "segpipe") -> NoReturn:
    """Run `main` as a process of its own, which ends at once when it is done.

    Python would take half a second to free, object by object, what the system frees anyway. And
    after an interrupt during an import it would end by the signal, whatever was caught.
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
            with suppress(OSError):  # its reader may have gone
                stream.flush()
    os._exit(status)


@contextmanager
def _orderly_end() -> Iterator[None]:
    """Make SIGTERM and SIGHUP raise within the block."""
    before = {number: signal.signal(number, _end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(number: int, _frame: object) -> None:
    """Raise SystemExit, so that the program cleans up: spill files, connections, the ledger.

    It is no Exception, which a library might swallow on the way.
    """
    name = signal.Signals(number).name
    click.echo(f"segpipe: error: ended by {name}; {_LAST_RESULTS_STAY}.", err=True)
    sys.exit(128 + number)


def _leave(message: str, status: int) -> None:
    click.echo(f"segpipe: error: {message}", err=True)
    sys.exit(status)
