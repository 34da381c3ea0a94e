"""The engine's tables of customers: what is drawn, read, mapped, kept and restored."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from threading import Event, Thread

import pyarrow as pa
import pytest

from segpipe.core.settings import EngineSettings
from segpipe.engines.base import CustomerTable, EngineError, EngineMemoryError
from segpipe.engines.duckdb import open_engine
from segpipe.engines.duckdb_tables import DuckDbTables, engine_errors
from tests.support.features import Row, engine_of, put_customers

IDS = [f"c{number:02}" for number in range(10)]
VALUES = [float(number) for number in range(10)]
TICKETS: list[Row] = [
    {"customer_id": "c01", "created_at": "2025-01-31 23:59:59"},
    {"customer_id": "c02", "created_at": "2025-02-01 00:00"},
    {"customer_id": "c03", "created_at": "2025-02-28 23:59:59"},
    {"customer_id": "c03", "created_at": "2025-02-10 12:00"},
    {"customer_id": "c04", "created_at": "2025-03-01 00:00"},
]


@pytest.fixture
def customers() -> Iterator[CustomerTable]:
    with engine_of([], TICKETS) as engine:
        put_customers(engine, {"customer_id": IDS, "lifetime_value": VALUES})
        yield DuckDbTables(engine)


def test_customers_are_drawn_by_stratum_from_the_highest_value_down(
    customers: CustomerTable,
) -> None:
    assert customers.count_customers() == 10
    drawn = customers.draw_customers(42, sizes=[2, 3, 5], quotas=[2, 1, 3])
    assert drawn["customer_id"].to_pylist() == sorted(drawn["customer_id"].to_pylist())
    strata = dict(zip(drawn["customer_id"].to_pylist(), drawn["stratum"].to_pylist(), strict=True))
    assert [strata.pop("c09"), strata.pop("c08")] == [0, 0]
    by_value = {customer: 1 if customer >= "c05" else 2 for customer in strata}
    assert strata == by_value
    assert sorted(strata.values()) == [1, 2, 2, 2]


def test_an_empty_stratum_gives_nobody(customers: CustomerTable) -> None:
    drawn = customers.draw_customers(42, sizes=[0, 0, 10], quotas=[0, 0, 10])
    assert drawn["customer_id"].to_pylist() == IDS
    assert set(drawn["stratum"].to_pylist()) == {2}


def test_columns_are_read_in_the_order_of_the_ids(customers: CustomerTable) -> None:
    columns = customers.read_columns(["lifetime_value", "customer_id"])
    assert columns.to_pydict() == {"lifetime_value": VALUES, "customer_id": IDS}


def test_a_function_is_mapped_over_batches_while_others_read(customers: CustomerTable) -> None:
    def doubled(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            values = [2 * value for value in batch["lifetime_value"].to_pylist()]
            yield pa.RecordBatch.from_pydict({"doubled": values})

    mapped = customers.map_customers(doubled, ["lifetime_value"], batch_size=4)
    plain = customers.map_customers(iter, ["lifetime_value"], batch_size=5)
    pairs = [(next(mapped), next(plain)) for _ in range(2)]
    rest = [*mapped]
    assert [batch.num_rows for batch in (*(first for first, _ in pairs), *rest)] == [4, 4, 2]
    batches = [first for first, _ in pairs] + rest
    assert pa.Table.from_batches(batches)["doubled"].to_pylist() == [2 * v for v in VALUES]
    assert [batch.num_rows for _, batch in pairs] == [5, 5]


def test_tickets_count_from_the_day_after_the_first_date_to_the_second(
    customers: CustomerTable,
) -> None:
    found = customers.customers_with_tickets(date(2025, 1, 31), date(2025, 2, 28))
    assert found == {"c02", "c03"}


def test_what_is_kept_can_be_restored_elsewhere(customers: CustomerTable, tmp_path: Path) -> None:
    columns = ["customer_id", "lifetime_value"]
    files = customers.keep(tmp_path, columns, tickets_until=date(2025, 2, 28))
    assert [path.name for path in files] == ["customer_features.parquet", "tickets.parquet"]
    with open_engine(EngineSettings()) as engine:
        restored = DuckDbTables(engine)
        restored.restore(files)
        restored.restore(files)  # in place of what is there
        assert restored.read_columns(columns).equals(customers.read_columns(columns))
        tickets = engine.execute("SELECT customer_id, created_at::VARCHAR FROM tickets").fetchall()
    assert tickets == [
        ("c01", "2025-01-31 23:59:59"),
        ("c02", "2025-02-01 00:00:00"),
        ("c03", "2025-02-28 23:59:59"),  # the latest one
    ]


def test_without_a_date_no_tickets_are_kept(customers: CustomerTable, tmp_path: Path) -> None:
    files = customers.keep(tmp_path, ["customer_id"], tickets_until=None)
    assert [path.name for path in files] == ["customer_features.parquet"]


def test_errors_of_duckdb_are_raised_as_the_engines(
    customers: CustomerTable, tmp_path: Path
) -> None:
    with pytest.raises(EngineError, match=r"^BinderException: .*no_such_measure"):
        customers.read_columns(["no_such_measure"])
    with pytest.raises(EngineError, match=r"^BinderException: "):
        list(customers.map_customers(iter, ["no_such_measure"], 10))
    with pytest.raises(EngineError, match=r"^IOException: "):
        customers.restore([tmp_path / "tickets.parquet"])


def test_a_lack_of_memory_is_an_error_of_its_own() -> None:
    with (
        open_engine(EngineSettings(memory_limit="20MB", threads=1)) as engine,
        pytest.raises(EngineMemoryError, match=r"^OutOfMemoryException: "),
        engine_errors(),
    ):
        engine.sql("SELECT list(i) FROM range(50_000_000) AS t(i)").to_arrow_table()


def test_another_error_may_speak_of_memory_or_an_interrupt() -> None:
    with (
        open_engine(EngineSettings()) as engine,
        pytest.raises(EngineError, match=r"^CatalogException: .*memory_interrupt") as raised,
        engine_errors(),
    ):
        engine.sql("FROM memory_interrupt")
    assert type(raised.value) is EngineError
    with pytest.raises(RuntimeError, match="interrupted"), engine_errors():
        raise RuntimeError("the mapped function was interrupted")


def test_an_interrupted_query_is_an_interrupt() -> None:
    is_over = Event()
    with open_engine(EngineSettings()) as engine:

        def interrupt() -> None:  # again and again: the first may come before the query
            while not is_over.wait(0.05):
                engine.interrupt()

        other = Thread(target=interrupt)
        other.start()
        try:
            with pytest.raises(KeyboardInterrupt), engine_errors():
                engine.execute(
                    "SELECT sum(hash(a.i, b.i)) FROM range(1000000) a(i), range(1000000) b(i)"
                )
        finally:
            is_over.set()
            other.join()


def test_a_signal_that_duckdb_notices_first_is_an_interrupt() -> None:
    with pytest.raises(KeyboardInterrupt), engine_errors():
        raise RuntimeError("Query interrupted")


def test_errors_of_the_mapped_function_stay_what_they_are(customers: CustomerTable) -> None:
    def broken(_: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        list(customers.map_customers(broken, ["customer_id"], 10))
