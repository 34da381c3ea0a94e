"""Writes the ledger: a run from its start to its end, as the table `segmentation_runs` has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from segpipe.postgres import Connection, Json, Jsonb, fetch_one, plain_errors
from segpipe.runs.privileges import check_privileges
from segpipe.runs.records import RunFacts, RunTables


def start_run(connection: Connection, store_id: str, facts: RunFacts | None = None) -> int:
    """Number of a new run, which the ledger has as `running` from now on.

    Raises DatabaseError if the role could not publish at the end.
    """
    facts = facts or RunFacts()
    with plain_errors(), connection.transaction():
        check_privileges(connection)
        insert = "INSERT INTO segmentation_runs (store_id) VALUES (%s) RETURNING run_id"
        run_id = int(fetch_one(connection, insert, [store_id])[0])
        record_facts(connection, run_id, facts)
    return run_id


def record_facts(connection: Connection, run_id: int, facts: RunFacts) -> None:
    """Write what is known by now; None and empty leave what is there."""
    with plain_errors():
        connection.execute(
            """
            UPDATE segmentation_runs SET
                as_of = coalesce(%s, as_of), input_hash = coalesce(%s, input_hash),
                rows_read = coalesce(%s, rows_read),
                rows_rejected = coalesce(%s, rows_rejected), seed = coalesce(%s, seed),
                last_order_on = coalesce(%s, last_order_on),
                parameters = parameters || %s, versions = versions || %s
            WHERE run_id = %s
            """,
            [
                facts.as_of,
                facts.input_hash,
                facts.rows_read,
                facts.rows_rejected,
                facts.seed,
                facts.last_order_on,
                Jsonb(facts.parameters),
                Jsonb(facts.versions),
                run_id,
            ],
        )


def record_stage(connection: Connection, run_id: int, stage: str) -> None:
    """Write the stage that begins."""
    with plain_errors():
        connection.execute(
            "UPDATE segmentation_runs SET stage = %s WHERE run_id = %s", [stage, run_id]
        )


def record_forced(connection: Connection, run_id: int, reasons: Sequence[str]) -> None:
    """Write the reasons in spite of which the run is published."""
    connection.execute(
        "UPDATE segmentation_runs SET forced_past = %s WHERE run_id = %s",
        [Jsonb(list(reasons)), run_id],
    )


def record_decisions(connection: Connection, run_id: int, decisions: dict[str, Any]) -> None:
    """Write what the run did with each axis, plain values; part of the publishing transaction."""
    connection.execute(
        "UPDATE segmentation_runs SET axis_decisions = %s WHERE run_id = %s",
        [Jsonb(decisions), run_id],
    )


def record_report(
    connection: Connection,
    run_id: int,
    report: dict[str, Any],
    scatter: dict[str, Any] | None = None,
) -> None:
    """Store the run's report and points, plain values only, after the last stage."""
    with plain_errors():
        connection.execute(
            "UPDATE segmentation_runs SET report = %s, scatter = %s WHERE run_id = %s",
            [Jsonb(report), Json(scatter or {}), run_id],
        )


def fail_run(connection: Connection, run_id: int, stage: str, error: str) -> None:
    """Mark a run as failed, even if another run has marked it as dead; a published one stays."""
    with plain_errors():
        connection.execute(
            "UPDATE segmentation_runs SET status = 'failed', failed_stage = %s, error = %s,"
            " finished_at = clock_timestamp()"
            " WHERE run_id = %s AND status IN ('running', 'failed')",
            [stage, error.replace("\0", ""), run_id],
        )


def mark_published(
    connection: Connection,
    run_id: int,
    model: dict[str, Any] | None,
    tables: RunTables,
    n_customers: int,
) -> None:
    """Complete the run's row; part of the publishing transaction."""
    connection.execute(
        """
        UPDATE segmentation_runs AS run SET
            status = 'published', model = %s,
            -- the current run is the newest one, even if the clock went back after a failover
            finished_at = greatest(clock_timestamp(), (
                SELECT max(finished_at) + interval '1 microsecond' FROM segmentation_runs
                WHERE store_id = run.store_id AND status = 'published'
            )),
            profiles_table = %s, measures_table = %s, undo_table = %s, measures_undo_table = %s,
            n_customers = %s, failed_stage = NULL, error = NULL,
            previous_run_id = (
                SELECT run_id FROM segmentation_runs
                WHERE store_id = run.store_id AND status = 'published'
                ORDER BY finished_at DESC LIMIT 1
            )
        WHERE run_id = %s
        """,
        [
            Json(model) if model is not None else None,
            tables.profiles,
            tables.measures,
            tables.undo,
            tables.measures_undo,
            n_customers,
            run_id,
        ],
    )


def mark_finished(connection: Connection, run_id: int) -> None:
    """Correct the time at which the run became current."""
    connection.execute(
        "UPDATE segmentation_runs SET finished_at = greatest(finished_at, clock_timestamp())"
        " WHERE run_id = %s",
        [run_id],
    )


def is_published(connection: Connection, run_id: int) -> bool:
    """Whether the run was published, and is current or kept."""
    with plain_errors():
        row = connection.execute(
            "SELECT FROM segmentation_runs WHERE run_id = %s AND status = 'published'", [run_id]
        ).fetchone()
    return row is not None
