"""The customers of a run as tables of a DuckDB connection: the part of the engine that is SQL.

Reading and features are added in pipeline/engine.py, above the rooms that define them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from itertools import accumulate
from pathlib import Path
from typing import Any

import pyarrow as pa

from segpipe.core.schema import CUSTOMER_FEATURES, TICKETS
from segpipe.engines.base import EngineError, EngineMemoryError, MapBatches
from segpipe.engines.duckdb import (
    Connection,
    DuckDbError,
    DuckDbInterrupt,
    DuckDbMemoryError,
    literal,
    quote,
)

_CUSTOMERS = CUSTOMER_FEATURES.name
# Of the RuntimeError, without a class of its own, when DuckDB notices a signal before Python does.
_NOTICED_SIGNAL = "Query interrupted"


@contextmanager
def engine_errors() -> Iterator[None]:
    """Raise DuckDB's errors as an engine's, and an interrupt as what it is."""
    try:
        yield
    except DuckDbInterrupt as error:
        raise KeyboardInterrupt from error
    except DuckDbError as error:
        kind = EngineMemoryError if isinstance(error, DuckDbMemoryError) else EngineError
        message = f"{type(error).__name__}: {error}"
        raise kind(message) from error
    except RuntimeError as error:
        if str(error) == _NOTICED_SIGNAL:
            raise KeyboardInterrupt from error
        raise


class DuckDbTables:
    """`customer_features` and `tickets` of a connection.

    Every read has a cursor of its own: axes are read side by side, and profiles and measures are
    streamed at the same time. The table is in the order of the ids, and is read in its order.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def count_customers(self) -> int:
        """How many rows `customer_features` has."""
        return int(self._fetch(f"SELECT count(*) AS n FROM {_CUSTOMERS}")["n"][0].as_py())

    def draw_customers(self, seed: int, sizes: Sequence[int], quotas: Sequence[int]) -> pa.Table:
        """Customers drawn by stratum of lifetime value, the same for the same seed.

        Only the drawn customers have their other columns fetched; the ranking carries none.
        """
        bounds = list(accumulate(sizes))[:-1]
        return self._fetch(
            f"""
            WITH ranked AS (
                SELECT customer_id, md5($prefix || customer_id) AS draw,
                    row_number() OVER (ORDER BY lifetime_value DESC, customer_id) AS value_rank
                FROM {_CUSTOMERS}
            ), banded AS (
                SELECT customer_id, draw,
                    len(list_filter($bounds::BIGINT[], lambda bound: bound < value_rank)) AS stratum
                FROM ranked
            ), drawn AS (
                SELECT customer_id, stratum FROM banded
                QUALIFY row_number() OVER (PARTITION BY stratum ORDER BY draw, customer_id)
                    <= list_extract($quotas::BIGINT[], stratum + 1)
            )
            SELECT {_CUSTOMERS}.*, stratum FROM {_CUSTOMERS} JOIN drawn USING (customer_id)
            ORDER BY customer_id
            """,
            {"prefix": f"{seed}:", "bounds": bounds, "quotas": list(quotas)},
        )

    def read_columns(self, names: Sequence[str]) -> pa.Table:
        """These columns of everybody."""
        return self._fetch(_select(names))

    def map_customers(
        self, function: MapBatches, columns: Sequence[str], batch_size: int
    ) -> Iterator[pa.RecordBatch]:
        """What the function makes of everybody's columns, streamed."""
        with engine_errors(), self.connection.cursor() as cursor:
            yield from function(cursor.sql(_select(columns)).to_arrow_reader(batch_size))

    def customers_with_tickets(self, after: date, until: date) -> frozenset[str]:
        """Ids of the customers with a ticket later than the one day, up to the other."""
        found = self._fetch(
            f"SELECT DISTINCT customer_id FROM {TICKETS.name}"
            " WHERE created_at::DATE > $after AND created_at::DATE <= $until",
            {"after": after, "until": until},
        )
        return frozenset(found["customer_id"].to_pylist())

    def keep(
        self, folder: Path, columns: Sequence[str], tickets_until: date | None
    ) -> tuple[Path, ...]:
        """Write the columns, and each customer's latest ticket up to that day, as Parquet."""
        queries = {_CUSTOMERS: _select(columns)}
        if tickets_until:
            queries[TICKETS.name] = (
                f"SELECT customer_id, max(created_at) AS created_at FROM {TICKETS.name}"
                f" WHERE created_at::DATE <= DATE '{tickets_until}' GROUP BY ALL ORDER BY ALL"
            )
        files = {folder / f"{table}.parquet": query for table, query in queries.items()}
        with engine_errors():
            for path, query in files.items():
                target = f"{literal(str(path))} (FORMAT parquet)"
                self.connection.execute(f"COPY ({query}) TO {target}")
        return tuple(files)

    def restore(self, files: Sequence[Path]) -> None:
        """Create the tables from their files; a file is named for its table."""
        with engine_errors():
            for path in files:
                scan = f"read_parquet([{literal(str(path))}], hive_partitioning = false)"
                table = quote(path.stem)
                self.connection.execute(f"CREATE OR REPLACE TABLE {table} AS FROM {scan}")

    def _fetch(self, query: str, parameters: dict[str, Any] | None = None) -> pa.Table:
        with engine_errors(), self.connection.cursor() as cursor:
            return cursor.sql(query, params=parameters).to_arrow_table()


def _select(columns: Sequence[str]) -> str:
    return f"SELECT {', '.join(map(quote, columns))} FROM {_CUSTOMERS}"
