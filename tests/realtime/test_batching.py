"""The queue assigns many customers at once, in order, by one snapshot; each fails alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, date, datetime
from threading import Event
from typing import Any, cast

import pytest

from segpipe.answers import CurrentRun
from segpipe.realtime import Customer
from segpipe.realtime import batching as queue_module
from segpipe.realtime.batching import MOST_WAITING, AssignQueue, OverloadedError, Snapshot
from tests.support.live_database import wait_for


def snapshot(run_id: int, closed: list[int]) -> Snapshot:
    """A snapshot whose model is its number; `closed` gets the number when it is closed."""
    closing = ExitStack()
    closing.callback(closed.append, run_id)
    run = CurrentRun(run_id, date(2025, 1, 1), datetime(2025, 1, 1, tzinfo=UTC), 1, None)
    return Snapshot(run, cast("Any", run_id), cast("Any", "prepared features"), closing)


def customers(*names: str) -> list[Customer]:
    return [Customer(name, ()) for name in names]


class Work:
    """Replaces the assignment: answers run and name, fails for `bad`, waits until it may go on."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.begun = Event()
        self.may_go_on = Event()

    def __call__(
        self, _prepared: object, model: object, found: Sequence[Customer]
    ) -> Iterator[dict[int, Any]]:
        for day in dict.fromkeys(one.as_of for one in found):
            yield self._one_day(model, found, [one for one in found if one.as_of == day])

    def _one_day(
        self, model: object, found: Sequence[Customer], day: Sequence[Customer]
    ) -> dict[int, Any]:
        self.sizes.append(len(day))
        self.begun.set()
        assert self.may_go_on.wait(30)
        if any(one.customer_id == "bad" for one in day):
            raise ZeroDivisionError
        return {found.index(one): (model, one.customer_id) for one in day}


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    made = Work()
    monkeypatch.setattr(queue_module, "assign_by_day", made)
    return made


@pytest.fixture
def queue(work: Work) -> Iterator[AssignQueue]:
    made = AssignQueue(lambda _error: None)
    made.start()
    yield made
    work.may_go_on.set()
    made.end()


def test_waiting_customers_are_assigned_together(queue: AssignQueue, work: Work) -> None:
    queue.replace(snapshot(1, []))
    first = queue.put(customers("a"))[1]
    assert work.begun.wait(30)
    rest = [queue.put(customers(name))[1] for name in "bcd"]
    work.may_go_on.set()
    found: list[Any] = [one.result(30) for [one] in (first, *rest)]
    assert found == [[(1, "a")], [(1, "b")], [(1, "c")], [(1, "d")]]
    assert work.sizes == [1, 3]


def test_a_customer_who_fails_fails_alone(queue: AssignQueue, work: Work) -> None:
    queue.replace(snapshot(1, []))
    first = queue.put(customers("a"))[1]
    assert work.begun.wait(30)
    [bad], [good] = (queue.put(customers(name))[1] for name in ("bad", "good"))
    work.may_go_on.set()
    assert first[0].result(30)
    assert good.result(30) == cast("Any", [(1, "good")])
    with pytest.raises(ZeroDivisionError):
        bad.result(30)


def test_a_request_is_answered_by_the_snapshot_it_found(queue: AssignQueue, work: Work) -> None:
    closed: list[int] = []
    queue.replace(snapshot(1, closed))
    first = queue.put(customers("a"))[1]
    assert work.begun.wait(30)
    many = [f"n{index}" for index in range(450)]
    parts = queue.put(customers(*many))[1]
    queue.replace(snapshot(2, closed))
    last = queue.put(customers("z"))[1]
    assert closed == []
    work.may_go_on.set()
    assert last[0].result(30) == cast("Any", [(2, "z")])
    found = [answer for part in parts for answer in part.result(30)]
    assert found == cast("Any", [(1, name) for name in many])
    assert first[0].done()
    wait_for(lambda: closed == [1])
    assert work.sizes == [1, 50, 1, *[50] * 8], "a single customer goes between the parts"


def test_a_single_customer_goes_between_the_days_of_a_batch(queue: AssignQueue, work: Work) -> None:
    queue.replace(snapshot(1, []))
    two_days = [
        replace(one, as_of=date(2025, 1, day)) for day, one in enumerate(customers("n0", "n1"), 1)
    ]
    [part] = queue.put(two_days)[1]
    assert work.begun.wait(30)
    [alone] = queue.put(customers("alone"))[1]
    alone.add_done_callback(lambda _done: early.append(not part.done()))
    early: list[bool] = []
    work.may_go_on.set()
    assert part.result(30) == cast("Any", [(1, f"n{at}") for at in range(2)])
    assert early == [True]


def test_too_many_customers_are_refused(queue: AssignQueue, work: Work) -> None:
    queue.replace(snapshot(1, []))
    queue.put(customers("a"))
    assert work.begun.wait(30)
    queue.put(customers(*["x"] * MOST_WAITING))
    with pytest.raises(OverloadedError):
        queue.put(customers("one more"))


def test_a_cancelled_customer_is_skipped(queue: AssignQueue, work: Work) -> None:
    queue.replace(snapshot(1, []))
    queue.put(customers("a"))
    assert work.begun.wait(30)
    [gone] = queue.put(customers("gone"))[1]
    [here] = queue.put(customers("here"))[1]
    assert gone.cancel()
    work.may_go_on.set()
    assert here.result(30) == cast("Any", [(1, "here")])
    assert work.sizes == [1, 1]


def test_without_a_run_no_customer_waits(queue: AssignQueue) -> None:
    assert queue.put(customers("a")) == (None, [])
