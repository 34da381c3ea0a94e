"""Ibis expressions as tables of the engine, and as rows: where definitions meet DuckDB."""

from __future__ import annotations

from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from segpipe.engine import Connection, quote


class Tables:
    """Keeps expressions as engine tables under a name, and drops those that are temporary."""

    def __init__(self, engine: Connection) -> None:
        self._engine = engine
        self.backend: Any = ibis.duckdb.from_connection(engine)
        self._names: list[str] = []

    def __call__(self, name: str, expression: ir.Table, *, is_temporary: bool = True) -> ir.Table:
        """Compute the expression into the table `name` and give that table."""
        if is_temporary:
            self._names.append(name)
        query = self.backend.compile(expression)
        self._engine.execute(f"CREATE OR REPLACE TABLE {quote(name)} AS {query}")
        kept: ir.Table = self.backend.table(name)
        return kept

    def arrow(self, name: str, rows: pa.Table) -> ir.Table:
        """A small Arrow table as an engine table."""
        self._names.append(name)
        self._engine.register(f"{name}_rows", rows)
        self._engine.execute(f"CREATE TABLE {quote(name)} AS FROM {quote(name + '_rows')}")
        self._engine.unregister(f"{name}_rows")
        kept: ir.Table = self.backend.table(name)
        return kept

    def fetch(self, expression: ir.Table) -> pa.Table:
        """The rows of an expression; Ibis's own way would import pandas, half a second."""
        rows: pa.Table = self._engine.sql(self.backend.compile(expression)).to_arrow_table()
        return rows

    def drop(self, *names: str) -> None:
        """Drop these temporary tables, or all that are left."""
        for name in names or tuple(self._names):
            self._engine.execute(f"DROP TABLE {quote(name)}")
            self._names.remove(name)
