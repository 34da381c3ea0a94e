"""A customer's profile, and the stores that have one."""

from __future__ import annotations

from typing import Any

from segpipe.postgres import Connection, fetch_dicts, plain_errors


def show_customer(connection: Connection, store_id: str, customer_id: str) -> dict[str, Any] | None:
    """Profile of a customer as column → value, None if there is none."""
    with plain_errors():
        rows = fetch_dicts(
            connection,
            "SELECT * FROM customer_profiles WHERE store_id = %s AND customer_id = %s",
            [store_id, customer_id],
        )
    return rows[0] if rows else None


def stores_of(connection: Connection, customer_id: str) -> list[str]:
    """Stores that have a profile of this customer, by name."""
    with plain_errors():
        rows = connection.execute(
            "SELECT store_id FROM customer_profiles WHERE customer_id = %s ORDER BY store_id",
            [customer_id],
        ).fetchall()
    return [row[0] for row in rows]
