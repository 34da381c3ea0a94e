"""Customers who wait to be assigned: takes them one by one, has them assigned many at once.

One thread a worker does it, since a hundred at once cost little more than one. What one request
asks for is answered by one snapshot, also where another run comes in force meanwhile.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Condition, Thread

from segpipe.api.snapshot import Snapshot
from segpipe.errors import SegpipeError
from segpipe.realtime import Assigned, Customer, Refused, assign_customers

Answers = list[Assigned | Refused]
AT_ONCE = 200  # customers an execution
MOST_WAITING = 4_000  # customers; some seconds of work


class OverloadedError(SegpipeError):
    """More wait already than can be answered soon."""


@dataclass(frozen=True, eq=False)
class _Job:
    """Customers of one request, and who waits for them; without customers, the snapshot's end."""

    snapshot: Snapshot
    customers: Sequence[Customer]
    answers: Future[Answers] = field(default_factory=Future)


class AssignQueue:
    """Holds the snapshot, and who waits for it."""

    def __init__(self, told: Callable[[BaseException], None]) -> None:
        self._told = told  # of what nobody foresaw
        self._snapshot: Snapshot | None = None
        self._jobs: deque[_Job] = deque()
        self._n_waiting = 0
        self._is_ending = False
        self._changed = Condition()
        self._thread = Thread(target=self._work, name="assign", daemon=True)

    @property
    def snapshot(self) -> Snapshot | None:
        """The one in force, None before the first run."""
        return self._snapshot

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def end(self) -> None:
        """Finish what waits, and let go of the snapshot."""
        self.replace(None)
        with self._changed:
            self._is_ending = True
            self._changed.notify()
        self._thread.join()

    def replace(self, snapshot: Snapshot | None) -> None:
        """Answer by this snapshot from now on; the one before ends behind those who wait for it."""
        with self._changed:
            before, self._snapshot = self._snapshot, snapshot
            if before is not None:
                self._jobs.append(_Job(before, ()))
                self._changed.notify()

    def put(self, customers: Sequence[Customer]) -> tuple[Snapshot | None, list[Future[Answers]]]:
        """The snapshot that answers, and its answers to come, in order; without one, none.

        Raises OverloadedError where too many wait.
        """
        parts = [customers[at : at + AT_ONCE] for at in range(0, len(customers), AT_ONCE)]
        with self._changed:
            snapshot = self._snapshot
            if snapshot is None or snapshot.rollup is None:
                return snapshot, []
            if self._n_waiting + len(customers) > MOST_WAITING:
                raise OverloadedError("Too many customers wait to be assigned; try again soon.")
            jobs = [_Job(snapshot, part) for part in parts]
            self._jobs.extend(jobs)
            self._n_waiting += len(customers)
            self._changed.notify()
        return snapshot, [job.answers for job in jobs]

    def _work(self) -> None:
        while jobs := self._take():
            if not jobs[0].customers:
                jobs[0].snapshot.closing.close()
                continue
            wanted = [job for job in jobs if job.answers.set_running_or_notify_cancel()]
            if wanted:
                self._answer(wanted)

    def _take(self) -> list[_Job]:
        """The next jobs of one snapshot that go into one execution; none at the end."""
        with self._changed:
            while not self._jobs and not self._is_ending:
                self._changed.wait()
            taken: list[_Job] = []
            while self._jobs and _fits(self._jobs[0], taken):
                taken.append(self._jobs.popleft())
            self._n_waiting -= sum(len(job.customers) for job in taken)
        return taken

    def _answer(self, jobs: Sequence[_Job]) -> None:
        try:
            answers = _assigned(jobs)
        except Exception as error:  # noqa: BLE001 - the thread's edge: the others are to be served
            self._told(error)
            if len(jobs) == 1:
                jobs[0].answers.set_exception(error)
                return
            for job in jobs:  # whoever it was that could not be served
                self._answer([job])
            return
        at = 0
        for job in jobs:
            job.answers.set_result(answers[at : at + len(job.customers)])
            at += len(job.customers)


def _fits(job: _Job, taken: Sequence[_Job]) -> bool:
    if not taken:
        return True
    n_customers = sum(len(one.customers) for one in taken) + len(job.customers)
    is_same = job.snapshot is taken[0].snapshot
    return is_same and bool(job.customers and taken[0].customers) and n_customers <= AT_ONCE


def _assigned(jobs: Sequence[_Job]) -> Answers:
    snapshot = jobs[0].snapshot
    assert snapshot.rollup is not None  # noqa: S101 - put() admits no others
    assert snapshot.model is not None  # noqa: S101 - as above
    customers = [customer for job in jobs for customer in job.customers]
    return assign_customers(snapshot.rollup, snapshot.model, customers)
