"""Customers as they were on an earlier day, and what they did since: what the outlook learns from.

Takes the customer_days table as an Ibis expression; gives one row a customer who was known then.
Returns under an order id of their own are in no day, and so in no earlier value.
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from segpipe.core.schema import CUSTOMER_DAYS
from segpipe.engines.duckdb import Connection
from segpipe.features.grains import UNITS
from segpipe.features.measures import RECENT_DAYS
from segpipe.features.tables import TableMaterializer


def read_activity(engine: Connection, days_back: int, horizon_days: int) -> pa.Table:
    """`activity` of the customers whose features were computed, as Arrow."""
    with TableMaterializer(engine) as tables:
        days = tables.table(CUSTOMER_DAYS.name)
        return tables.fetch(activity(days, days_back, horizon_days))


def activity(days: ir.Table, days_back: int, horizon_days: int) -> ir.Table:
    """Measures as of `days_back` days ago, and n_later and later_value of the horizon after it.

    In the order of the customers; those without an order by then are left out.
    """
    ago = days.days_ago - days_back  # below zero: later
    is_known, is_later = ago >= 0, (ago < 0) & (ago >= -horizon_days)
    found = days.group_by("customer").aggregate(
        n_occasions=is_known.sum(),
        n_recent_occasions=(is_known & (ago < RECENT_DAYS)).sum(),
        recency_days=ibis.ifelse(is_known, ago, None).min(),
        tenure_days=ago.max(),
        lifetime_value=_amount(is_known, days.value_units),
        n_later=is_later.sum(),
        later_value=_amount(is_later, days.value_units),
    )
    return found.filter(found.n_occasions > 0).order_by("customer").drop("customer")


def _amount(counts: ir.BooleanValue, units: ir.Value) -> ir.Value:
    return ibis.ifelse(counts, units, 0).sum().cast("float64") / UNITS
