"""Attempts that are repeated: what is repeated, when, and what comes out at the end."""

from __future__ import annotations

import weakref
from collections.abc import Iterator

import pytest
from tenacity import (
    retry_if_exception_type,
    retry_if_result,
    stop_after_attempt,
    stop_before_delay,
)

from segpipe.core.backoff import backoff


class _Failure(Exception):  # noqa: N818 - stands for any error
    pass


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    found: list[float] = []
    monkeypatch.setattr("tenacity.nap.time.sleep", found.append)
    return found


def test_the_pauses_double_up_to_the_longest(pauses: list[float]) -> None:
    attempting = backoff(
        retry=retry_if_exception_type(_Failure),
        stop=stop_after_attempt(6),
        first_seconds=0.5,
        longest_seconds=3,
    )
    with pytest.raises(_Failure):
        attempting(_fail)
    assert pauses == [0.5, 1, 2, 3, 3]


def test_other_errors_end_it_at_once(pauses: list[float]) -> None:
    attempting = backoff(
        retry=retry_if_exception_type(KeyError),
        stop=stop_after_attempt(6),
        first_seconds=1,
        longest_seconds=1,
    )
    with pytest.raises(_Failure):
        attempting(_fail)
    assert pauses == []


def test_the_last_result_is_given_where_results_are_repeated(pauses: list[float]) -> None:
    answers: Iterator[int] = iter([3, 2, 1])
    attempting = backoff(
        retry=retry_if_result(bool),
        stop=stop_after_attempt(2),
        first_seconds=1,
        longest_seconds=1,
    )
    assert attempting(lambda: next(answers)) == 2
    assert pauses == [1]


def test_it_ends_before_a_pause_that_would_last_too_long(pauses: list[float]) -> None:
    attempting = backoff(
        retry=retry_if_exception_type(_Failure),
        stop=stop_before_delay(1.5),
        first_seconds=0.5,
        longest_seconds=60,
    )
    with pytest.raises(_Failure):
        attempting(_fail)
    assert pauses == [0.5, 1]  # the clock stands still here: 2 would be past the limit


def test_a_failed_attempt_is_let_go_before_the_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[weakref.ref[_Failure]] = []
    alive: list[bool] = []
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _: alive.append(held[-1]() is not None))

    def attempt() -> None:
        failure = _Failure()
        held.append(weakref.ref(failure))
        try:
            raise failure
        finally:
            del failure  # else this frame would hold it

    attempting = backoff(
        retry=retry_if_exception_type(_Failure),
        stop=stop_after_attempt(2),
        first_seconds=1,
        longest_seconds=1,
    )
    with pytest.raises(_Failure):
        attempting(attempt)
    assert alive == [False]


def _fail() -> None:
    raise _Failure
