"""Removes customers who asked to be forgotten from a run's input.

Takes the salted hashes of a store; gives the engine's tables without these customers. Their ids
are not kept, so they can be recognised only when a file contains them again.
"""

from __future__ import annotations

import pyarrow as pa

from segpipe.core.errors import InputError
from segpipe.core.forgotten import Forgotten
from segpipe.core.schema import ORDER_LINES, TICKETS
from segpipe.engines.duckdb import Connection

_HASHES = "forgotten_hashes"
_FOUND = "forgotten_customers"


def remove_forgotten(engine: Connection, forgotten: Forgotten | None) -> tuple[int, int]:
    """Numbers of customers and order lines removed; their tickets are removed too.

    Raises InputError where nobody else is in the input.
    """
    if forgotten is None or not forgotten.hashes:
        return 0, 0
    tables = [name for name in (ORDER_LINES.name, TICKETS.name) if _exists(engine, name)]
    ids = " UNION ".join(f"SELECT customer_id::VARCHAR AS customer_id FROM {t}" for t in tables)
    engine.register(_HASHES, pa.table({"hash": pa.array(sorted(forgotten.hashes), pa.string())}))
    try:
        engine.execute(
            f"CREATE OR REPLACE TEMP TABLE {_FOUND} AS SELECT customer_id FROM"
            f" (SELECT DISTINCT customer_id FROM ({ids}))"
            f" WHERE sha256(? || customer_id) IN (SELECT hash FROM {_HASHES})",
            [forgotten.salt],
        )
        n_customers = _number(engine, f"SELECT count(*) FROM {_FOUND}")
        removed = {table: _remove(engine, table) for table in tables} if n_customers else {}
    finally:
        engine.execute(f"DROP TABLE IF EXISTS temp.{_FOUND}")
        engine.unregister(_HASHES)
    n_lines = removed.get(ORDER_LINES.name, 0)
    if n_lines and not _number(engine, f"SELECT count(*) FROM {ORDER_LINES.name}"):
        msg = f"All {n_customers:,} customers of the input have been forgotten;"
        raise InputError(f"{msg} give a file with other customers.")
    return n_customers, n_lines


def _remove(engine: Connection, table: str) -> int:
    return _number(
        engine, f"DELETE FROM {table} WHERE customer_id IN (SELECT customer_id FROM {_FOUND})"
    )


def _exists(engine: Connection, table: str) -> bool:
    found = engine.execute("SELECT count(*) FROM duckdb_tables() WHERE table_name = ?", [table])
    return bool(found.fetchall()[0][0])


def _number(engine: Connection, statement: str) -> int:
    return int(engine.execute(statement).fetchall()[0][0])
