"""Missing months and isolated days of a list of days."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from segpipe.doctor.dates import isolated_days, missing_months


def test_missing_months_cross_the_year() -> None:
    days = [(date(2023, 11, 30), 1), (date(2024, 2, 1), 2), (date(2024, 2, 9), 1)]
    assert missing_months(days) == ["2023-12", "2024-01"]


def test_a_shop_that_closes_for_long_every_year_has_no_isolated_days() -> None:
    summers = [date(year, 6, 1) + timedelta(days=i) for year in (2022, 2023, 2024) for i in (0, 9)]
    days = [(day, 5) for day in summers]
    assert isolated_days(days) == ([], days, [])
    typo = [(date(1924, 6, 1), 1), *days, (date(2042, 6, 1), 1)]
    assert isolated_days(typo) == (typo[:1], days, typo[-1:])


@given(st.dictionaries(st.dates(date(1990, 1, 1), date(2040, 1, 1)), st.integers(1, 9), min_size=1))
def test_no_day_is_lost_and_few_orders_are_isolated(found: dict[date, int]) -> None:
    days = sorted(found.items())
    early, body, late = isolated_days(days)
    assert early + body + late == days
    assert body
    allowed = max(1.0, 0.001 * sum(found.values()))
    assert sum(n for _, n in early) <= allowed
    assert sum(n for _, n in late) <= allowed
