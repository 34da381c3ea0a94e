"""Clients who keep asking a service while a test breaks something."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from threading import Event

from segpipe.api.examples import MINIMAL
from tests.support.services import Answer, Served

READS = (
    "/segments/customer/c0001",
    "/segments/stats",
    "/segments/axes",
    "/segments/customer/c0002/explain",
    "/runs",
)


@dataclass(frozen=True)
class Asked:
    """An answer, and to what."""

    path: str
    answer: Answer


@dataclass(frozen=True)
class Load:
    """Requests that go on until `end`."""

    is_over: Event
    asking: list[Future[list[Asked]]]

    def end(self) -> list[Asked]:
        self.is_over.set()
        return [asked for one in self.asking for asked in one.result()]


@contextmanager
def under_load(served: Served, paths: Sequence[str] = READS, n: int = 3) -> Iterator[Load]:
    """About 60 lookups a second, with an assignment after every fifth."""
    is_over = Event()

    def ask() -> list[Asked]:
        found: list[Asked] = []
        for number in count():
            if is_over.wait(0.05):
                break
            path = paths[number % len(paths)]
            found.append(Asked(path, served.get(path)))
            if number % 5 == 0:
                found.append(Asked("/segments/assign", served.post("/segments/assign", MINIMAL)))
        return found

    with ThreadPoolExecutor(n) as askers:
        try:
            yield Load(is_over, [askers.submit(ask) for _ in range(n)])
        finally:
            is_over.set()
