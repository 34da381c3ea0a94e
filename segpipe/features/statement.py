"""The whole stage as one statement with parameters, for a few customers at a time.

Takes the SELECTs of order lines and tickets; gives SQL of the customers' measures, from the same
expressions as a run's customer_features. The engine plans it once, which is most of the work.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis.backends.sql.datatypes import DuckDBType

from segpipe.core.schema import FEATURE_METRICS, ORDER_LINES, TICKETS, Reference, Table
from segpipe.engines.duckdb import literal, quote
from segpipe.features.compute import COUNTS, measure_parts

_OBSERVATION = "observation"


class CteMaterializer:
    """Keeps expressions as clauses of one statement; `TableMaterializer` keeps them as tables."""

    is_numbered = False  # numbering the ids of few customers would be most of the work

    def __init__(self, given: Mapping[str, str]) -> None:
        self._clauses = dict(given)

    def __call__(
        self,
        name: str,
        expression: ir.Table,
        *,
        is_temporary: bool = True,  # noqa: ARG002 - a clause always is
    ) -> ir.Table:
        """Compute the expression in the clause `name`."""
        self._clauses[name] = _sql(expression)
        return ibis.table(expression.schema(), name=name)

    def view(self, name: str, expression: ir.Table) -> ir.Table:
        """A clause as well."""
        return self(name, expression)

    def table(self, name: str) -> ir.Table:
        """A table that was given."""
        known = {table.name: table for table in (ORDER_LINES, TICKETS)}
        return ibis.table(_schema(known[name]), name=name)

    def arrow(self, name: str, rows: pa.Table) -> ir.Table:
        """A small Arrow table as constants of the statement."""
        names = rows.column_names
        values = ", ".join(
            f"({', '.join(map(_constant, row.values()))})" for row in rows.to_pylist()
        )
        columns = ", ".join(map(quote, names))
        nothing = f"SELECT {', '.join(f'NULL AS {quote(column)}' for column in names)} LIMIT 0"
        self._clauses[name] = f"FROM (VALUES {values}) AS t({columns})" if values else nothing
        return ibis.table(ibis.schema(rows.schema), name=name)

    def fetch(self, expression: ir.Table) -> pa.Table:
        """Not available while the statement is written: figures come from a reference."""
        raise NotImplementedError

    def drop(self, *names: str) -> None:
        """Clauses end with their statement."""

    def rows(self, parts: Sequence[Part]) -> str:
        """The statement that gives the rows of all parts: joining the parts would cost more.

        Columns: place of the part, customer, values.
        """
        clauses = (f"{quote(n)} AS MATERIALIZED ({query})" for n, query in self._clauses.items())
        selects = (_rows_of(place, part) for place, part in enumerate(parts))
        return f"WITH {', '.join(clauses)} {' UNION ALL '.join(selects)}"


@dataclass(frozen=True)
class Part:
    """Some figures of customers: a query with `customer`, and its columns of values."""

    query: str
    columns: tuple[str, ...]


def features_statement(
    inputs: frozenset[str],
    reference: Reference,
    given: Mapping[str, str],
    measures: Sequence[str],
    more: Sequence[Part] = (),
) -> tuple[str, tuple[tuple[str, ...], ...]]:
    """SQL of measures and metrics as of the text `$as_of`, and the names of each part's values.

    `given` are the SELECTs of order_lines, of tickets where they are an input, and of the tables
    that those, or `more` parts, select from.
    """
    # A table of one row: with the parameter in many places, the engine would plan every time.
    observation = {_OBSERVATION: "SELECT $as_of::VARCHAR::DATE AS as_of"}
    clauses = CteMaterializer({**observation, **given})
    as_of = ibis.table({"as_of": "date"}, name=_OBSERVATION).as_of.as_scalar()
    tables, _ = measure_parts(clauses, inputs, as_of, reference)
    wanted = {*measures, *FEATURE_METRICS, *COUNTS.values()}
    parts = [
        Part(_sql(table), tuple(name for name in table.columns if name in wanted))
        for table in tables
    ]
    parts = [part for part in (*parts, *more) if part.columns]
    return clauses.rows(parts), tuple(part.columns for part in parts)


def _rows_of(place: int, part: Part) -> str:
    values = ", ".join(f"{quote(name)}::DOUBLE" for name in part.columns)
    return f"SELECT {place}, customer, [{values}] FROM ({part.query})"


def _sql(expression: ir.Table) -> str:
    return str(ibis.to_sql(expression, dialect="duckdb", pretty=False))


def _schema(table: Table) -> ibis.Schema:
    return ibis.schema({n: DuckDBType.from_string(kind) for n, kind in table.columns.items()})


def _constant(value: Any) -> str:
    return f"{value!r}::DOUBLE" if isinstance(value, float) else literal(str(value))
