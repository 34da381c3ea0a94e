"""The ledger: takes what is known of a run, gives its number; and what was stored of past runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from segpipe.core.errors import InputError
from segpipe.postgres import Connection, Json, Jsonb, fetch_dicts, plain_errors
from segpipe.runs.privileges import check_privileges
from segpipe.runs.records import PublishedRun, RunFacts, RunTables


def start_run(connection: Connection, store_id: str, facts: RunFacts | None = None) -> int:
    """Number of a new run, which stands as `running` in the ledger from now on.

    Raises DatabaseError, before any work is done, for a role that could not publish at the end.
    """
    facts = facts or RunFacts()
    with plain_errors(), connection.transaction():
        check_privileges(connection)
        row = connection.execute(
            "INSERT INTO segmentation_runs (store_id) VALUES (%s) RETURNING run_id", [store_id]
        ).fetchone()
        assert row is not None  # noqa: S101 - INSERT … RETURNING gives one row
        record_facts(connection, row[0], facts)
    return int(row[0])


def record_facts(connection: Connection, run_id: int, facts: RunFacts) -> None:
    """Write what is known by now; what is None or empty stays as it is."""
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
    """Write the stage at work."""
    with plain_errors():
        connection.execute(
            "UPDATE segmentation_runs SET stage = %s WHERE run_id = %s", [stage, run_id]
        )


def record_forced(connection: Connection, run_id: int, reasons: Sequence[str]) -> None:
    """Write the reasons against the run that it is published in spite of."""
    connection.execute(
        "UPDATE segmentation_runs SET forced_past = %s WHERE run_id = %s",
        [Jsonb(list(reasons)), run_id],
    )


def record_report(
    connection: Connection,
    run_id: int,
    report: dict[str, Any],
    scatter: dict[str, Any] | None = None,
) -> None:
    """Store the run's report and points, plain values only, once the last stage has spoken."""
    with plain_errors():
        connection.execute(
            "UPDATE segmentation_runs SET report = %s, scatter = %s WHERE run_id = %s",
            [Jsonb(report), Json(scatter or {}), run_id],
        )


def fail_run(connection: Connection, run_id: int, stage: str, error: str) -> None:
    """Mark a run as failed, also where another had taken it for dead; a published one stays so."""
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
    """Close the run's row; part of the publishing transaction."""
    connection.execute(
        """
        UPDATE segmentation_runs AS run SET
            status = 'published', model = %s,
            -- whatever the clock says after a failover: the newest is the one in force
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
    """Say when the run was in force at last."""
    connection.execute(
        "UPDATE segmentation_runs SET finished_at = greatest(finished_at, clock_timestamp())"
        " WHERE run_id = %s",
        [run_id],
    )


def is_published(connection: Connection, run_id: int) -> bool:
    """Whether the run was published, in force or not."""
    with plain_errors():
        row = connection.execute(
            "SELECT FROM segmentation_runs WHERE run_id = %s AND status = 'published'", [run_id]
        ).fetchone()
    return row is not None


def read_published(connection: Connection, store_id: str) -> PublishedRun | None:
    """The run in force, None before the first."""
    with plain_errors():
        row = connection.execute(
            "SELECT run_id, as_of, model FROM segmentation_runs"
            " WHERE store_id = %s AND status = 'published' ORDER BY finished_at DESC LIMIT 1",
            [store_id],
        ).fetchone()
        known = connection.execute(
            "SELECT axis, segment, segment_id FROM segment_definitions"
            " WHERE store_id = %s AND kind = 'segment' ORDER BY run_id",
            [store_id],
        ).fetchall()
    known_ids: dict[str, dict[str, int]] = {}
    for axis, segment, segment_id in known:
        own = known_ids.setdefault(axis, {})
        if own.get(segment, segment_id) != segment_id:  # of a withdrawn run; not to be given again
            own[f"{segment}, once {own[segment]}"] = own[segment]
        own[segment] = segment_id
    return PublishedRun(row[0], row[1], row[2], known_ids) if row else None


def latest_published(connection: Connection, store_id: str) -> int | None:
    """Number of the run in force, None before the first."""
    with plain_errors():
        row = connection.execute(
            "SELECT run_id FROM segmentation_runs WHERE store_id = %s AND status = 'published'"
            " ORDER BY finished_at DESC LIMIT 1",
            [store_id],
        ).fetchone()
    return int(row[0]) if row else None


def read_model(connection: Connection, run_id: int) -> dict[str, Any] | None:
    """Model document of a run, None where it has none."""
    with plain_errors():
        row = connection.execute(
            "SELECT model FROM segmentation_runs WHERE run_id = %s", [run_id]
        ).fetchone()
    return row[0] if row else None


def list_runs(
    connection: Connection, store_id: str | None = None, limit: int = 20
) -> list[dict[str, Any]]:
    """Runs, newest first, without their model and report; n_customers counts what was published."""
    with plain_errors():
        return fetch_dicts(
            connection,
            """
            SELECT run_id, store_id, status, started_at, finished_at, as_of, input_hash, rows_read,
                rows_rejected, seed, failed_stage, error, forced_past, previous_run_id,
                profiles_table,
                (
                    SELECT sum(n_customers)::bigint FROM segment_counts AS counts
                    WHERE counts.run_id = runs.run_id AND counts.store_id = runs.store_id
                    GROUP BY axis LIMIT 1
                ) AS n_customers
            FROM segmentation_runs AS runs
            WHERE %(store_id)s::text IS NULL OR store_id = %(store_id)s
            ORDER BY run_id DESC LIMIT %(limit)s
            """,
            {"store_id": store_id, "limit": limit},
        )


def show_customer(connection: Connection, store_id: str, customer_id: str) -> dict[str, Any] | None:
    """Profile of a customer as column → value, None where there is none."""
    with plain_errors():
        rows = fetch_dicts(
            connection,
            "SELECT * FROM customer_profiles WHERE store_id = %s AND customer_id = %s",
            [store_id, customer_id],
        )
    return rows[0] if rows else None


def stores_of(connection: Connection, customer_id: str) -> list[str]:
    """Stores that have a profile of this customer, by name."""
    with plain_errors():
        rows = connection.execute(
            "SELECT store_id FROM customer_profiles WHERE customer_id = %s ORDER BY store_id",
            [customer_id],
        ).fetchall()
    return [row[0] for row in rows]


def find_run(connection: Connection, run: str, store_id: str | None = None) -> int:
    """Number of the run that a user means by a number or `latest`, of the store if one is named.

    Raises InputError for what is neither, and for `latest` where no run, or of several stores, is.
    """
    if run != "latest":
        if not (run.isascii() and run.isdigit() and len(run) < 19):
            msg = f"The run is {run!r}; expected its number in `segpipe runs`, or latest."
            raise InputError(msg)
        return int(run)
    with plain_errors():
        rows = connection.execute(
            "SELECT DISTINCT ON (store_id) store_id, run_id FROM segmentation_runs"
            " WHERE status = 'published' AND store_id = coalesce(%s, store_id)"
            " ORDER BY store_id, finished_at DESC",
            [store_id],
        ).fetchall()
    if len(rows) > 1:
        stores = ", ".join(row[0] for row in rows)
        raise InputError(f"There are several stores ({stores}); name one with --store-id.")
    if not rows:
        of_store = f" of store {store_id!r}" if store_id else ""
        told = "publish one with: segpipe run --csv-path FILE"
        raise InputError(f"No run{of_store} has been published; {told}")
    return int(rows[0][1])


def read_run_page(
    connection: Connection, run_id: int, store_id: str | None = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Report of a run, and what its page shows beside it: model, scatter, segments, versions.

    Raises InputError where there is no such run, of that store, or it has no report.
    """
    with plain_errors():
        rows = fetch_dicts(
            connection,
            """
            SELECT status, failed_stage, report, model, scatter, versions,
                to_char(finished_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"') AS finished_at,
                (
                    SELECT json_agg(json_build_object(
                        'axis', axis, 'segment', segment,
                        'n_customers', n_customers, 'value_share', value_share
                    ))
                    FROM segment_definitions AS segments
                    WHERE segments.run_id = runs.run_id AND segments.store_id = runs.store_id
                ) AS segments
            FROM segmentation_runs AS runs
            WHERE run_id = %s AND store_id = coalesce(%s, store_id)
            """,
            [run_id, store_id],
        )
    if not rows:
        of_store = f" of store {store_id!r}" if store_id else ""
        raise InputError(f"There is no run {run_id}{of_store}; `segpipe runs` lists them.")
    details = rows[0]
    status, stage = details.pop("status"), details.pop("failed_stage")
    report = details.pop("report")
    if report is None:
        whys = {"failed": f"it failed at the stage {stage}", "running": "it has not ended"}
        why = whys.get(status, "it could not be stored")
        raise InputError(f"Run {run_id} has no report: {why}; `segpipe runs` lists the others.")
    return report, details


def axes_of_run(connection: Connection, run_id: int) -> list[str]:
    """Names of the axes in the order of the run's model; none of a run without a model."""
    rows = connection.execute(
        "SELECT value->>'name' FROM segmentation_runs,"
        " json_array_elements(model->'axes') WITH ORDINALITY AS axes(value, place)"
        " WHERE run_id = %s ORDER BY place",
        [run_id],
    ).fetchall()
    return [name for (name,) in rows]


def in_order(axes: Iterable[str], known: Sequence[str]) -> list[str]:
    """The axes in the order of the known ones; others last, by name."""
    places: dict[str, int] = {}
    for name in known:
        places.setdefault(name, len(places))
    return sorted(axes, key=lambda axis: (places.get(axis, len(places)), axis))
