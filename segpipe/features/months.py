"""Occasions by calendar month, held against the days that each month had since the first order.

A calendar month is one of twelve, of whatever year. Takes the sums of features.measures, a row a
customer, with `month_1` to `month_12`; adds what is said of months.
"""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import Any

import ibis
import ibis.expr.types as ir

from segpipe.features.grains import ratio, total

_MONTHS = range(1, 13)
_ENDS = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365)  # as days of the year
_MANY_DAYS = 2**20  # more than any history has


def month_sums(
    month: ir.IntegerValue,
    is_new_day: ir.BooleanValue,
    days_ago: ir.IntegerValue,
    as_of: ir.DateValue,
) -> dict[str, Any]:
    """Aggregates of a customer's orders: occasions by month, and where their time begins and ends.

    `month` and `days_ago` are those of an order.
    """
    month_of_day = ibis.ifelse(is_new_day, month, 0)
    first = as_of - days_ago.max().as_interval("D")
    return {
        **{f"month_{m}": total(month_of_day == m) for m in _MONTHS},
        "n_days": days_ago.max() + 1,  # both ends count
        "n_years": as_of.year() - first.year(),
        "first_day": _day_of_year(first) - 1,
        "last_day": _day_of_year(as_of),
    }


def with_months(sums: ir.Table) -> ir.Table:
    """The sums with what is said of months, and `best_months` for `best_month_measures`."""
    occasions = [sums[f"month_{m}"] for m in _MONTHS]
    days = _days_of_months(sums)
    # Less of its days, so that of equal months the one with the fewest is above.
    ranks = [n * _MANY_DAYS - of_month for n, of_month in zip(occasions, days, strict=True)]
    return sums.mutate(
        best_months=ibis.greatest(*map(add, ranks, [*ranks[1:], ranks[0]])),
        n_nov_dec_occasions=occasions[10] + occasions[11],
        nov_dec_day_share=ratio(days[10] + days[11], sums.n_days),
        n_calendar_months=reduce(add, ((n > 0).cast("int8") for n in occasions)),
    )


def best_month_measures(sums: ir.Table) -> dict[str, Any]:
    """Of the two neighbouring months with most occasions; of equal ones, with the fewest days."""
    n_best = (sums.best_months / _MANY_DAYS).ceil()
    n_days = n_best * _MANY_DAYS - sums.best_months
    return {
        "n_best_months_occasions": n_best,
        "best_months_day_share": ratio(n_days, sums.n_days),
    }


def _days_of_months(sums: ir.Table) -> list[Any]:
    """Days from the first order to as_of in each month."""
    until = [
        sums.n_years * end + ibis.least(sums.last_day, end) - ibis.least(sums.first_day, end)
        for end in _ENDS[1:]
    ]
    january, *others = until
    days = [january, *(after - before for after, before in zip(others, until, strict=False))]
    days[1] += sums.n_days - until[11]  # the 29ths of February
    return days


def _day_of_year(day: ir.DateValue) -> Any:
    """1 to 365, as in a year without 29 February, which is the same as the 28th."""
    month = day.month()
    before = (month * 367 - 362) // 12 - ibis.ifelse(month > 2, 2, 0)
    return before + ibis.ifelse(month == 2, ibis.least(day.day(), 28), day.day())
