"""Order lines as the schema wants them: values, returns, guests, and laws of the reading."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segpipe.core.errors import InputError
from segpipe.core.schema import INPUTS, ORDER_LINES
from segpipe.core.settings import EngineSettings, SourceSettings
from segpipe.engines.duckdb import open_engine
from segpipe.sources import read_order_lines
from tests.support.sources import HEADER, read, write


def test_the_table_has_the_columns_of_the_schema(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", HEADER, "1,1,2024-01-01,5")
    with open_engine(EngineSettings()) as engine:
        read_order_lines(engine, SourceSettings(paths=(str(path),)))
        described = engine.execute("DESCRIBE order_lines").fetchall()
    found = {str(row[0]): str(row[1]).replace(",", ", ") for row in described}
    assert list(found.items()) == list(ORDER_LINES.columns.items())


def test_a_line_keeps_every_value(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv",
        f"{HEADER},quantity,discount_amount,refund_amount,product_id,category,channel,unit_price",
        "c1,o1,2024-05-06 07:08:09,19.98,2,1.50,3.25,p1,shoes,web,10.74",
    )
    [line] = read(path).lines
    assert line == {
        "customer_id": "c1",
        "order_id": "o1",
        "ordered_at": datetime(2024, 5, 6, 7, 8, 9),  # noqa: DTZ001 - the engine's are naive UTC
        "ordered_local": datetime(2024, 5, 6, 7, 8, 9),  # noqa: DTZ001
        "is_return": False,
        "line_amount": Decimal("19.98"),
        "quantity": Decimal(2),
        "discount_amount": Decimal("1.5"),
        "refund_amount": Decimal("3.25"),
        "product_id": "p1",
        "category": "shoes",
        "channel": "web",
        "unit_price": 10.74,
    }


def test_absent_columns_have_their_declared_values(tmp_path: Path) -> None:
    reading = read(write(tmp_path / "a.csv", HEADER, "c1,o1,2024-05-06,20"))
    [line] = reading.lines
    assert (line["quantity"], line["discount_amount"], line["refund_amount"]) == (1, 0, 0)
    assert (line["product_id"], line["category"], line["channel"]) == (None, None, None)
    assert line["unit_price"] == 20.0
    assert reading.info.inputs == frozenset()


def test_unit_price_is_list_price_where_the_source_has_none(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv",
        f"{HEADER},quantity,discount_amount",
        "c1,o1,2024-05-06,18,4,2",
        "c1,o2,2024-05-07,18,0,2",
    )
    assert read(path).column("unit_price") == [5.0, None]


@pytest.mark.parametrize(
    ("quantity", "amount"), [("-2", "10"), ("2", "-10"), ("-2", "-10"), ("-2", "-10.0")]
)
def test_negative_quantity_or_amount_is_a_return(
    tmp_path: Path, quantity: str, amount: str
) -> None:
    path = write(
        tmp_path / "a.csv",
        f"{HEADER},quantity,discount_amount,refund_amount",
        f"c1,o1,2024-05-06,{amount},{quantity},1,0",
    )
    reading = read(path)
    [line] = reading.lines
    assert line["is_return"]
    assert (line["line_amount"], line["discount_amount"]) == (0, 0)
    assert (line["quantity"], line["refund_amount"]) == (2, 10)
    assert line["unit_price"] is None
    assert reading.info.n_return_lines == 1


def test_a_return_refunds_the_greater_of_amount_and_refund(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", f"{HEADER},refund_amount", "c1,o1,2024-05-06,-10,12")
    assert read(path).column("refund_amount") == [12]


def test_a_return_makes_refund_an_input(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", HEADER, "c1,o1,2024-05-06,5", "c1,o2,2024-05-07,-5")
    assert read(path).info.inputs == {"refund"}


def test_negative_discounts_and_refunds_are_read_as_positive_and_noted(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv",
        f"{HEADER},discount_amount,refund_amount",
        "c1,o1,2024-05-06,10,-2,0",
        "c1,o2,2024-05-07,10,0,-3",
        "c1,o3,2024-05-08,10,1,1",
    )
    reading = read(path)
    assert reading.column("discount_amount") == [2, 0, 1]
    assert reading.column("refund_amount") == [0, 3, 1]
    assert any(note.startswith("2 lines have a discount") for note in reading.info.notes)


@pytest.mark.parametrize("blank", ["", "  ", "nan", "NaN", "NULL", "None", '""'])
def test_a_blank_customer_is_a_guest(tmp_path: Path, blank: str) -> None:
    path = write(tmp_path / "a.csv", HEADER, f"{blank},o1,2024-05-06,5", "c,o2,2024-05-06,5")
    reading = read(path)
    assert reading.column("customer_id") == ["c"]
    assert (reading.info.n_guest_lines, reading.info.n_rows_rejected) == (1, 0)
    assert reading.info.n_rows_read == 2


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("007", "007"),
        ("7415378247935", "7415378247935"),
        ("12346.0", "12346"),
        (" 15 ", "15"),
        ("A1.0", "A1.0"),
        ("1.20", "1.20"),
        ("1e5", "1e5"),
        ("Käthe@example.org", "Käthe@example.org"),
        ("x" * 100, "x" * 100),
    ],
)
def test_ids_are_text(tmp_path: Path, written: str, expected: str) -> None:
    path = write(tmp_path / "a.csv", HEADER, f"{written},{written},2024-05-06,5")
    [line] = read(path).lines
    assert (line["customer_id"], line["order_id"]) == (expected, expected)


def test_without_order_ids_lines_of_a_customer_at_one_time_are_an_order(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv",
        "customer_id,ordered_at,line_amount",
        "a,2024-05-06 10:00:00,1",
        "a,2024-05-06 10:00:00,2",
        "a,2024-05-06 11:00:00,3",
    )
    reading = read(path)
    assert len(set(reading.column("order_id"))) == 2
    assert reading.column("order_id")[0] == "2024-05-06T10:00:00Z"
    assert any("no order ids" in note for note in reading.info.notes)
    assert reading.info.n_shared_orders == 0


def test_orders_under_two_customers_are_counted(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv",
        HEADER,
        "a,o1,2024-05-06,1",
        "b,o1,2024-05-06,1",
        "a,o2,2024-05-06,1",
        "a,o2,2024-05-06,1",
    )
    info = read(path).info
    assert info.n_shared_orders == 1
    assert any("more than one customer" in note for note in info.notes)


def test_identical_lines_stay(tmp_path: Path) -> None:
    assert len(read(write(tmp_path / "a.csv", HEADER, *["a,o,2024-05-06,1"] * 3)).lines) == 3


def test_inputs_are_of_the_schema_and_only_what_is_filled(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv",
        f"{HEADER},discount_amount,refund_amount,product_id,category,channel",
        "a,o1,2024-05-06 10:00,1,,,p,,",
    )
    inputs = read(path).info.inputs
    assert inputs == {"discount", "refund", "product", "time_of_day"}
    assert inputs <= set(INPUTS)


def test_several_currencies_are_refused_by_name(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv", f"{HEADER},currency", "a,1,2024-05-06,1,USD", "a,2,2024-05-06,1,EUR"
    )
    with pytest.raises(InputError, match="EUR, USD"):
        read(path)


def test_one_currency_is_reported(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv", f"{HEADER},currency", "a,1,2024-05-06,1,usd", "a,2,2024-05-06,1,USD"
    )
    assert read(path).info.currency == "USD"


def test_an_input_of_guests_only_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No order line remains of 1 rows"):
        read(write(tmp_path / "a.csv", HEADER, ",1,2024-05-06,1"))


def test_first_and_last_order_are_reported(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", HEADER, "a,1,2024-05-06,1", "a,2,2023-01-02 03:04,1")
    info = read(path).info
    assert str(info.first_ordered_at) == "2023-01-02 03:04:00"
    assert str(info.last_ordered_at) == "2024-05-06 00:00:00"


_ROWS = st.lists(
    st.tuples(
        st.sampled_from(["1", "02", "", "x@y.z"]),
        st.integers(1, 4),
        st.integers(-3, 5),
        st.decimals(-50, 500, places=2, allow_nan=False, allow_infinity=False),
    ),
    min_size=1,
    max_size=30,
)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=_ROWS, data=st.data())
def test_row_order_and_threads_change_nothing(
    tmp_path: Path,
    rows: list[tuple[str, int, int, Decimal]],
    data: st.DataObject,
) -> None:
    texts = [f"{c},{o},2024-05-0{o},{amount},{quantity}" for c, o, quantity, amount in rows]
    texts.append("last,1,2024-05-06,1,1")
    header = f"{HEADER},quantity"
    one = read(write(tmp_path / "a.csv", header, *texts), threads=1)
    shuffled = data.draw(st.permutations(texts))
    other = read(write(tmp_path / "b.csv", header, *shuffled), threads=2)
    assert one.lines == other.lines
    assert one.info.inputs == other.info.inputs
    assert one.info.n_rows_read == len(one.lines) + one.info.n_guest_lines
