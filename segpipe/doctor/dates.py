"""Findings on time: span, missing months, days far from all others, the future, times of day.

Takes the orders that are known; days far from all others are told apart first, so that one
mistyped year does not make every month between a missing one.
"""

from __future__ import annotations

from datetime import date, time, timedelta
from itertools import pairwise

from segpipe.core.report import FeatureInfo, SourceInfo
from segpipe.core.settings import RunSettings
from segpipe.core.text import counted, percent_of
from segpipe.doctor.lines import KNOWN_ORDERS
from segpipe.doctor.record import Finding
from segpipe.engines.duckdb import Connection

Days = list[tuple[date, int]]  # ascending, with orders
_LONE_SHARE = 0.001  # of the orders, from which far days are no slip
_MIN_LONE_GAP_DAYS = 30
_LONE_GAPS = 3  # times the longest gap among the other days
_MIN_ORDERS = 10  # below which no day is far from the others
_SHORT_DAYS = 180
_STAMP_SHARE = 0.2  # of orders at one time to the second, which people are not
_MIN_STAMPED = 50
_MAX_MONTHS = 12


def date_findings(
    engine: Connection,
    settings: RunSettings,
    source: SourceInfo,
    features: FeatureInfo | None,
    today: date,
) -> list[Finding]:
    """Everything about dates and times; `features` is None where no order is left."""
    days: Days = engine.execute(
        f"SELECT ordered_local::DATE AS day, count(*) FROM {KNOWN_ORDERS} "
        f"WHERE ordered_local IS NOT NULL GROUP BY day ORDER BY day"
    ).fetchall()
    if not days:
        return []
    early, body, late = lone_days(days)
    findings = [_span(body), _months(body)]
    if early:
        findings.append(_early(early, body))
    as_of = settings.features.as_of or date.max
    if late and late[0][0] <= as_of:
        findings.append(_late(late, body))
    future = [(day, n) for day, n in body if today < day <= as_of]
    if future:
        findings.append(_future(future, today))
    if features and features.n_future_lines:
        found = f"{counted(features.n_future_lines, 'line')} dated after as_of, {features.as_of}."
        told = "Left out, as --as-of asks."
        if settings.features.as_of is None:
            told = (
                "Left out: returns after the newest order; --as-of with a later day takes them in."
            )
        findings.append(Finding("note", "as_of", found, told))
    findings.append(_times(engine, source))
    return findings


def lone_days(days: Days) -> tuple[Days, Days, Days]:
    """Split into days far before all others, the others, and days far after them."""
    total = sum(n for _, n in days)
    if total < _MIN_ORDERS:
        return [], days, []
    allowed = max(1.0, _LONE_SHARE * total)
    first = _n_within(days, allowed)
    last = len(days) - _n_within(days[::-1], allowed)
    usual = max(_gaps(days[first:last]), default=0)
    limit = max(_MIN_LONE_GAP_DAYS, _LONE_GAPS * usual)
    gaps = _gaps(days)  # gaps[i] lies between days i and i + 1
    begin = max((i + 1 for i in range(min(first, len(gaps))) if gaps[i] > limit), default=0)
    end = min((i + 1 for i in range(max(last - 1, 0), len(gaps)) if gaps[i] > limit), default=None)
    return days[:begin], days[begin:end], days[len(days) if end is None else end :]


def missing_months(days: Days) -> list[str]:
    """Calendar months between the first and the last day in which there is no day."""
    there = {(day.year, day.month) for day, _ in days}
    month, missing = min(there), []
    while month < max(there):
        if month not in there:
            missing.append(f"{month[0]}-{month[1]:02d}")
        month = (month[0] + month[1] // 12, month[1] % 12 + 1)
    return missing


def _n_within(days: Days, allowed: float) -> int:
    """How many of the first days hold no more orders than allowed, together."""
    held = 0
    for index, (_, n) in enumerate(days):
        held += n
        if held > allowed:
            return index
    return len(days)


def _gaps(days: Days) -> list[int]:
    return [(after - before).days for (before, _), (after, _) in pairwise(days)]


def _span(body: Days) -> Finding:
    n_days = (body[-1][0] - body[0][0]).days + 1
    days = "1 day" if n_days == 1 else f"{n_days:,} days"
    found = f"The orders span {days}, {body[0][0]} to {body[-1][0]}."
    if n_days >= _SHORT_DAYS:
        return Finding("ok", "span", found)
    advice = "Habits, seasons and loyalty need a year or more; export further back if you can."
    return Finding("note", "span", found, advice)


def _months(body: Days) -> Finding:
    missing = missing_months(body)
    if not missing:
        return Finding("ok", "months", "Every calendar month in it has orders.")
    told = ", ".join(missing[:_MAX_MONTHS]) + (", …" if len(missing) > _MAX_MONTHS else "")
    advice = "Unless the shop was closed, export again: the gap looks like customers who left."
    return Finding(
        "warning",
        "months",
        f"{counted(len(missing), 'calendar month')} without an order: {told}.",
        advice,
    )


def _early(early: Days, body: Days) -> Finding:
    n_before = (body[0][0] - early[-1][0]).days
    found = f"{_orders(early)}, {n_before:,} days before all others."
    advice = "A placeholder for an unknown date? Their customers would seem that old; repair them."
    return Finding("warning", "lone_dates", found, advice)


def _late(late: Days, body: Days) -> Finding:
    newest = body[-1][0]
    found = (
        f"{_orders(late)}, {(late[0][0] - newest).days:,} days after all others: seen from there, "
        f"everybody else is long gone."
    )
    advice = f"Repair them, or give --as-of {newest + timedelta(days=1)}."
    return Finding("warning", "lone_dates", found, advice)


def _orders(days: Days) -> str:
    n = sum(orders for _, orders in days)
    dates = f"{days[0][0]}" if len(days) == 1 else f"{days[0][0]} to {days[-1][0]}"
    return f"{counted(n, 'order')} dated {dates}"


def _future(future: Days, today: date) -> Finding:
    found = f"{_orders(future)}, after today ({today})."
    advice = f"Day and month swapped, or orders for later? Repair them, or give --as-of {today}."
    return Finding("warning", "future", found, advice)


def _times(engine: Connection, source: SourceInfo) -> Finding:
    if "time_of_day" not in source.inputs:
        advice = "Export the time with the date, and the axis purchase_cadence tells hours too."
        return Finding(
            "note", "times", "No order has a time of day: all stand at midnight.", advice
        )
    stamp, n, total = engine.execute(
        f"SELECT ordered_local::TIME AS stamp, count(*) AS n, (sum(n) OVER ())::BIGINT "
        f"FROM {KNOWN_ORDERS} WHERE ordered_local IS NOT NULL "
        f"GROUP BY stamp ORDER BY n DESC, stamp LIMIT 1"
    ).fetchall()[0]
    if n < _STAMP_SHARE * total or n < _MIN_STAMPED:
        return Finding("ok", "times", "Orders have times of day.")
    found = f"{counted(n, 'order')} ({percent_of(n, total)}) at {stamp} to the second."
    advice = "Dates without a time beside others with one? Export the time of all."
    if stamp != time(0):
        advice = "Dates that became times in another zone? Export them in the shop's --timezone."
    return Finding("warning", "times", found, advice)
