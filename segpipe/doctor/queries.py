"""What several checks ask of the engine."""

from __future__ import annotations

from typing import Any

from segpipe.core.schema import ORDER_LINES
from segpipe.engines.duckdb import Connection

KNOWN_ORDERS = "doctor_orders"  # one row per customer and order id


def create_known_orders(engine: Connection) -> None:
    """Create KNOWN_ORDERS: when each order was bought (NULL: returns only), and its returns."""
    engine.execute(
        f"CREATE OR REPLACE TABLE {KNOWN_ORDERS} AS SELECT customer_id, order_id, "
        f"min(ordered_local) FILTER (NOT is_return) AS ordered_local, "
        f"count(*) FILTER (is_return) AS n_return_lines FROM {ORDER_LINES.name} GROUP BY ALL"
    )


def first_row(engine: Connection, query: str) -> tuple[Any, ...]:
    """The first row of a query's result."""
    return engine.execute(query).fetchall()[0]
