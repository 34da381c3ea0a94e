"""Progress of long work: bars on a terminal, plain log lines elsewhere, nothing when quiet.

Everything goes to standard error, so that standard output stays the report.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Protocol

from segpipe.core.report import StageInfo

if TYPE_CHECKING:
    from rich.progress import TaskID

LOG = logging.getLogger("segpipe")


class Progress(Protocol):
    """What a stage reports while it works."""

    def stage(self, name: str) -> None:
        """A stage begins."""

    def step(self, done: str) -> None:
        """A part of the stage is done."""

    def advance(self, done: int, total: int) -> None:
        """`done` of `total` customers are processed."""

    def notify(self, message: str) -> None:
        """Show a message at once, such as why the run waits."""


class Quiet:
    """Reports nothing."""

    def stage(self, name: str) -> None:
        """Nothing."""

    def step(self, done: str) -> None:
        """Nothing."""

    def advance(self, done: int, total: int) -> None:
        """Nothing."""

    def notify(self, message: str) -> None:
        """Nothing."""


class PlainLines:
    """A log line per stage, and per tenth of the customers."""

    def __init__(self) -> None:
        self._stage = ""
        self._tenth = 0

    def stage(self, name: str) -> None:
        """Log the stage's start."""
        self._stage, self._tenth = name, 0
        LOG.info("%s: started", name)

    def step(self, done: str) -> None:
        """Log the part, at debug level."""
        LOG.debug("%s: %s", self._stage, done)

    def advance(self, done: int, total: int) -> None:
        """Log each further tenth."""
        tenth = 10 * done // max(total, 1)
        if tenth > self._tenth:
            self._tenth = tenth
            LOG.info("%s: %s of %s customers", self._stage, f"{done:,}", f"{total:,}")

    def notify(self, message: str) -> None:
        """Log it."""
        LOG.warning("%s", message)


class Bars:
    """A live line on the terminal: stage, its last part, and a bar where the total is known."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as RichProgress

        self.rich = RichProgress(
            TextColumn("{task.description:<10}"),
            BarColumn(bar_width=30),
            TimeElapsedColumn(),
            TextColumn("{task.fields[status]}"),
            console=Console(stderr=True),
        )
        self._task: TaskID | None = None

    def stage(self, name: str) -> None:
        """Fill the bar of the last stage, and start a new one."""
        if self._task is not None:
            task = self.rich.tasks[self._task]
            self.rich.update(
                self._task, total=task.total or 1, completed=task.total or 1, status=""
            )
        self._task = self.rich.add_task(name, total=None, status="")

    def step(self, done: str) -> None:
        """Show the part."""
        if self._task is not None:
            self.rich.update(self._task, status=done)

    def advance(self, done: int, total: int) -> None:
        """Move the bar."""
        if self._task is not None:
            status = f"{done:,} of {total:,} customers"
            self.rich.update(self._task, total=total, completed=done, status=status)

    def notify(self, message: str) -> None:
        """Print it above the bars."""
        self.rich.console.print(message, markup=False, highlight=False)


@contextmanager
def open_progress(*, is_quiet: bool) -> Iterator[Progress]:
    """The progress that fits standard error."""
    if is_quiet:
        yield Quiet()
    elif sys.stderr.isatty():
        bars = Bars()
        with bars.rich:
            yield bars
    else:
        logging.basicConfig(
            stream=sys.stderr, format="%(asctime)s %(message)s", datefmt="%Y-%m-%d %H:%M:%S"
        )
        LOG.setLevel(logging.INFO)
        yield PlainLines()


class StageClock:
    """Times the stages, reports their progress, and knows the current one."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.on_stage: Callable[[str], None] | None = None  # called at the start of each stage
        self.current = "settings"
        self.timed: list[StageInfo] = []

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Time the block as the stage `name`."""
        self.current = name
        self.progress.stage(name)
        if self.on_stage:
            self.on_stage(name)
        started = perf_counter()
        yield
        self.timed.append(StageInfo(name, perf_counter() - started))
