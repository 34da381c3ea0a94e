"""Findings on the records of the input, and on the lines and orders that are left of them.

Takes the table order_lines, before and after what does not count was taken out of it.
"""

from __future__ import annotations

from typing import Any

from segpipe.core.report import SourceInfo
from segpipe.core.schema import ORDER_LINES
from segpipe.core.text import counted, percent_of
from segpipe.doctor.record import Finding
from segpipe.engines.duckdb import Connection
from segpipe.sources.lines import Intake
from segpipe.sources.rejects import Reject

KNOWN_ORDERS = "doctor_orders"  # one row a customer and order id
_LINES = ORDER_LINES.name
_COLUMNS = ", ".join(ORDER_LINES.columns)
_MANY_GUESTS = 0.25  # share from which the rest may no longer stand for the shop
_MANY_COPIES = 0.05  # share from which identical lines are no longer two of one thing
_MANY_FREE = 0.1
_MANY_SHARED = 0.01
_MAX_EXAMPLE = 60


def record_findings(engine: Connection, intake: Intake) -> list[Finding]:
    """Rejects, guests, currencies, uncharged and identical lines; every record is still there."""
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
        advice = "They are read without their sign; check that the column means what it says."
        findings.append(Finding("note", "amounts", found, advice))
    findings += _copies(engine)
    return findings + (_overlaps(engine, intake) if len(intake.reads) > 1 else [])


def make_orders(engine: Connection) -> None:
    """Create KNOWN_ORDERS: when each order was bought (NULL: returns only), and its returns."""
    engine.execute(
        f"CREATE OR REPLACE TABLE {KNOWN_ORDERS} AS SELECT customer_id, order_id, "
        f"min(ordered_local) FILTER (NOT is_return) AS ordered_local, "
        f"count(*) FILTER (is_return) AS n_return_lines FROM {_LINES} GROUP BY ALL"
    )


def order_findings(engine: Connection, source: SourceInfo) -> list[Finding]:
    """Free lines, and order ids that several customers have."""
    n_lines, n_free = _row(
        engine,
        f"SELECT count(*), count(*) FILTER (line_amount = 0 AND discount_amount = 0) "
        f"FROM {_LINES} WHERE NOT is_return",
    )
    findings = []
    if n_free:
        found = f"{counted(n_free, 'line')} ({percent_of(n_free, n_lines)}) at a price of zero."
        advice = "Gifts, samples and freebies stay as lines of their order; repair real gaps."
        severity = "warning" if n_free >= _MANY_FREE * n_lines else "note"
        findings.append(Finding(severity, "prices", found, advice))
    elif n_lines:
        findings.append(Finding("ok", "prices", "Every line has a price."))
    if source.n_shared_orders:
        (n_orders,) = _row(engine, f"SELECT count(DISTINCT order_id) FROM {KNOWN_ORDERS}")
        n = source.n_shared_orders
        found = (
            f"{counted(n, 'order id')} ({percent_of(n, n_orders)}) under more than one customer;"
            " each customer's lines are taken as an order of their own."
        )
        advice = "Where numbers start anew, by branch or year, put that before the number."
        severity = "warning" if n >= _MANY_SHARED * n_orders else "note"
        findings.append(Finding(severity, "orders", found, advice))
    return findings


def _rejects(intake: Intake) -> Finding:
    outcome, refused = intake.outcome, intake.refused
    if not refused.reasons:
        return Finding("ok", "rejects", f"All {outcome.n_rows:,} rows can be read.")
    firsts: dict[str, Reject] = {}
    for reject in refused.rejects:
        firsts.setdefault(reject.reason, reject)
    several = len({part.label for part in intake.parts}) > 1
    told = []
    for reason, n in sorted(refused.reasons.items(), key=lambda item: (-item[1], item[0])):
        first = firsts.get(reason)
        told.append(f"{reason} ({n:,}{_example(first, several=several)})")
    n_rejected = refused.reasons.total()
    found = (
        f"{n_rejected:,} of {outcome.n_rows:,} rows ({percent_of(n_rejected, outcome.n_rows)}) "
        f"cannot be read: {', '.join(told)}."
    )
    return Finding("warning", "rejects", found, "Repair them, or set their form in a preset.")


def _example(first: Reject | None, *, several: bool) -> str:
    if first is None:
        return ""
    where = f"{first.label} line" if several else "line"
    value = first.value if len(first.value) <= _MAX_EXAMPLE else f"{first.value[:_MAX_EXAMPLE]}…"
    return f", first in {where} {first.line:,}" + (f": {value!r}" if value else "")


def _guests(n_guests: int, n_rows: int) -> Finding:
    if not n_guests:
        return Finding("ok", "guests", "Every line names its customer.")
    share = percent_of(n_guests, n_rows)
    found = f"{counted(n_guests, 'line')} ({share}) of guests, without a customer id."
    advice = (
        "Guests are counted, not segmented; if the shop knows their e-mail or phone, map that "
        "column to customer_id besides."
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
    told = ", ".join(f"{name or 'none named'} ({counted(n, 'line')})" for name, n in rows)
    if len(rows) == 1:
        return [Finding("ok", "currencies", f"One currency: {known[0]}.")]
    advice = (
        "Convert the amounts, or split the export by currency and give each its own --store-id."
        if len(known) > 1
        else f"Those without one are taken as {known[0]}."
    )
    severity = "warning" if len(known) > 1 else "note"
    return [Finding(severity, "currencies", f"Currencies: {told}.", advice)]


def _copies(engine: Connection) -> list[Finding]:
    """Lines that are the same in every column that is read."""
    lines = f"SELECT {_COLUMNS} FROM {_LINES} WHERE row_status IS NULL"
    n_lines, n_distinct = _row(
        engine,
        f"SELECT count(*), (SELECT count(*) FROM (SELECT DISTINCT * FROM ({lines}))) "
        f"FROM ({lines})",
    )
    n_copies = n_lines - n_distinct
    if not n_copies:
        return [Finding("ok", "duplicates", "No two lines are identical.")] if n_lines else []
    told = f"{counted(n_copies, 'line')} ({percent_of(n_copies, n_lines)}) identical to another"
    if n_copies < _MANY_COPIES * n_lines:
        return [Finding("ok", "duplicates", f"{told}, as two of one thing are; that is normal.")]
    advice = "Too many for two of one thing: was a part exported twice, or a table joined twice?"
    return [Finding("warning", "duplicates", f"{told}.", advice)]


def _overlaps(engine: Connection, intake: Intake) -> list[Finding]:
    """Lines that are in more than one file or sheet, as where months were exported twice."""
    starts = [read.first_row for read in intake.reads]
    whens = " ".join(f"WHEN rowid < {start} THEN {i}" for i, start in enumerate(starts[1:]))
    part = f"CASE {whens} ELSE {len(starts)} END"
    (n_again,) = _row(
        engine,
        f"SELECT coalesce(sum(n_parts - 1), 0)::BIGINT FROM (SELECT {_COLUMNS}, "
        f"count(DISTINCT {part}) AS n_parts FROM {_LINES} WHERE row_status IS NULL GROUP BY ALL)",
    )
    if not n_again:
        return [Finding("ok", "overlap", "No line is in more than one file or sheet.")]
    found = f"{counted(n_again, 'line')} in more than one file or sheet."
    advice = "Cut the exports so that each line is in one of them, or its amount counts twice."
    return [Finding("warning", "overlap", found, advice)]


def _row(engine: Connection, query: str) -> tuple[Any, ...]:
    return engine.execute(query).fetchall()[0]
