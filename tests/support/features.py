"""Order lines and customers for the tests of the core stages, loaded by typed SQL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa

from segpipe.axes import RAW_MEASURES
from segpipe.core.schema import (
    CUSTOMER_FEATURES,
    FEATURE_METRICS,
    INPUTS,
    ORDER_LINES,
    TICKETS,
    Reference,
    Table,
)
from segpipe.core.settings import EngineSettings
from segpipe.engines.duckdb import Connection, open_engine
from segpipe.features import compute_features

GOLDEN = Path(__file__).parent / "golden"
ALL_INPUTS = frozenset(INPUTS)
AS_OF = date(2025, 3, 1)

Row = dict[str, Any]
LINE: Row = {
    "customer_id": "a",
    "order_id": "o1",
    "ordered_at": "2025-01-01 12:00",
    "ordered_local": None,  # as ordered_at
    "is_return": False,
    "line_amount": "10",
    "quantity": "1",
    "discount_amount": "0",
    "refund_amount": "0",
    "product_id": "p1",
    "category": "c1",
    "channel": "web",
    "unit_price": "10",
}


def line(customer: str, order: str, at: str, **changed: object) -> Row:
    """An order line that differs from the usual one in the given columns."""
    values = {"customer_id": customer, "order_id": order, "ordered_at": at, **changed}
    row = {**LINE, **values}
    return {**row, "ordered_local": row["ordered_local"] or row["ordered_at"]}


@contextmanager
def engine_of(
    rows: Sequence[Row], tickets: Sequence[Row] = (), threads: int | None = None
) -> Iterator[Connection]:
    """An engine that holds these lines and tickets."""
    with open_engine(EngineSettings(threads=threads)) as engine:
        for table, given in ((ORDER_LINES, rows), (TICKETS, tickets)):
            create_table(engine, table)
            if given:
                columns = {name: _texts(row.get(name) for row in given) for name in table.columns}
                engine.register("given", pa.table(columns))
                engine.execute(f"INSERT INTO {table.name} BY NAME FROM given")
                engine.unregister("given")
        yield engine


@contextmanager
def golden_engine() -> Iterator[Connection]:
    """An engine that holds the golden order lines and tickets."""
    with open_engine(EngineSettings()) as engine:
        for table in (ORDER_LINES, TICKETS):
            create_table(engine, table)
            engine.execute(f"COPY {table.name} FROM '{GOLDEN / table.name}.csv' (HEADER)")
        yield engine


def create_table(engine: Connection, table: Table) -> None:
    typed = ", ".join(f"{name} {kind}" for name, kind in table.columns.items())
    engine.execute(f"CREATE TABLE {table.name} ({typed})")


def features_of(
    rows: Sequence[Row],
    tickets: Sequence[Row] = (),
    *,
    inputs: frozenset[str] = ALL_INPUTS,
    as_of: date | None = None,
    reference: Reference | None = None,
    threads: int | None = None,
) -> dict[str, dict[str, Any]]:
    """Customer → measure → value, as the feature stage computes them."""
    with engine_of(rows, tickets, threads) as engine:
        compute_features(engine, inputs, as_of, reference)
        return fetched(engine)


def fetched(engine: Connection) -> dict[str, dict[str, Any]]:
    """customer_features as customer → column → value."""
    table = engine.sql(f"FROM {CUSTOMER_FEATURES.name}").to_arrow_table()
    return {row["customer_id"]: row for row in table.to_pylist()}


def put_customers(engine: Connection, columns: Mapping[str, Sequence[Any]]) -> None:
    """customer_features made by hand: the given columns, every other number missing."""
    n = len(columns["customer_id"])
    kinds = dict.fromkeys(RAW_MEASURES, pa.float64())
    kinds |= {m: pa.float64() if k == "DOUBLE" else pa.int32() for m, k in FEATURE_METRICS.items()}
    table = {"customer_id": pa.array(columns["customer_id"], pa.string())}
    for name, kind in kinds.items():
        empty: Sequence[Any] = [None] * n
        table[name] = pa.array(columns.get(name, empty), kind)
    engine.register("customers", pa.table(table))
    engine.execute(f"CREATE OR REPLACE TABLE {CUSTOMER_FEATURES.name} AS FROM customers")
    engine.unregister("customers")


def _texts(values: Iterator[Any]) -> pa.Array:
    return pa.array([None if value is None else str(value) for value in values], pa.string())
