"""What past runs keep in the database, and what it costs."""

from __future__ import annotations

from segpipe.core.errors import InputError
from segpipe.postgres import Connection, plain_errors
from segpipe.runs import find_run


def kept_bytes(connection: Connection) -> dict[int, int]:
    """Run → bytes of its tables with their indexes; runs that have none are left out.

    A table that several runs stand on counts for the newest of them.
    """
    with plain_errors():
        rows = connection.execute(
            """
            SELECT run_id, sum(pg_total_relation_size(c.oid))::bigint
            FROM (
                SELECT max(run_id) AS run_id, name FROM segmentation_runs, unnest(ARRAY[
                    profiles_table, measures_table, undo_table, measures_undo_table]) AS name
                GROUP BY name
            ) AS of_run
            JOIN pg_class AS c ON c.relname = name AND c.relnamespace = (
                SELECT relnamespace FROM pg_class WHERE oid = 'customer_profiles'::regclass
            )
            GROUP BY run_id
            """
        ).fetchall()
    return {int(run_id): int(n_bytes) for run_id, n_bytes in rows}


def store_of_run(connection: Connection, run: str, store_id: str | None = None) -> tuple[str, int]:
    """The store of the run that is meant, and the run's number.

    `run` is a number or `latest`. Raises InputError where there is no such run, of that store.
    """
    run_id = find_run(connection, run, store_id)
    with plain_errors():
        row = connection.execute(
            "SELECT store_id FROM segmentation_runs"
            " WHERE run_id = %s AND store_id = coalesce(%s, store_id)",
            [run_id, store_id],
        ).fetchone()
    if row is None:
        of_store = f" of store {store_id!r}" if store_id else ""
        raise InputError(f"There is no run {run_id}{of_store}; `segpipe runs` lists them.")
    return row[0], run_id
