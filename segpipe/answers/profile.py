"""The published profile of a customer, by one statement that reads two indexes."""

from __future__ import annotations

from typing import Any

from segpipe.core.plain import plain_values
from segpipe.core.schema import METRICS
from segpipe.postgres import Connection, plain_errors
from segpipe.runs.current_run import CURRENT_RUN, run_document

_COLUMNS = (
    "segment_memberships",
    "dominant_segments",
    "membership_strengths",
    "previous_segments",
    "segment_since",
    "first_seen_on",
    "last_updated",
)
_QUERY = f"""
    SELECT run.run_id, run.as_of, run.finished_at, p.run_id, p.absent_since_run_id IS NOT NULL,
        {", ".join(f"p.{name}" for name in (*METRICS, *_COLUMNS))}
    FROM customer_profiles AS p CROSS JOIN (
        SELECT run_id, as_of, finished_at FROM {CURRENT_RUN}
    ) AS run
    WHERE p.store_id = %(store_id)s AND p.customer_id = %(customer_id)s
""".encode()


def read_profile(connection: Connection, store_id: str, customer_id: str) -> dict[str, Any] | None:
    """The customer's segments, strengths, metrics and history, with the current run.

    None if the store has no such customer, or no published run. `confidence` is the mean of the
    strengths; `written_by_run_id` is an earlier run if nothing changed since, or if the customer is
    absent from the newest file (`is_absent`).
    """
    with plain_errors():
        row = connection.execute(
            _QUERY, {"store_id": store_id, "customer_id": customer_id}
        ).fetchone()
    if row is None:
        return None
    run_id, as_of, published_at, written_by, is_absent, *values = row
    metrics = dict(zip(METRICS, values, strict=False))
    columns = dict(zip(_COLUMNS, values[len(METRICS) :], strict=True))
    strengths = columns["membership_strengths"]
    return {
        "customer_id": customer_id,
        "store_id": store_id,
        "as_of": plain_values(as_of),
        "segment_memberships": columns["segment_memberships"],
        "dominant_segments": columns["dominant_segments"],
        "membership_strengths": strengths,
        "confidence": confidence(strengths),
        "metrics": metrics,
        "run": run_document(run_id, as_of, published_at),
        "written_by_run_id": written_by,
        "previous_segments": columns["previous_segments"],
        "segment_since": columns["segment_since"],
        "first_seen_on": plain_values(columns["first_seen_on"]),
        "last_updated": plain_values(columns["last_updated"]),
        "is_absent": is_absent,
    }


def confidence(strengths: dict[str, float]) -> float:
    """Mean of the strengths, to four decimals like them; 0 without an axis."""
    return round(sum(strengths.values()) / len(strengths), 4) if strengths else 0.0
