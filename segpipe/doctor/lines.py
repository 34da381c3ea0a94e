"""Findings on the records of the input, and on the lines and orders that remain of them.

Takes the table order_lines, before and after the lines that do not count are removed.
"""

from __future__ import annotations

from segpipe.core.report import SourceInfo
from segpipe.core.schema import ORDER_LINES
from segpipe.core.text import counted, percent_of
from segpipe.doctor.queries import KNOWN_ORDERS, first_row
from segpipe.doctor.record import Finding
from segpipe.engines.duckdb import Connection
from segpipe.sources.lines import Intake
from segpipe.sources.rejects import Reject

_LINES = ORDER_LINES.name
_COLUMNS = ", ".join(ORDER_LINES.columns)
_MANY_GUESTS = 0.25  # share above which the rest may not represent the shop
_MANY_DUPLICATES = 0.05  # share above which duplicates are not explained by two of one product
_MANY_FREE = 0.1
_MANY_SHARED = 0.01
_MAX_EXAMPLE = 60


def record_findings(engine: Connection, intake: Intake) -> list[Finding]:
    """Rejects, guests, currencies, uncharged and duplicate lines; no record is removed yet."""
    outcome = intake.outcome
    findings = [_rejects(intake), _guests(outcome.n_guests, outcome.n_rows)]
    findings += _currencies(engine)
    if outcome.n_uncharged:
        found = (
            f"{counted(outcome.n_uncharged, 'line')} of orders that were cancelled, voided or "
            f"failed before they were charged: left out."
        )
        findings.append(Finding("note", "uncharged", found))
    if outcome.n_negative:
        found = f"{counted(outcome.n_negative, 'line')} with a discount or refund below zero."
        advice = "They are read as positive amounts. Check what the column holds."
        findings.append(Finding("note", "amounts", found, advice))
    findings += _duplicates(engine)
    return findings + (_overlaps(engine, intake) if len(intake.reads) > 1 else [])


def order_findings(engine: Connection, source: SourceInfo) -> list[Finding]:
    """Free lines, and order ids of several customers."""
    n_lines, n_free = first_row(
        engine,
        f"SELECT count(*), count(*) FILTER (line_amount = 0 AND discount_amount = 0) "
        f"FROM {_LINES} WHERE NOT is_return",
    )
    findings = []
    if n_free:
        found = f"{counted(n_free, 'line')} ({percent_of(n_free, n_lines)}) at a price of zero."
        advice = (
            "Gifts and samples may stay as lines of their order. Fill in prices that are missing."
        )
        severity = "warning" if n_free >= _MANY_FREE * n_lines else "note"
        findings.append(Finding(severity, "prices", found, advice))
    elif n_lines:
        findings.append(Finding("ok", "prices", "Every line has a price."))
    if source.n_shared_orders:
        (n_orders,) = first_row(engine, f"SELECT count(DISTINCT order_id) FROM {KNOWN_ORDERS}")
        n = source.n_shared_orders
        found = (
            f"{counted(n, 'order id')} ({percent_of(n, n_orders)}) under more than one customer;"
            " each customer's lines count as a separate order."
        )
        advice = "If numbers start again by branch or year, put the branch or year in front."
        severity = "warning" if n >= _MANY_SHARED * n_orders else "note"
        findings.append(Finding(severity, "orders", found, advice))
    return findings


def _rejects(intake: Intake) -> Finding:
    outcome, rejected = intake.outcome, intake.rejected
    if not rejected.reasons:
        return Finding("ok", "rejects", f"All {outcome.n_rows:,} rows can be read.")
    firsts: dict[str, Reject] = {}
    for reject in rejected.rejects:
        firsts.setdefault(reject.reason, reject)
    several = len({part.label for part in intake.parts}) > 1
    reasons = []
    for reason, n in sorted(rejected.reasons.items(), key=lambda item: (-item[1], item[0])):
        first = firsts.get(reason)
        reasons.append(f"{reason} ({n:,}{_example(first, several=several)})")
    n_rejected = rejected.reasons.total()
    found = (
        f"{n_rejected:,} of {outcome.n_rows:,} rows ({percent_of(n_rejected, outcome.n_rows)}) "
        f"cannot be read: {', '.join(reasons)}."
    )
    return Finding(
        "warning", "rejects", found, "Correct them, or describe their format in a preset."
    )


def _example(first: Reject | None, *, several: bool) -> str:
    if first is None:
        return ""
    where = f"{first.label} line" if several else "line"
    value = first.value if len(first.value) <= _MAX_EXAMPLE else f"{first.value[:_MAX_EXAMPLE]}…"
    return f", first in {where} {first.line:,}" + (f": {value!r}" if value else "")


def _guests(n_guests: int, n_rows: int) -> Finding:
    if not n_guests:
        return Finding("ok", "guests", "Every line has a customer id.")
    share = percent_of(n_guests, n_rows)
    found = f"{counted(n_guests, 'line')} ({share}) without a customer id, from guests."
    advice = (
        "Guests are counted, not segmented. If the shop knows their e-mail or phone, map that "
        "column to customer_id as well."
    )
    severity = "warning" if n_guests >= _MANY_GUESTS * n_rows else "note"
    return Finding(severity, "guests", found, advice)


def _currencies(engine: Connection) -> list[Finding]:
    rows = engine.execute(
        f"SELECT upper(currency) AS name, count(*) AS n FROM {_LINES} WHERE row_status IS NULL "
        f"GROUP BY ALL ORDER BY n DESC, name"
    ).fetchall()
    known = [name for name, _ in rows if name]
    if not known:
        return []
    names = ", ".join(f"{name or 'none'} ({counted(n, 'line')})" for name, n in rows)
    if len(rows) == 1:
        return [Finding("ok", "currencies", f"One currency: {known[0]}.")]
    advice = (
        "Convert the amounts, or split the export by currency and give each its own --store-id."
        if len(known) > 1
        else f"Lines without a currency count as {known[0]}."
    )
    if len(known) == 1:
        return [Finding("note", "currencies", f"Currencies: {names}.", advice)]
    return [Finding("warning", "currencies", f"Mixed currencies: {names}.", advice)]


def _duplicates(engine: Connection) -> list[Finding]:
    """Lines that are the same in every column that is read."""
    lines = f"SELECT {_COLUMNS} FROM {_LINES} WHERE row_status IS NULL"
    n_lines, n_distinct = first_row(
        engine,
        f"SELECT count(*), (SELECT count(*) FROM (SELECT DISTINCT * FROM ({lines}))) "
        f"FROM ({lines})",
    )
    n_duplicates = n_lines - n_distinct
    if not n_duplicates:
        return [Finding("ok", "duplicates", "No line is a duplicate.")] if n_lines else []
    found = f"{counted(n_duplicates, 'duplicate line')} ({percent_of(n_duplicates, n_lines)})"
    if n_duplicates < _MANY_DUPLICATES * n_lines:
        return [Finding("ok", "duplicates", f"{found}, normal where somebody buys two of a thing.")]
    advice = "Check whether a part was exported twice or a table joined twice."
    return [Finding("warning", "duplicates", f"{found}.", advice)]


def _overlaps(engine: Connection, intake: Intake) -> list[Finding]:
    """Lines that are in more than one file or sheet, as when a month was exported twice."""
    starts = [read.first_row for read in intake.reads]
    whens = " ".join(f"WHEN rowid < {start} THEN {i}" for i, start in enumerate(starts[1:]))
    part = f"CASE {whens} ELSE {len(starts)} END"
    (n_repeated,) = first_row(
        engine,
        f"SELECT coalesce(sum(n_parts - 1), 0)::BIGINT FROM (SELECT {_COLUMNS}, "
        f"count(DISTINCT {part}) AS n_parts FROM {_LINES} WHERE row_status IS NULL GROUP BY ALL)",
    )
    if not n_repeated:
        return [Finding("ok", "overlap", "No line is in more than one file or sheet.")]
    found = f"{counted(n_repeated, 'line')} in more than one file or sheet."
    advice = "Export each line once; otherwise its amount counts twice."
    return [Finding("warning", "overlap", found, advice)]
