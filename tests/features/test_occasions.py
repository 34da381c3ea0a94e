"""Occasions: days with an order, and what is said of their months, held against plain counting."""

from __future__ import annotations

import random
from collections import Counter
from datetime import date, timedelta
from typing import Any

import pytest

from tests.support.features import AS_OF, features_of, line

FIRST = date(2019, 11, 1)


def test_orders_of_one_day_are_one_occasion_with_the_hour_of_the_first() -> None:
    rows = [
        line("a", "o2", "2025-02-07 20:00"),
        line("a", "o1", "2025-02-07 09:30"),  # a Friday
        line("a", "o3", "2025-02-08 21:00"),
        line("a", "o4", "2025-02-08 22:00"),
    ]
    found = features_of(rows, as_of=AS_OF)["a"]
    assert (found["n_orders"], found["n_occasions"], found["n_recent_occasions"]) == (4, 2, 2)
    assert found["n_business_hours_occasions"] == found["n_weekend_occasions"] == 1
    assert (found["n_evening_occasions"], found["evening_order_share"]) == (1, 0.75)
    assert (found["n_earlier_occasions"], found["n_later_occasions"]) == (1, 0)
    assert found["month_concentration"] == 1


def test_a_day_is_that_of_the_shops_clock() -> None:
    rows = [
        line("a", "o1", "2024-12-31 21:30", ordered_local="2024-12-31 22:30"),
        line("a", "o2", "2024-12-31 23:30", ordered_local="2025-01-01 00:30"),
    ]
    found = features_of(rows, as_of=AS_OF)["a"]
    assert (found["n_occasions"], found["n_nov_dec_occasions"]) == (2, 1)


def test_an_occasion_exactly_in_the_middle_counts_half_in_each_half() -> None:
    days = ("2025-01-01 00:00", "2025-01-11 00:00", "2025-01-21 00:00")  # as_of: 31 January
    rows = [line("a", f"o{at}", at) for at in (*days, "2025-01-16 00:00")]
    found = features_of(rows, as_of=date(2025, 1, 31))["a"]
    assert (found["n_earlier_occasions"], found["n_later_occasions"]) == (1.5, 1.5)


@pytest.mark.parametrize("as_of", [date(2024, 2, 28), date(2024, 2, 29), date(2025, 3, 1)])
def test_months_are_as_counted_day_by_day(as_of: date) -> None:
    draw = random.Random(3)  # noqa: S311 - made-up orders
    history = (as_of - FIRST).days
    days = {
        f"c{n:03}": [
            FIRST + timedelta(draw.randint(history // 9 * (n % 9), history))
            for _ in range(draw.randint(1, 6))
        ]
        for n in range(200)
    }
    days |= {"leap": [date(2020, 2, 29), as_of], "after": [date(2020, 3, 1)], "today": [as_of]}
    rows = [
        line(customer, f"{customer}-{number}", f"{day} 12:00")
        for customer, own in days.items()
        for number, day in enumerate(own)
    ]
    found = features_of(rows, as_of=as_of, inputs=frozenset())
    for customer, own in days.items():
        expected = _counted(own, as_of)
        assert {name: found[customer][name] for name in expected} == pytest.approx(expected)


def _counted(days: list[date], as_of: date) -> dict[str, Any]:
    occasions = Counter(day.month for day in set(days))
    first = min(days)
    n_days = (as_of - first).days + 1
    all_days = Counter((first + timedelta(n)).month for n in range(n_days))
    pairs = [(month, month % 12 + 1) for month in range(1, 13)]
    n_best, n_best_days = max(
        (occasions[a] + occasions[b], -all_days[a] - all_days[b]) for a, b in pairs
    )
    return {
        "n_nov_dec_occasions": occasions[11] + occasions[12],
        "nov_dec_day_share": (all_days[11] + all_days[12]) / n_days,
        "n_calendar_months": len(occasions),
        "n_best_months_occasions": n_best,
        "best_months_day_share": -n_best_days / n_days,
    }
