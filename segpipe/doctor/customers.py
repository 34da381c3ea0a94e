"""Findings on customers: how many can be told apart at all, and who is no customer.

Takes the table customer_features as the run computes it, and the lines that it came from.
"""

from __future__ import annotations

from typing import Any

from segpipe.core.report import FeatureInfo, SourceInfo
from segpipe.core.schema import CUSTOMER_FEATURES, ORDER_LINES, TICKETS
from segpipe.core.text import counted, percent_of
from segpipe.doctor.lines import KNOWN_ORDERS
from segpipe.doctor.record import Finding
from segpipe.engines.duckdb import Connection

_CUSTOMERS = CUSTOMER_FEATURES.name
_MANY_SINGLE = 0.8  # share of one-order customers from which habits are a few people's
_MANY_RETURN_ONLY = 0.05
_MANY_OWED = 0.05
_MIN_SHOP = 100  # customers from which one of them is not expected to be a large part
_LARGE_CUSTOMER = 0.05  # of the orders
_FAR_ABOVE = 3  # times the orders of the next
_MANY_STRANGERS = 0.5  # share of tickets of nobody, from which the ids do not match


def customer_findings(
    engine: Connection, source: SourceInfo, features: FeatureInfo
) -> list[Finding]:
    """One-order customers, returns without orders, a customer who is none, tickets of nobody."""
    findings = [_single_orders(engine, features)]
    findings += _returns(engine, source, features)
    if features.n_customers >= _MIN_SHOP:
        findings += _largest(engine, features)
    if source.n_tickets:
        findings.append(_tickets(engine, source))
    return findings


def _single_orders(engine: Connection, features: FeatureInfo) -> Finding:
    (n_single,) = _row(engine, f"SELECT count(*) FILTER (total_orders = 1) FROM {_CUSTOMERS}")
    n = features.n_customers
    found = f"Customers with one order only: {n_single:,} of {n:,} ({percent_of(n_single, n)})."
    if n_single < _MANY_SINGLE * n:
        return Finding("ok", "one_order", found)
    advice = (
        "Axes of habit rest on the others. Is the export long enough, and does a customer keep "
        "one id from order to order?"
    )
    return Finding("warning", "one_order", found, advice)


def _returns(engine: Connection, source: SourceInfo, features: FeatureInfo) -> list[Finding]:
    if not source.n_return_lines:
        return [Finding("ok", "returns", "No line is a return.")]
    (n_alone,) = _row(
        engine,
        f"SELECT sum(n_return_lines)::BIGINT FROM {KNOWN_ORDERS} WHERE ordered_local IS NULL",
    )
    (n_nobody,) = _row(
        engine,
        f"SELECT count(*) FROM {ORDER_LINES.name} WHERE is_return "
        f"AND customer_id NOT IN (SELECT customer_id FROM {_CUSTOMERS})",
    )
    found = f"{counted(source.n_return_lines, 'return line')}"
    if n_alone:
        found += f", {n_alone:,} under an order id without a purchase"
    advice = "They count as the customer's refunds, whichever order they are of."
    findings = [Finding("note", "returns", f"{found}.", advice)]
    n_only = features.n_return_only_customers
    if n_only:
        found = (
            f"{counted(n_only, 'customer')} ({counted(n_nobody, 'line')}) seen only through "
            f"returns, and not segmented: what they bought is not in the file."
        )
        is_many = n_only >= _MANY_RETURN_ONLY * features.n_customers
        advice = "Export further back, so that their orders are in it."
        severity = "warning" if is_many else "note"
        findings.append(Finding(severity, "returns_without_orders", found, advice))
    (n_owed,) = _row(engine, f"SELECT count(*) FILTER (lifetime_value < 0) FROM {_CUSTOMERS}")
    if n_owed:
        found = f"{counted(n_owed, 'customer')} given back more than they paid in this file."
        is_many = n_owed >= _MANY_OWED * features.n_customers
        advice = "Refunds of orders before its first day? Export further back."
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
    told = percent_of(n_orders, features.n_orders)
    found = f"Customer {customer!r} alone has {n_orders:,} orders, {told} of all."
    advice = "An id for walk-ins or tests? Leave it blank, or name it in guest_ids of a preset."
    return [Finding("warning", "largest_customer", found, advice)]


def _tickets(engine: Connection, source: SourceInfo) -> Finding:
    (n_strangers,) = _row(
        engine,
        f"SELECT count(*) FROM {TICKETS.name} "
        f"WHERE customer_id NOT IN (SELECT customer_id FROM {_CUSTOMERS})",
    )
    n = source.n_tickets
    found = (
        f"Tickets of nobody who ordered: {n_strangers:,} of {n:,} ({percent_of(n_strangers, n)})."
    )
    if n_strangers < _MANY_STRANGERS * n:
        return Finding("ok", "tickets", found)
    advice = "Do both files name customers by the same id? They do not count otherwise."
    return Finding("warning", "tickets", found, advice)


def _row(engine: Connection, query: str) -> tuple[Any, ...]:
    return engine.execute(query).fetchall()[0]
