"""A queue of customers to assign, and the snapshot of the run that assigns them.

One thread a process works on it, since a hundred customers at once cost little more than one. A
request is answered by one snapshot, even if another run becomes current meanwhile. Single customers
have their turn between the days and parts of a batch.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass, field
from threading import Condition, Thread
from typing import Any

from segpipe.core.assigned import Assigned, Refused
from segpipe.core.errors import SegpipeError
from segpipe.model.document import Model, model_of
from segpipe.realtime import Customer, PreparedFeatures, assign_by_day, prepare_features
from segpipe.runs.current_run import CurrentRun

Answers = list[Assigned | Refused]
AT_ONCE = 200  # single customers, an execution
A_PART = 50  # customers of a batch, an execution: a single customer waits for no more
MOST_WAITING = 4_000  # customers; some seconds of work


class OverloadedError(SegpipeError):
    """More customers are waiting than can be assigned soon."""


@dataclass(frozen=True, eq=False)
class _Job:
    """Customers of one request, or a part of them, and their answers to come."""

    snapshot: Snapshot
    customers: Sequence[Customer]
    answers: Future[Answers] = field(default_factory=Future)


class AssignQueue:
    """Holds the snapshot, and the customers who wait to be assigned by it."""

    def __init__(self, log_error: Callable[[BaseException], None]) -> None:
        self._log_error = log_error  # gets errors that nobody expected
        self._snapshot: Snapshot | None = None
        self._former: list[Snapshot] = []  # that jobs may still wait for
        self._singles: deque[_Job] = deque()
        self._parts: deque[_Job] = deque()  # of batches
        self._n_waiting = 0
        self._is_ending = False
        self._changed = Condition()
        self._thread = Thread(target=self._work, name="assign", daemon=True)

    @property
    def snapshot(self) -> Snapshot | None:
        """The current one, None before the first run."""
        return self._snapshot

    def start(self) -> None:
        """Start working."""
        self._thread.start()

    def end(self) -> None:
        """Finish what waits, and close the snapshot."""
        self.replace(None)
        with self._changed:
            self._is_ending = True
            self._changed.notify()
        self._thread.join()

    def replace(self, snapshot: Snapshot | None) -> None:
        """Assign by this snapshot from now on; the last one is closed when no job waits for it."""
        with self._changed:
            before, self._snapshot = self._snapshot, snapshot
            if before is not None:
                self._former.append(before)
                self._changed.notify()

    def put(self, customers: Sequence[Customer]) -> tuple[Snapshot | None, list[Future[Answers]]]:
        """The snapshot and its answers to come, in order; no answers if it cannot assign.

        Raises OverloadedError if too many customers wait.
        """
        parts = [customers[at : at + A_PART] for at in range(0, len(customers), A_PART)]
        with self._changed:
            snapshot = self._snapshot
            if snapshot is None or snapshot.prepared is None:
                return snapshot, []
            if self._n_waiting + len(customers) > MOST_WAITING:
                raise OverloadedError(
                    "Too many customers are waiting to be assigned; try again soon."
                )
            jobs = [_Job(snapshot, part) for part in parts]
            (self._singles if len(customers) == 1 else self._parts).extend(jobs)
            self._n_waiting += len(customers)
            self._changed.notify()
        return snapshot, [job.answers for job in jobs]

    def _work(self) -> None:
        while self._wait():
            self._answer_singles()
            part = self._take_part()
            if part:
                self._answer([part], self._answer_singles)
            self._close_former()

    def _wait(self) -> bool:
        """Wait for work; False at the end, once all of it is done."""
        with self._changed:
            while not (self._singles or self._parts or self._former or self._is_ending):
                self._changed.wait()
            return bool(self._singles or self._parts or self._former)

    def _answer_singles(self) -> None:
        """Answer the single customers that wait by now, as many as fit into one execution."""
        with self._changed:
            taken: list[_Job] = []
            while self._singles and len(taken) < AT_ONCE and _is_same(self._singles[0], taken):
                taken.append(self._singles.popleft())
            self._n_waiting -= len(taken)
        self._answer(taken)

    def _take_part(self) -> _Job | None:
        with self._changed:
            part = self._parts.popleft() if self._parts else None
            self._n_waiting -= len(part.customers) if part else 0
        return part

    def _close_former(self) -> None:
        """Close the former snapshots that no job waits for."""
        with self._changed:
            wanted = {id(job.snapshot) for job in (*self._singles, *self._parts)}
            done = [one for one in self._former if id(one) not in wanted]
            self._former = [one for one in self._former if id(one) in wanted]
        for one in done:
            one.closing.close()

    def _answer(self, jobs: Sequence[_Job], between: Callable[[], None] = lambda: None) -> None:
        """Answer jobs of one snapshot; `between` is called after each day of their customers."""
        wanted = [job for job in jobs if job.answers.set_running_or_notify_cancel()]
        if wanted:
            self._run(wanted, between)

    def _run(self, jobs: Sequence[_Job], between: Callable[[], None]) -> None:
        try:
            answers = _assigned(jobs, between)
        except Exception as error:  # noqa: BLE001 - the thread's edge: others wait
            self._log_error(error)
            if len(jobs) == 1:
                jobs[0].answers.set_exception(error)
                return
            for job in jobs:  # one by one, so that only the job at fault fails
                self._run([job], between)
            return
        at = 0
        for job in jobs:
            job.answers.set_result(answers[at : at + len(job.customers)])
            at += len(job.customers)


def _is_same(job: _Job, taken: Sequence[_Job]) -> bool:
    return not taken or job.snapshot is taken[0].snapshot


def _assigned(jobs: Sequence[_Job], between: Callable[[], None]) -> Answers:
    snapshot = jobs[0].snapshot
    assert snapshot.prepared is not None  # noqa: S101 - put() takes no others
    assert snapshot.model is not None  # noqa: S101 - as above
    customers = [customer for job in jobs for customer in job.customers]
    answers: dict[int, Assigned | Refused] = {}
    for found in assign_by_day(snapshot.prepared, snapshot.model, customers):
        answers |= found
        between()
    return [answers[index] for index in range(len(customers))]


@dataclass(frozen=True)
class Snapshot:
    """A run with its model, ready to assign; nothing in it changes."""

    run: CurrentRun
    model: Model | None  # None: the run kept none, and cannot assign
    prepared: PreparedFeatures | None
    closing: ExitStack = field(repr=False)


def open_snapshot(run: CurrentRun, document: dict[str, Any] | None) -> Snapshot:
    """The run with its statements prepared, which takes half a second; close it by `closing`."""
    closing = ExitStack()
    if document is None:
        return Snapshot(run, None, None, closing)
    model = model_of(document, f"of run {run.run_id}")
    return Snapshot(run, model, closing.enter_context(prepare_features(model)), closing)
