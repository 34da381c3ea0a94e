"""Findings on customers: how many have habits to segment, and which ids are no customers.

Takes the table customer_features as the run computes it, and the lines it came from.
"""

from __future__ import annotations

from segpipe.core.report import FeatureInfo, SourceInfo
from segpipe.core.schema import CUSTOMER_FEATURES, ORDER_LINES, TICKETS
from segpipe.core.text import counted, percent_of
from segpipe.doctor.queries import KNOWN_ORDERS, first_row
from segpipe.doctor.record import Finding
from segpipe.engines.duckdb import Connection

_CUSTOMERS = CUSTOMER_FEATURES.name
_MANY_SINGLE = 0.8  # share of one-order customers above which few customers show habits
_MANY_RETURN_ONLY = 0.05
_MANY_NEGATIVE = 0.05
_MIN_CUSTOMERS = 100  # in a smaller shop, one customer can be a large part
_LARGE_CUSTOMER = 0.05  # of the orders
_FAR_ABOVE = 3  # times the orders of the second largest
_MANY_UNMATCHED = 0.5  # share of tickets without a customer above which the ids do not match


def customer_findings(
    engine: Connection, source: SourceInfo, features: FeatureInfo
) -> list[Finding]:
    """One-order customers, returns without orders, an id that is no customer, unmatched tickets."""
    findings = [_single_orders(engine, features)]
    findings += _returns(engine, source, features)
    if features.n_customers >= _MIN_CUSTOMERS:
        findings += _largest(engine, features)
    if source.n_tickets:
        findings.append(_tickets(engine, source))
    return findings


def _single_orders(engine: Connection, features: FeatureInfo) -> Finding:
    (n_single,) = first_row(engine, f"SELECT count(*) FILTER (total_orders = 1) FROM {_CUSTOMERS}")
    n = features.n_customers
    found = f"{n_single:,} of {n:,} customers ({percent_of(n_single, n)}) ordered only once."
    if n_single < _MANY_SINGLE * n:
        return Finding("ok", "one_order", found)
    advice = (
        "Habits are known of the other customers only. Check that the export is long enough and "
        "that a customer keeps the same id from order to order."
    )
    return Finding("warning", "one_order", found, advice)


def _returns(engine: Connection, source: SourceInfo, features: FeatureInfo) -> list[Finding]:
    if not source.n_return_lines:
        return [Finding("ok", "returns", "No line is a return.")]
    (n_alone,) = first_row(
        engine,
        f"SELECT sum(n_return_lines)::BIGINT FROM {KNOWN_ORDERS} WHERE ordered_local IS NULL",
    )
    (n_lines,) = first_row(
        engine,
        f"SELECT count(*) FROM {ORDER_LINES.name} WHERE is_return "
        f"AND customer_id NOT IN (SELECT customer_id FROM {_CUSTOMERS})",
    )
    found = f"{counted(source.n_return_lines, 'return line')}"
    if n_alone:
        found += f", {n_alone:,} of them under an order id that has no purchase"
    advice = "They count as refunds of the customer, whichever order they belong to."
    findings = [Finding("note", "returns", f"{found}.", advice)]
    n_only = features.n_return_only_customers
    if n_only:
        found = (
            f"{counted(n_only, 'customer')} ({counted(n_lines, 'line')}) with returns but "
            f"without a purchase in the file: not segmented."
        )
        is_many = n_only >= _MANY_RETURN_ONLY * features.n_customers
        advice = "Export further back, so that their orders are in the file."
        severity = "warning" if is_many else "note"
        findings.append(Finding(severity, "returns_without_orders", found, advice))
    (n_negative,) = first_row(
        engine, f"SELECT count(*) FILTER (lifetime_value < 0) FROM {_CUSTOMERS}"
    )
    if n_negative:
        found = f"{counted(n_negative, 'customer')} with more refunds than payments in this file."
        is_many = n_negative >= _MANY_NEGATIVE * features.n_customers
        advice = "If the refunds are for earlier orders, export further back."
        findings.append(Finding("warning" if is_many else "note", "owed", found, advice))
    return findings


def _largest(engine: Connection, features: FeatureInfo) -> list[Finding]:
    rows = engine.execute(
        f"SELECT customer_id, total_orders FROM {_CUSTOMERS} "
        f"ORDER BY total_orders DESC, customer_id LIMIT 2"
    ).fetchall()
    (customer, n_orders), (_, n_next) = rows
    if n_orders < max(_LARGE_CUSTOMER * features.n_orders, _FAR_ABOVE * n_next):
        return []
    share = percent_of(n_orders, features.n_orders)
    found = f"Customer {customer!r} alone has {n_orders:,} orders, {share} of all."
    advice = "If this id stands for walk-ins or tests, list it under guest_ids in a preset."
    return [Finding("warning", "largest_customer", found, advice)]


def _tickets(engine: Connection, source: SourceInfo) -> Finding:
    (n_unmatched,) = first_row(
        engine,
        f"SELECT count(*) FROM {TICKETS.name} "
        f"WHERE customer_id NOT IN (SELECT customer_id FROM {_CUSTOMERS})",
    )
    n = source.n_tickets
    found = (
        f"{n_unmatched:,} of {n:,} tickets ({percent_of(n_unmatched, n)}) are of no known customer."
    )
    if n_unmatched < _MANY_UNMATCHED * n:
        return Finding("ok", "tickets", found)
    advice = "They are ignored. Check that both files use the same customer ids."
    return Finding("warning", "tickets", found, advice)
