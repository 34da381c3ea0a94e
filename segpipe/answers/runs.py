"""The ledger, and who moved from one run to the next, in plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from segpipe import runs
from segpipe.core.plain import plain_values
from segpipe.postgres import Connection
from segpipe.runs.current_run import current_run, snapshot

_COLUMNS = (  # neither errors nor tables, which name files and the server
    "run_id",
    "store_id",
    "status",
    "as_of",
    "started_at",
    "finished_at",
    "n_customers",
    "rows_read",
    "rows_rejected",
    "seed",
    "input_hash",
    "previous_run_id",
    "failed_stage",
    "forced_past",
)


def list_runs(connection: Connection, store_id: str, limit: int = 20) -> dict[str, Any]:
    """The store's newest runs, the failed and withdrawn ones too, and the current one."""
    with snapshot(connection):
        run = current_run(connection, store_id)
        rows = runs.list_runs(connection, store_id, limit)
    return {
        "runs": [{name: plain_values(row[name]) for name in _COLUMNS} for row in rows],
        "run": run.document() if run else None,
    }


def read_transitions_of(
    connection: Connection, store_id: str, run_id: int | None = None, axes: Sequence[str] = ()
) -> dict[str, Any] | None:
    """Who changed segment with the given run, or with the current one.

    None if no run is given and none is published. Raises InputError for a run that was not
    published, or an axis that it lacks. `run` is the current one.
    """
    with snapshot(connection):
        run = current_run(connection, store_id)
        wanted = run_id if run_id is not None else run.run_id if run else None
        if wanted is None:
            return None
        found = runs.read_transitions(connection, wanted, store_id, axes)
    transitions: dict[str, Any] = plain_values(asdict(found))
    return {**transitions, "run": run.document() if run else None}
