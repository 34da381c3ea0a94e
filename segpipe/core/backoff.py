"""Attempts that are repeated: one policy for whatever may succeed a little later."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tenacity import RetryCallState, Retrying, wait_exponential
from tenacity.retry import retry_base
from tenacity.stop import stop_base


def backoff(
    *,
    retry: retry_base,
    stop: stop_base,
    first_seconds: float,
    longest_seconds: float,
    before_sleep: Callable[[RetryCallState], None] | None = None,
) -> Retrying:
    """A caller that repeats what `retry` names, and gives the last result or error at `stop`.

    It waits `first_seconds`, then twice as long each time, up to `longest_seconds`. A failed
    attempt is forgotten before the wait, so that a broken connection is not kept alive by it.
    """
    return Retrying(
        retry=retry,
        stop=stop,
        wait=wait_exponential(multiplier=first_seconds, max=longest_seconds),
        before_sleep=before_sleep,
        retry_error_callback=_last_outcome,
    )


def _last_outcome(state: RetryCallState) -> Any:  # noqa: ANN401 - whatever the call gives
    assert state.outcome  # noqa: S101 - tenacity asks once an attempt is done
    return state.outcome.result()
