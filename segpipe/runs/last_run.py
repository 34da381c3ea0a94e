"""What the ledger has of the current run, with which the gates compare the next one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from segpipe.postgres import Connection, fetch_dicts, plain_errors


@dataclass(frozen=True)
class LastRun:
    """The current run; None, or an axis that is missing, if the ledger does not know."""

    run_id: int
    last_order_on: date | None = None
    last_ordered_at: datetime | None = None  # to the second, of runs that have a report
    rows_read: int | None = None
    verdicts: Mapping[str, str] = field(default_factory=dict)  # axis → verdict
    agreement: Mapping[str, float | None] = field(default_factory=dict)  # axis → share
    shares: Mapping[str, Mapping[str, float]] = field(default_factory=dict)  # axis → name → share


def read_last_run(connection: Connection, store_id: str) -> LastRun | None:
    """The store's current run as the ledger has it, None before the first."""
    with plain_errors():
        rows = fetch_dicts(
            connection,
            """
            SELECT run_id, last_order_on, rows_read, report->'axes' AS axes,
                report->'source'->>'last_ordered_at' AS last_ordered_at,
                (
                    SELECT json_agg(json_build_array(axis, segment, n_customers))
                    FROM segment_counts AS counts
                    WHERE counts.run_id = runs.run_id AND counts.store_id = runs.store_id
                ) AS counts
            FROM segmentation_runs AS runs
            WHERE store_id = %s AND status = 'published' ORDER BY finished_at DESC LIMIT 1
            """,
            [store_id],
        )
    return _last_run(rows[0]) if rows else None


def _last_run(row: dict[str, Any]) -> LastRun:
    at = datetime.fromisoformat(row["last_ordered_at"]) if row["last_ordered_at"] else None
    axes = row["axes"] or []
    return LastRun(
        run_id=row["run_id"],
        last_order_on=row["last_order_on"] or (at.date() if at else None),
        last_ordered_at=at,
        rows_read=row["rows_read"],
        verdicts={axis["name"]: axis["verdict"] for axis in axes},
        agreement={axis["name"]: (axis.get("agreement") or {}).get("share") for axis in axes},
        shares=_shares(row["counts"] or []),
    )


def _shares(counts: list[tuple[str, str, int]]) -> dict[str, dict[str, float]]:
    """Axis → segment → share of the run's customers, each of whom has one name on the axis."""
    sizes: dict[str, dict[str, int]] = {}
    for axis, segment, n_customers in counts:
        sizes.setdefault(axis, {})[segment] = n_customers
    return {
        axis: {name: n / sum(own.values()) for name, n in own.items()}
        for axis, own in sizes.items()
    }
