"""The measures of a run's customers, in a table a run, from which a customer is explained.

Takes a connection; gives a customer's figures, and puts rows into a table or back. Only the role
that publishes can read these tables, unless it grants more.
"""

from __future__ import annotations

from segpipe.postgres import Connection, column_list, plain_errors, sql
from segpipe.runs.profiles_table import StoreTable, profiles_schema

CUSTOMER_ID = "customer_id"


def read_measures(
    connection: Connection, store_id: str, run_id: int, customer_id: str
) -> dict[str, float | None] | None:
    """Measure → the customer's figure in the given run, None where it is missing.

    None if no table has the customer. The figures of one who was carried over are looked up in the
    current table once the run's own is gone.
    """
    with plain_errors():
        schema = profiles_schema(connection)
        rows = connection.execute(
            "SELECT measures_table FROM segmentation_runs"
            " WHERE store_id = %s AND status = 'published' AND measures_table IS NOT NULL"
            " ORDER BY run_id = %s DESC, finished_at DESC",
            [store_id, run_id],
        ).fetchall()
        for (name,) in rows:
            figures = _figures(connection, StoreTable(schema, name), customer_id)
            if figures is not None:
                return figures
    return None


def columns_of(connection: Connection, table: StoreTable) -> list[str]:
    """Names of its columns; none if somebody has dropped it."""
    rows = connection.execute(
        "SELECT attname FROM pg_attribute JOIN pg_class AS c ON c.oid = attrelid"
        " JOIN pg_namespace AS n ON n.oid = relnamespace"
        " WHERE nspname = %s AND relname = %s AND attnum > 0 AND NOT attisdropped"
        " ORDER BY attnum",
        [table.schema, table.name],
    ).fetchall()
    return [row[0] for row in rows]


def replace_measures(
    connection: Connection, table: StoreTable, rows: StoreTable, *, is_undo: bool
) -> None:
    """Replace the rows of the customers in `rows`; an undo also has customers to remove."""
    columns = column_list(columns_of(connection, table))
    remove = sql.SQL("DELETE FROM {} WHERE customer_id IN (SELECT customer_id FROM {})")
    connection.execute(remove.format(table.identifier, rows.identifier))
    connection.execute(
        sql.SQL("INSERT INTO {table} ({columns}) SELECT {columns} FROM {rows}{only}").format(
            table=table.identifier,
            columns=columns,
            rows=rows.identifier,
            only=sql.SQL(" WHERE is_there" if is_undo else ""),
        )
    )


def _figures(
    connection: Connection, table: StoreTable, customer_id: str
) -> dict[str, float | None] | None:
    measures = [name for name in columns_of(connection, table) if name != CUSTOMER_ID]
    if not measures:
        return None
    statement = sql.SQL("SELECT {} FROM {} WHERE customer_id = %s").format(
        column_list(measures), table.identifier
    )
    row = connection.execute(statement, [customer_id]).fetchone()
    return dict(zip(measures, row, strict=True)) if row else None
