"""A customer's profile, and the stores that have one."""

from __future__ import annotations

from typing import Any

from segpipe.postgres import Connection, fetch_dicts, fetch_one, plain_errors
from segpipe.runs.past_runs import axes_of_run, in_order


def show_customer(connection: Connection, store_id: str, customer_id: str) -> dict[str, Any] | None:
    """Profile of a customer as column → value, None if there is none."""
    with plain_errors():
        rows = fetch_dicts(
            connection,
            "SELECT * FROM customer_profiles WHERE store_id = %s AND customer_id = %s",
            [store_id, customer_id],
        )
    return _in_axis_order(connection, rows[0]) if rows else None


def _in_axis_order(connection: Connection, profile: dict[str, Any]) -> dict[str, Any]:
    """The profile with its axes in the order of the model; JSONB has an order of its own.

    By name for a role that may read profiles, but not runs.
    """
    query = "SELECT has_table_privilege('segmentation_runs', 'SELECT')"
    with plain_errors():
        (may_read,) = fetch_one(connection, query)
        known = axes_of_run(connection, profile["run_id"]) if may_read else []
    return {
        name: {axis: value[axis] for axis in in_order(value, known)}
        if isinstance(value, dict)
        else value
        for name, value in profile.items()
    }


def stores_of(connection: Connection, customer_id: str) -> list[str]:
    """Stores that have a profile of this customer, by name."""
    with plain_errors():
        rows = connection.execute(
            "SELECT store_id FROM customer_profiles WHERE customer_id = %s ORDER BY store_id",
            [customer_id],
        ).fetchall()
    return [row[0] for row in rows]
