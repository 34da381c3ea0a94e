"""The stages of a run as they pass: timed, told to the progress, and known by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter

from segpipe.core.progress import Progress
from segpipe.core.report import StageInfo


class Stages:
    """Times the stages, tells the progress of each, and knows which one is at work."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.tell: Callable[[str], None] | None = None  # who else is to know of each stage
        self.current = "settings"
        self.timed: list[StageInfo] = []

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Time the block as the stage `name`."""
        self.current = name
        self.progress.stage(name)
        if self.tell:
            self.tell(name)
        started = perf_counter()
        yield
        self.timed.append(StageInfo(name, perf_counter() - started))
