"""What the ledger has of past runs: the list, a run by its number, its model, its page.

Takes a connection; raises InputError for a run that is not there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from segpipe.core.errors import InputError
from segpipe.postgres import Connection, fetch_dicts, plain_errors


def list_runs(
    connection: Connection, store_id: str | None = None, limit: int = 20
) -> list[dict[str, Any]]:
    """Runs, newest first, without model and report; n_customers counts what was published."""
    with plain_errors():
        return fetch_dicts(
            connection,
            """
            SELECT run_id, store_id, status, started_at, finished_at, as_of, input_hash, rows_read,
                rows_rejected, seed, failed_stage, error, forced_past, previous_run_id,
                profiles_table, axis_decisions,
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


def find_run(connection: Connection, run: str, store_id: str | None = None) -> int:
    """Number of the run that a user names by its number or as `latest`, of the store if given.

    Raises InputError for other text, and for `latest` if no store or several have a published run.
    """
    if run != "latest":
        if not (run.isascii() and run.isdigit() and len(run) < 19):
            raise InputError(
                f"The run is {run!r}; expected its number in `segpipe runs`, or latest."
            )
        return int(run)
    with plain_errors():
        rows = connection.execute(
            "SELECT DISTINCT ON (store_id) store_id, run_id FROM segmentation_runs"
            " WHERE status = 'published' AND store_id = coalesce(%s, store_id)"
            " ORDER BY store_id, finished_at DESC",
            [store_id],
        ).fetchall()
    if len(rows) > 1:
        raise several_stores(row[0] for row in rows)
    if not rows:
        of_store = f" of store {store_id!r}" if store_id else ""
        raise InputError(
            f"No run{of_store} has been published; publish one with: segpipe run --csv-path FILE"
        )
    return int(rows[0][1])


def unknown_run(run_id: int, store_id: str | None, status: str = "") -> InputError:
    """The error for a run that is not there, of that store and that status if given."""
    of_store = f" of store {store_id!r}" if store_id else ""
    kind = f"{status} run" if status else "run"
    return InputError(f"There is no {kind} {run_id}{of_store}; `segpipe runs` lists them.")


def several_stores(store_ids: Iterable[str]) -> InputError:
    """The error for a store that must be named."""
    stores = ", ".join(store_ids)
    return InputError(f"There are several stores ({stores}); name one with --store-id.")


def read_model(connection: Connection, run_id: int) -> dict[str, Any] | None:
    """Model document of a run, None if it has none."""
    with plain_errors():
        row = connection.execute(
            "SELECT model FROM segmentation_runs WHERE run_id = %s", [run_id]
        ).fetchone()
    return row[0] if row else None


def read_run_page(
    connection: Connection, run_id: int, store_id: str | None = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Report of a run, and what else its page shows: model, scatter, segments, versions.

    Raises InputError if there is no such run, of that store, or it has no report.
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
        raise unknown_run(run_id, store_id)
    details = rows[0]
    status, stage = details.pop("status"), details.pop("failed_stage")
    report = details.pop("report")
    if report is None:
        reasons = {"failed": f"it failed at the stage {stage}", "running": "it has not ended"}
        reason = reasons.get(status, "it could not be stored")
        raise InputError(f"Run {run_id} has no report: {reason}; `segpipe runs` lists the others.")
    return report, details


def axes_of_run(connection: Connection, run_id: int) -> list[str]:
    """Names of the axes in the order of the run's model; none if it has no model."""
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
