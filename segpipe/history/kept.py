"""The tables of past runs in the database: their size, and whose they are."""

from __future__ import annotations

from segpipe.postgres import Connection, plain_errors
from segpipe.runs.past_runs import find_run, unknown_run


def kept_bytes(connection: Connection) -> dict[int, int]:
    """Run → bytes of its tables with their indexes; runs that have none are left out.

    A table that several runs share counts for the newest of them.
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

    `run` is a number or `latest`. Raises InputError if there is no such run, of that store.
    """
    run_id = find_run(connection, run, store_id)
    with plain_errors():
        row = connection.execute(
            "SELECT store_id FROM segmentation_runs"
            " WHERE run_id = %s AND store_id = coalesce(%s, store_id)",
            [run_id, store_id],
        ).fetchone()
    if row is None:
        raise unknown_run(run_id, store_id)
    return row[0], run_id
