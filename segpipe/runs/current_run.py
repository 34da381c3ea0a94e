"""The current run: which one it is, its model, and a view of the database in which it stays.

Takes an idle connection in autocommit. A run is published in one transaction, so a single statement
sees one run; several statements do inside `snapshot`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from segpipe.core.plain import plain_values
from segpipe.postgres import Connection, plain_errors
from segpipe.runs.past_runs import several_stores
from segpipe.runs.records import PublishedRun

# SQL: the store's current run, a row of the ledger.
CURRENT_RUN = (
    "segmentation_runs WHERE store_id = %(store_id)s AND status = 'published'"
    " ORDER BY finished_at DESC LIMIT 1"
)


@dataclass(frozen=True)
class CurrentRun:
    """The newest published run of a store; n_customers includes those stored since then."""

    run_id: int
    as_of: date | None
    finished_at: datetime
    n_customers: int | None
    input_hash: str | None

    def document(self) -> dict[str, Any]:
        """The run as answers name it."""
        return run_document(self.run_id, self.as_of, self.finished_at)


def run_document(run_id: int, as_of: date | None, published_at: datetime | None) -> dict[str, Any]:
    """run_id, as_of and published_at."""
    return {
        "run_id": run_id,
        "as_of": plain_values(as_of),
        "published_at": plain_values(published_at),
    }


def current_run(connection: Connection, store_id: str) -> CurrentRun | None:
    """The store's current run, None before the first; one row of an index."""
    with plain_errors():
        row = connection.execute(
            "SELECT run_id, as_of, finished_at, n_customers, input_hash"
            f" FROM {CURRENT_RUN}".encode(),
            {"store_id": store_id},
        ).fetchone()
    return CurrentRun(*row) if row else None


def latest_published(connection: Connection, store_id: str) -> int | None:
    """Number of the current run, None before the first."""
    with plain_errors():
        row = connection.execute(
            f"SELECT run_id FROM {CURRENT_RUN}".encode(), {"store_id": store_id}
        ).fetchone()
    return int(row[0]) if row else None


def read_published(connection: Connection, store_id: str) -> PublishedRun | None:
    """The current run with its model, None before the first."""
    with plain_errors():
        row = connection.execute(
            f"SELECT run_id, as_of, model FROM {CURRENT_RUN}".encode(), {"store_id": store_id}
        ).fetchone()
        known = connection.execute(
            "SELECT axis, segment, segment_id FROM segment_definitions"
            " WHERE store_id = %s AND kind = 'segment' ORDER BY run_id",
            [store_id],
        ).fetchall()
    known_ids: dict[str, dict[str, int]] = {}
    for axis, segment, segment_id in known:
        own = known_ids.setdefault(axis, {})
        if own.get(segment, segment_id) != segment_id:  # of a withdrawn run; never to be used again
            own[f"{segment}, once {own[segment]}"] = own[segment]
        own[segment] = segment_id
    return PublishedRun(row[0], row[1], row[2], known_ids) if row else None


def only_store(connection: Connection, store_id: str | None) -> str:
    """The named store, else the only one that has a published run, else `default`.

    Raises InputError if several have one.
    """
    if store_id is not None:
        return store_id
    with plain_errors():
        rows = connection.execute(
            "SELECT DISTINCT store_id FROM segmentation_runs WHERE status = 'published' ORDER BY 1"
        ).fetchall()
    if len(rows) > 1:
        raise several_stores([row[0] for row in rows])
    return str(rows[0][0]) if rows else "default"


@contextmanager
def snapshot(connection: Connection) -> Iterator[None]:
    """Let the statements inside see one state of the database, which they only read.

    The lock on the table, which only a swap of its partitions waits for, comes before the snapshot:
    else a run that is published in between would show with the ledger of the one before.
    """
    with plain_errors(), connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        connection.execute("LOCK TABLE ONLY customer_profiles IN ACCESS SHARE MODE")
        yield
