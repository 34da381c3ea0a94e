"""Dates, weekdays and hours are the shop's wall clock, in every time zone of host and engine."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import date

import pytest

from segpipe.features import compute_features
from tests.support.features import engine_of, fetched, line


@pytest.fixture
def _host_in_auckland(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


EVENING = [
    line("a", "o1", "2024-12-31 23:30", ordered_local="2025-01-01 00:30"),
    line("a", "o2", "2025-01-05 16:30", ordered_local="2025-01-05 17:30"),
    line("b", "o3", "2025-01-31 23:59", ordered_local="2025-02-01 00:59"),
]


@pytest.mark.usefixtures("_host_in_auckland")
def test_time_zone_of_the_host_changes_nothing() -> None:
    with engine_of(EVENING) as engine:
        info, _ = compute_features(engine, frozenset(), None)
        found = fetched(engine)
    assert info.as_of == date(2025, 2, 2)
    assert found["a"]["tenure_days"] == 32  # from the shop's New Year's Day
    assert found["a"]["nov_dec_order_share"] == 0
    assert found["a"]["weekend_order_share"] == 0.5
    assert found["b"]["recency_days"] == 1


def test_time_zone_of_the_engine_changes_nothing() -> None:
    with engine_of(EVENING) as engine:
        compute_features(engine, frozenset(), None)
        in_utc = fetched(engine)
        engine.execute("SET TimeZone = 'Pacific/Auckland'")
        compute_features(engine, frozenset(), None)
        assert fetched(engine) == in_utc
