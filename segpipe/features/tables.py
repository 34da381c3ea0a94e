"""Computes Ibis expressions in DuckDB, into tables or rows."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Protocol, Self

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from segpipe.engines.duckdb import Connection, quote


class Materializer(Protocol):
    """Where the stage keeps expressions that it uses more than once."""

    is_numbered: bool  # whether numbers replace ids, as for many rows

    def __call__(self, name: str, expression: ir.Table, *, is_temporary: bool = True) -> ir.Table:
        """The expression, computed once under a name."""

    def view(self, name: str, expression: ir.Table) -> ir.Table:
        """The expression under a name, where computing it again is cheap."""

    def table(self, name: str) -> ir.Table:
        """An existing table."""

    def arrow(self, name: str, rows: pa.Table) -> ir.Table:
        """A small Arrow table."""

    def fetch(self, expression: ir.Table) -> pa.Table:
        """The rows of an expression."""

    def drop(self, *names: str) -> None:
        """Drop these names."""


class TableMaterializer:
    """Keeps expressions as engine tables under a name, and drops those that are temporary.

    Statements run one after another in a thread while the next expressions are compiled, which
    takes a fifth of the stage. An error of a statement is raised by the next `fetch` or the end.
    """

    is_numbered = True

    def __init__(self, engine: Connection) -> None:
        self._engine = engine
        self._backend: Any = ibis.duckdb.from_connection(engine)
        self._names: list[str] = []
        self._worker = ThreadPoolExecutor(1)
        self._waiting: list[Future[None]] = []

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Wait for running statements; drop the temporary tables."""
        try:
            if error is None:
                self.drop()
                self.wait()
        finally:
            self._worker.shutdown(cancel_futures=True)

    def __call__(self, name: str, expression: ir.Table, *, is_temporary: bool = True) -> ir.Table:
        """Compute the expression into the table `name` and give that table."""
        if is_temporary:
            self._names.append(name)
        query = self._backend.compile(expression)
        self._run(f"CREATE OR REPLACE TABLE {quote(name)} AS {query}")
        return ibis.table(expression.schema(), name=name)

    def view(self, name: str, expression: ir.Table) -> ir.Table:
        """The expression itself: another copy of the lines would fill the memory."""
        del name
        return expression

    def table(self, name: str) -> ir.Table:
        """An existing table, once the statements so far are done."""
        self.wait()
        found: ir.Table = self._backend.table(name)
        return found

    def arrow(self, name: str, rows: pa.Table) -> ir.Table:
        """A small Arrow table as an engine table."""
        self.wait()
        self._names.append(name)
        self._engine.register(f"{name}_rows", rows)
        self._engine.execute(f"CREATE TABLE {quote(name)} AS FROM {quote(name + '_rows')}")
        self._engine.unregister(f"{name}_rows")
        kept: ir.Table = self._backend.table(name)
        return kept

    def fetch(self, expression: ir.Table) -> pa.Table:
        """The rows of an expression; Ibis would import pandas, which takes half a second."""
        query = self._backend.compile(expression)
        self.wait()
        rows: pa.Table = self._engine.sql(query).to_arrow_table()
        return rows

    def drop(self, *names: str) -> None:
        """Drop these temporary tables, or all of them."""
        for name in names or tuple(self._names):
            self._run(f"DROP TABLE {quote(name)}")
            self._names.remove(name)

    def wait(self) -> None:
        """Wait for the statements so far; raises the error of one that failed."""
        waiting, self._waiting = self._waiting, []
        for statement in waiting:
            statement.result()

    def _run(self, statement: str) -> None:
        self._waiting.append(self._worker.submit(self._execute, statement))

    def _execute(self, statement: str) -> None:
        self._engine.execute(statement)
