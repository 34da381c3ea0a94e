"""Findings on time: span, missing months, isolated dates, the future, times of day.

Isolated dates, far from all others, are set aside first, so that one mistyped year does not make
every month in between a missing one.
"""

from __future__ import annotations

from datetime import date, time, timedelta
from itertools import pairwise

from segpipe.core.report import FeatureInfo, SourceInfo
from segpipe.core.settings import RunSettings
from segpipe.core.text import counted, percent_of
from segpipe.doctor.queries import KNOWN_ORDERS, first_row
from segpipe.doctor.record import Finding
from segpipe.engines.duckdb import Connection

Days = list[tuple[date, int]]  # ascending, with orders
_ISOLATED_SHARE = 0.001  # of the orders; more than that are no mistake
_MIN_GAP_DAYS = 30
_GAP_FACTOR = 3  # times the longest gap among the other days
_MIN_ORDERS = 10  # with fewer, no day counts as isolated
_SHORT_DAYS = 180
_SAME_TIME_SHARE = 0.2  # of orders at one time to the second; people do not order like that
_MIN_SAME_TIME = 50
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
    early, body, late = isolated_days(days)
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
        advice = "Left out because of --as-of."
        if settings.features.as_of is None:
            advice = "Left out: returns after the newest order. A later --as-of includes them."
        findings.append(Finding("note", "as_of", found, advice))
    findings.append(_times(engine, source))
    return findings


def isolated_days(days: Days) -> tuple[Days, Days, Days]:
    """The days, split into isolated ones before all others, the others, and isolated ones after."""
    total = sum(n for _, n in days)
    if total < _MIN_ORDERS:
        return [], days, []
    allowed = max(1.0, _ISOLATED_SHARE * total)
    first = _n_within(days, allowed)
    last = len(days) - _n_within(days[::-1], allowed)
    usual = max(_gaps(days[first:last]), default=0)
    limit = max(_MIN_GAP_DAYS, _GAP_FACTOR * usual)
    gaps = _gaps(days)  # gaps[i] lies between days i and i + 1
    begin = max((i + 1 for i in range(min(first, len(gaps))) if gaps[i] > limit), default=0)
    end = min((i + 1 for i in range(max(last - 1, 0), len(gaps)) if gaps[i] > limit), default=None)
    return days[:begin], days[begin:end], days[len(days) if end is None else end :]


def missing_months(days: Days) -> list[str]:
    """Calendar months between the first and the last day without any day."""
    present = {(day.year, day.month) for day, _ in days}
    month, missing = min(present), []
    while month < max(present):
        if month not in present:
            missing.append(f"{month[0]}-{month[1]:02d}")
        month = (month[0] + month[1] // 12, month[1] % 12 + 1)
    return missing


def _n_within(days: Days, allowed: float) -> int:
    """How many of the first days have, together, no more orders than allowed."""
    n_orders = 0
    for index, (_, n) in enumerate(days):
        n_orders += n
        if n_orders > allowed:
            return index
    return len(days)


def _gaps(days: Days) -> list[int]:
    return [(after - before).days for (before, _), (after, _) in pairwise(days)]


def _span(body: Days) -> Finding:
    n_days = (body[-1][0] - body[0][0]).days + 1
    found = f"The orders span {counted(n_days, 'day')}, {body[0][0]} to {body[-1][0]}."
    if n_days >= _SHORT_DAYS:
        return Finding("ok", "span", found)
    advice = "Habits, seasons and loyalty need a year or more. Export further back if you can."
    return Finding("note", "span", found, advice)


def _months(body: Days) -> Finding:
    missing = missing_months(body)
    if not missing:
        return Finding("ok", "months", "Every calendar month has orders.")
    names = ", ".join(missing[:_MAX_MONTHS]) + (", …" if len(missing) > _MAX_MONTHS else "")
    found = f"{counted(len(missing), 'calendar month')} without an order: {names}."
    advice = "Export again unless the shop was closed: a gap looks as if customers had left."
    return Finding("warning", "months", found, advice)


def _early(early: Days, body: Days) -> Finding:
    n_before = (body[0][0] - early[-1][0]).days
    found = f"{_orders(early)}, {n_before:,} days before all others."
    advice = "If this date means unknown, correct it: the customers would count as that old."
    return Finding("warning", "isolated_dates", found, advice)


def _late(late: Days, body: Days) -> Finding:
    newest = body[-1][0]
    found = (
        f"{_orders(late)}, {(late[0][0] - newest).days:,} days after all others: "
        f"measured from then, everybody else left long ago."
    )
    advice = f"Correct them, or give --as-of {newest + timedelta(days=1)}."
    return Finding("warning", "isolated_dates", found, advice)


def _orders(days: Days) -> str:
    n = sum(orders for _, orders in days)
    dates = f"{days[0][0]}" if len(days) == 1 else f"{days[0][0]} to {days[-1][0]}"
    return f"{counted(n, 'order')} dated {dates}"


def _future(future: Days, today: date) -> Finding:
    found = f"{_orders(future)}, after today ({today})."
    advice = f"Correct swapped days and months; leave out orders for later with --as-of {today}."
    return Finding("warning", "future", found, advice)


def _times(engine: Connection, source: SourceInfo) -> Finding:
    if "time_of_day" not in source.inputs:
        advice = "Export the time with the date, so that the axis purchase_cadence can use hours."
        return Finding("note", "times", "No order has a time of day: all are at midnight.", advice)
    stamp, n, total = first_row(
        engine,
        f"SELECT ordered_local::TIME AS stamp, count(*) AS n, (sum(n) OVER ())::BIGINT "
        f"FROM {KNOWN_ORDERS} WHERE ordered_local IS NOT NULL "
        f"GROUP BY stamp ORDER BY n DESC, stamp LIMIT 1",
    )
    if n < _SAME_TIME_SHARE * total or n < _MIN_SAME_TIME:
        return Finding("ok", "times", "Orders have times of day.")
    found = f"{counted(n, 'order')} ({percent_of(n, total)}) at exactly {stamp}."
    advice = "Some dates seem to lack their time. Export the time of every order."
    if stamp != time(0):
        advice = "Dates may come from another time zone. Export them in the shop's --timezone."
    return Finding("warning", "times", found, advice)
