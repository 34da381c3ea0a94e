"""What the ledger has of the current run, with which the gates compare the next one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from segpipe.core.decisions import HELD_BACK, SHARES
from segpipe.postgres import Connection, fetch_dicts, plain_errors


@dataclass(frozen=True)
class LastRun:
    """The current run; None where the ledger does not know."""

    run_id: int
    last_order_on: date | None = None
    last_ordered_at: datetime | None = None  # to the second, of runs that have a report
    rows_read: int | None = None
    held_axes: frozenset[str] = frozenset()  # since a segment's share moved too far
    previous_as_of: date | None = None  # of the run before it


def read_last_run(connection: Connection, store_id: str) -> LastRun | None:
    """The store's current run as the ledger has it, None before the first."""
    with plain_errors():
        rows = fetch_dicts(
            connection,
            """
            SELECT run_id, last_order_on, rows_read, axis_decisions,
                report->'source'->>'last_ordered_at' AS last_ordered_at,
                (SELECT coalesce(p.as_of, p.started_at::date) FROM segmentation_runs AS p
                    WHERE p.run_id = segmentation_runs.previous_run_id) AS previous_as_of
            FROM segmentation_runs
            WHERE store_id = %s AND status = 'published' ORDER BY finished_at DESC LIMIT 1
            """,
            [store_id],
        )
    return _last_run(rows[0]) if rows else None


def _last_run(row: dict[str, Any]) -> LastRun:
    at = datetime.fromisoformat(row["last_ordered_at"]) if row["last_ordered_at"] else None
    return LastRun(
        run_id=row["run_id"],
        last_order_on=row["last_order_on"] or (at.date() if at else None),
        last_ordered_at=at,
        rows_read=row["rows_read"],
        held_axes=frozenset(
            axis
            for axis, decision in row["axis_decisions"].items()
            if (decision["decision"], decision["cause"]) == (HELD_BACK, SHARES)
        ),
        previous_as_of=row["previous_as_of"],
    )
