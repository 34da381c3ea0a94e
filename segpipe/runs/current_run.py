"""The run in force: which one it is, and a view of the database in which it stays the only one.

Takes an idle connection in autocommit. A run is published in one transaction, so a single statement
sees one run; several see one inside `snapshot`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from segpipe.core.errors import InputError
from segpipe.core.plain import plain_values
from segpipe.postgres import Connection, plain_errors

# SQL: the store's run in force, a row of the ledger.
CURRENT_RUN = (
    "segmentation_runs WHERE store_id = %(store_id)s AND status = 'published'"
    " ORDER BY finished_at DESC LIMIT 1"
)


@dataclass(frozen=True)
class CurrentRun:
    """The newest published run of a store; n_customers has those stored since it, too."""

    run_id: int
    as_of: date | None
    finished_at: datetime
    n_customers: int | None
    input_hash: str | None

    def document(self) -> dict[str, Any]:
        """How an answer names the run."""
        return run_document(self.run_id, self.as_of, self.finished_at)


def run_document(run_id: int, as_of: date | None, published_at: datetime | None) -> dict[str, Any]:
    """run_id, as_of and published_at."""
    return {
        "run_id": run_id,
        "as_of": plain_values(as_of),
        "published_at": plain_values(published_at),
    }


def current_run(connection: Connection, store_id: str) -> CurrentRun | None:
    """The store's run in force, None before the first; one row of an index."""
    with plain_errors():
        row = connection.execute(
            "SELECT run_id, as_of, finished_at, n_customers, input_hash"
            f" FROM {CURRENT_RUN}".encode(),
            {"store_id": store_id},
        ).fetchone()
    return CurrentRun(*row) if row else None


def only_store(connection: Connection, store_id: str | None) -> str:
    """The named store, else the only one that has a published run, else `default`.

    Raises InputError where several have one.
    """
    if store_id is not None:
        return store_id
    with plain_errors():
        rows = connection.execute(
            "SELECT DISTINCT store_id FROM segmentation_runs WHERE status = 'published' ORDER BY 1"
        ).fetchall()
    if len(rows) > 1:
        stores = ", ".join(row[0] for row in rows)
        raise InputError(f"There are several stores ({stores}); name one with --store-id.")
    return str(rows[0][0]) if rows else "default"


@contextmanager
def snapshot(connection: Connection) -> Iterator[None]:
    """Let the statements inside see one state of the database, which they only read.

    The table is locked, against nobody but a swap of its partitions, before the first of them is
    seen: else a run that was published in between would show with the ledger of the one before.
    """
    with plain_errors(), connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        connection.execute("LOCK TABLE ONLY customer_profiles IN ACCESS SHARE MODE")
        yield
