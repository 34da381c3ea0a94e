"""How many customers a store and each of its segments have.

The counts are those of the current run; absent customers, whose rows are kept, are in none of them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from segpipe.postgres import Connection, sql
from segpipe.runs.current_run import current_run, snapshot

Sizes = dict[str, dict[str, int]]


def read_stats(connection: Connection, store_id: str) -> dict[str, Any] | None:
    """Customers, axes, segments and sizes of the current run, None without one.

    `total_customers` counts the rows of `current_profiles`; `customers_with_segments` those with a
    segment, not a state, on at least one axis. `segments_per_axis` counts segments without the
    states; the distribution has both.
    """
    with snapshot(connection):
        run = current_run(connection, store_id)
        if run is None:
            return None
        names = [store_id, run.run_id]
        counted = connection.execute(
            "SELECT axis, segment, n_customers FROM segment_counts"
            " WHERE store_id = %s AND run_id = %s ORDER BY axis, n_customers DESC, segment",
            names,
        ).fetchall()
        kinds = connection.execute(
            "SELECT axis, segment, kind = 'segment' FROM segment_definitions"
            " WHERE store_id = %s AND run_id = %s ORDER BY axis, kind, segment_id",
            names,
        ).fetchall()
        sizes = _sizes(counted)
        total = max((sum(own.values()) for own in sizes.values()), default=0)
        states = {
            axis: [s for of_axis, s, is_segment in kinds if of_axis == axis and not is_segment]
            for axis in sizes
        }
        n_without = _count_without(connection, store_id, sizes, states)
    return {
        "total_customers": total,
        "customers_with_segments": total - n_without,
        "axes_count": len(sizes),
        "segments_per_axis": {
            axis: sum(1 for of_axis, _, is_segment in kinds if of_axis == axis and is_segment)
            for axis in sizes
        },
        "segment_distribution": sizes,
        "run": run.document(),
    }


def _sizes(counted: list[tuple[Any, ...]]) -> Sizes:
    sizes: Sizes = {}
    for axis, segment, n_customers in counted:
        sizes.setdefault(axis, {})[segment] = n_customers
    return sizes


def _count_without(
    connection: Connection, store_id: str, sizes: Sizes, states: Mapping[str, list[str]]
) -> int:
    """Number of customers who are in a state on every axis.

    It is 0 if some axis has nobody in a state, which is usual. Otherwise they are looked up by the
    index, among the customers in a state of the axis that has the fewest.
    """
    n_in_states = {
        axis: sum(own.get(state, 0) for state in states[axis]) for axis, own in sizes.items()
    }
    if not n_in_states or not min(n_in_states.values()):
        return 0
    first = min(n_in_states, key=lambda axis: (n_in_states[axis], axis))
    among = [json.dumps({first: state}) for state in states[first]]
    others = [axis for axis in sizes if axis != first]
    statement = sql.SQL(
        "SELECT count(*) FROM customer_profiles"
        " WHERE store_id = %s AND absent_since_run_id IS NULL AND ({}){}"
    ).format(
        sql.SQL(" OR ").join([sql.SQL("segment_memberships @> %s::jsonb")] * len(among)),
        sql.SQL("").join([sql.SQL(" AND segment_memberships->>%s = ANY(%s)")] * len(others)),
    )
    parameters: list[Any] = [store_id, *among]
    for axis in others:
        parameters += [axis, states[axis]]
    row = connection.execute(statement, parameters).fetchone()
    return int(row[0]) if row else 0
