"""The transitions of a run in the database: written during publication, read by the commands.

A row has the axis, the segment left, the segment entered and the cause.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from segpipe.core.decisions import HELD_BACK, REPLACED
from segpipe.core.errors import DatabaseError, InputError
from segpipe.core.report import TransitionInfo
from segpipe.core.schema import CAUSES
from segpipe.postgres import Connection, insert_rows, plain_errors
from segpipe.runs.current_run import latest_published
from segpipe.runs.past_runs import axes_of_run, in_order, unknown_run
from segpipe.runs.records import PreviousRun

_COLUMNS = (
    "store_id",
    "run_id",
    "axis",
    "from_segment",
    "to_segment",
    "cause",
    "n_customers",
    "lifetime_value",
)


@dataclass(frozen=True)
class Transition:
    """Customers who left one segment for another, and their present lifetime value."""

    axis: str
    from_segment: str
    to_segment: str
    n_customers: int
    lifetime_value: float
    causes: dict[str, int]  # behaviour, time and model → customers


@dataclass(frozen=True)
class RunTransitions:
    """A run compared with the one before it; `previous_run_id` is None for a store's first."""

    store_id: str
    run_id: int
    as_of: date | None
    previous_run_id: int | None
    previous_as_of: date | None
    n_customers: int  # of the run
    transitions: tuple[Transition, ...]  # by axis, the greatest value first
    # Axis → decision and cause, of those whose segments the run replaced or held back.
    decisions: dict[str, dict[str, Any]] = field(default_factory=dict)


def check_not_overtaken(
    connection: Connection, store_id: str, run_id: int, previous: PreviousRun | None
) -> None:
    """Raise DatabaseError if another run was published meanwhile. The caller holds the store.

    The segments of this run were matched to those of the run that was current when it began.
    """
    current = latest_published(connection, store_id)
    if previous and current == previous.run_id:
        return
    if not previous and not _published_since(connection, store_id, run_id):
        return
    matched = f"to run {previous.run_id}" if previous else "to none"
    now = f"run {current} is current now" if current else "no run is current now"
    raise DatabaseError(
        f"Another run of store {store_id!r} was published meanwhile: this one's segments were"
        f" matched {matched}, and {now}. Nothing has changed; run it again."
    )


def _published_since(connection: Connection, store_id: str, run_id: int) -> bool:
    row = connection.execute(
        "SELECT FROM segmentation_runs AS other JOIN segmentation_runs AS this"
        " ON this.run_id = %s AND other.finished_at > this.started_at"
        " WHERE other.store_id = %s AND other.status = 'published' LIMIT 1",
        [run_id, store_id],
    ).fetchone()
    return row is not None


def write_transitions(
    connection: Connection, store_id: str, run_id: int, transitions: Sequence[TransitionInfo]
) -> None:
    """Store them; part of the publishing transaction."""
    rows = [
        (t.axis, t.from_segment, t.to_segment, t.cause, t.n_customers, t.lifetime_value)
        for t in transitions
    ]
    insert_rows(
        connection, "segment_transitions", _COLUMNS, [(store_id, run_id, *row) for row in rows]
    )


def read_transitions(
    connection: Connection, run_id: int, store_id: str | None = None, axes: Sequence[str] = ()
) -> RunTransitions:
    """Transitions of a run, of the store if one is named, on all axes or the named ones.

    Raises InputError for a run that was not published, and for an axis that it lacks.
    """
    with plain_errors():
        row = connection.execute(
            """
            SELECT run.store_id, run.as_of, run.previous_run_id, previous.as_of,
                run.axis_decisions
            FROM segmentation_runs AS run
            LEFT JOIN segmentation_runs AS previous ON previous.run_id = run.previous_run_id
            WHERE run.run_id = %s AND run.store_id = coalesce(%s, run.store_id)
                AND run.status = 'published'
            """,
            [run_id, store_id],
        ).fetchone()
        if row is None:
            raise unknown_run(run_id, store_id, "published")
        counted = connection.execute(
            "SELECT axis, sum(n_customers)::bigint FROM segment_counts WHERE run_id = %s"
            " GROUP BY axis",
            [run_id],
        )
        sizes: dict[str, int] = {axis: n_customers for axis, n_customers in counted}  # noqa: C416
        known = in_order(sizes, axes_of_run(connection, run_id))
        unknown = [axis for axis in axes if axis not in sizes]
        if unknown:
            raise InputError(
                f"Run {run_id} has no axis {unknown[0]!r}; it has: {', '.join(known)}."
            )
        found = _transitions(connection, run_id, axes or known)
    return RunTransitions(
        store_id=row[0],
        run_id=run_id,
        as_of=row[1],
        previous_run_id=row[2],
        previous_as_of=row[3],
        n_customers=max(sizes.values(), default=0),
        transitions=found,
        decisions={
            axis: {name: row[4][axis][name] for name in ("decision", "cause")}
            for axis in axes or known
            if row[4].get(axis, {}).get("decision") in (REPLACED, HELD_BACK)
        },
    )


def _transitions(
    connection: Connection, run_id: int, axes: Sequence[str]
) -> tuple[Transition, ...]:
    rows = connection.execute(
        """
        SELECT axis, from_segment, to_segment, sum(n_customers)::bigint, sum(lifetime_value),
            jsonb_object_agg(cause, n_customers)
        FROM segment_transitions WHERE run_id = %s AND axis = ANY(%s)
        GROUP BY axis, from_segment, to_segment
        ORDER BY array_position(%s, axis), sum(lifetime_value) DESC, from_segment, to_segment
        """,
        [run_id, list(axes), list(axes)],
    ).fetchall()
    return tuple(
        Transition(axis, left, entered, n, value, {c: by_cause.get(c, 0) for c in CAUSES})
        for axis, left, entered, n, value, by_cause in rows
    )
