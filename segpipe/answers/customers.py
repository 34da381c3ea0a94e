"""The customers of a segment, a page at a time, in a chosen order.

Absent customers are left out, as they are in the segment's size.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from segpipe.answers.cursor import Cursor, check_cursor_matches, read_cursor
from segpipe.core.errors import InputError
from segpipe.core.schema import METRICS, OUTLOOK_METRICS
from segpipe.core.suggestions import did_you_mean
from segpipe.postgres import Connection, column_list, sql
from segpipe.runs.current_run import current_run, snapshot

_COLUMNS = (
    "lifetime_value",
    "avg_order_value",
    "total_orders",
    "days_since_last_purchase",
    "churn_risk_score",
    "expected_value_90d",
    "rfm_score",
)
_BY_ID = "customer_id"
_INDEXED = (_BY_ID, "lifetime_value")
_NUMBERS = tuple(name for name, kind in METRICS.items() if kind != "VARCHAR")
ORDERS = tuple(sign + name for name in (_BY_ID, *_NUMBERS) for sign in ("", "-"))


@dataclass(frozen=True)
class _Listing:
    """A listing; `walks` reads along the order's index instead of sorting the segment."""

    store_id: str
    axis: str
    segment: str
    order: str
    limit: int
    walks: bool

    @property
    def column(self) -> str:
        return self.order.removeprefix("-")

    @property
    def is_descending(self) -> bool:
        return self.order.startswith("-")


def list_customers(
    connection: Connection,
    store_id: str,
    axis: str,
    segment: str,
    *,
    order: str = _BY_ID,
    limit: int = 100,
    after: str | None = None,
) -> dict[str, Any] | None:
    """Up to `limit` customers, where the next page starts, and the current run; None without one.

    `order` is one of ORDERS, descending with a minus; ties are ordered by id in the same direction.
    Raises InputError for an unknown axis, segment or order and for an invalid cursor, and
    OutdatedCursorError for a cursor of another run.
    """
    if order not in ORDERS:
        raise InputError(f"The order is {order!r}; expected one of {', '.join(ORDERS)}.")
    with snapshot(connection):
        run = current_run(connection, store_id)
        if run is None:
            return None
        size = _size(connection, store_id, run.run_id, axis, segment)
        start = read_cursor(after) if after is not None else None
        if start:
            check_cursor_matches(start, run.run_id, axis, segment, order)
        walks = _is_quick_to_walk(size, order, limit, has_begun=start is not None)
        listing = _Listing(store_id, axis, segment, order, limit, walks)
        rows = _page(connection, listing, start)
    has_more = len(rows) > limit
    rows = rows[:limit]
    last = rows[-1] if has_more and rows else None
    return {
        "customers": [
            dict(zip((_BY_ID, *_COLUMNS, "strength"), row, strict=False)) for row in rows
        ],
        "next": _cursor(run.run_id, listing, last).text() if last else None,
        "run": run.document(),
    }


@dataclass(frozen=True)
class _Size:
    """Customers and value of a segment, and of its axis, which has all customers."""

    n_own: int
    n_all: int
    own_value: float
    value_of_all: float


def _size(connection: Connection, store_id: str, run_id: int, axis: str, segment: str) -> _Size:
    """Size of the segment. Raises InputError for an axis or segment that the run lacks."""
    rows = connection.execute(
        """
        SELECT axis, segment, max(n_customers), max(lifetime_value) FROM (
            SELECT axis, segment, n_customers, lifetime_value FROM segment_counts
            WHERE store_id = %(store_id)s AND run_id = %(run_id)s
            UNION ALL
            SELECT axis, segment, 0, NULL FROM segment_definitions
            WHERE store_id = %(store_id)s AND run_id = %(run_id)s
        ) AS known GROUP BY axis, segment ORDER BY axis, segment
        """,
        {"store_id": store_id, "run_id": run_id},
    ).fetchall()
    _check_known(axis, (row[0] for row in rows), "axis", f"Run {run_id}")
    sizes = {name: (n, value or 0.0) for of_axis, name, n, value in rows if of_axis == axis}
    _check_known(segment, sizes, "segment", f"The axis {axis} of run {run_id}")
    n_all, value_of_all = (sum(part) for part in zip(*sizes.values(), strict=True))
    return _Size(sizes[segment][0], int(n_all), sizes[segment][1], value_of_all)


def _is_quick_to_walk(size: _Size, order: str, limit: int, *, has_begun: bool) -> bool:
    """Whether walking the order's index fills a page faster than sorting the segment does.

    By value it does not if the segment is at the other end of the index, as its mean shows.
    """
    if order.removeprefix("-") not in _INDEXED or limit * size.n_all >= size.n_own**2:
        return False
    own, of_all = size.own_value * size.n_all, size.value_of_all * size.n_own  # as the means are
    is_far = {"lifetime_value": own > 2 * of_all, "-lifetime_value": 2 * own < of_all}
    return has_begun or not is_far.get(order, False)


def _check_known(name: str, known: Iterable[str], kind: str, where: str) -> None:
    names = list(known)
    if name not in names:
        raise InputError(f"{where} has no {kind} {name!r}. {did_you_mean(name, names)}")


def _page(connection: Connection, listing: _Listing, start: Cursor | None) -> list[Any]:
    """The rows of the page, and one more if there is one."""
    connection.execute("SET LOCAL jit = off")  # compiling takes longer than the page
    column: sql.Composable = sql.Identifier(listing.column)
    if listing.column in OUTLOOK_METRICS:  # a run has them of everybody or of nobody
        column = sql.SQL("coalesce({}, 0)").format(column)
    keys: list[sql.Composable] = (
        [column] if listing.column == _BY_ID else [column, sql.Identifier(_BY_ID)]
    )
    direction = sql.SQL(" DESC" if listing.is_descending else "")
    order = sql.SQL(", ").join([sql.SQL("{}{}").format(key, direction) for key in keys])
    columns = dict.fromkeys((_BY_ID, *_COLUMNS, listing.column))
    statement = sql.SQL(
        "SELECT {shown}, (membership_strengths->>%(axis)s)::double precision, {column} FROM"
        " (SELECT * FROM (SELECT {read}, membership_strengths FROM customer_profiles"
        " WHERE store_id = %(store_id)s AND absent_since_run_id IS NULL AND {is_own}{after}) AS own"
        " ORDER BY {order} LIMIT %(limit)s) AS page ORDER BY {order}"
    ).format(
        shown=column_list((_BY_ID, *_COLUMNS)),
        column=column,
        read=column_list(columns),
        is_own=sql.SQL(_IS_OWN_BY_WALKING if listing.walks else _IS_OWN),
        after=_after(keys, listing, is_whole=not listing.walks, has_start=start is not None),
        order=order,
    )
    parameters = {
        "store_id": listing.store_id,
        "axis": listing.axis,
        "segment": listing.segment,
        "memberships": json.dumps({listing.axis: listing.segment}),
        "value": start.value if start else None,
        "customer_id": start.customer_id if start else None,
        "limit": listing.limit + 1,
    }
    return connection.execute(statement, parameters).fetchall()


# Until autovacuum has run, the planner knows neither the size of a segment nor where its rows are.
# So it gets no choice: a condition without an index is checked along the index of the order, and a
# subquery with OFFSET is read and sorted as a whole.
_IS_OWN_BY_WALKING = "(segment_memberships->%(axis)s) = to_jsonb(%(segment)s::text)"
_IS_OWN = "segment_memberships @> %(memberships)s::jsonb"
_AS_A_WHOLE = " OFFSET 0"


def _after(
    keys: Sequence[sql.Composable], listing: _Listing, *, is_whole: bool, has_start: bool
) -> sql.Composed:
    bounds = ["%(value)s", "%(customer_id)s"][-len(keys) :]
    next_rows = sql.SQL(" AND ({}) {} ({})").format(
        sql.SQL(", ").join(keys),
        sql.SQL("<" if listing.is_descending else ">"),
        sql.SQL(", ".join(bounds)),
    )
    return sql.Composed([next_rows] if has_start else []) + sql.SQL(_AS_A_WHOLE if is_whole else "")


def _cursor(run_id: int, listing: _Listing, last: Sequence[Any]) -> Cursor:
    value = None if listing.column == _BY_ID else last[-1]
    return Cursor(run_id, listing.axis, listing.segment, listing.order, value, last[0])
