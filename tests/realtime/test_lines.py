"""A request's orders and items as order lines, worked by hand."""

from __future__ import annotations

from decimal import Decimal

import pytest

from segpipe.core.identifiers import normalise_customer_id
from segpipe.core.settings import EngineSettings
from segpipe.engines.duckdb import open_engine
from segpipe.realtime import Customer, Item, Order
from segpipe.realtime.lines import line_rows, unknown_order
from segpipe.sources.request import LINE_COLUMNS
from segpipe.sources.typed import identifier, trimmed

JUNE, JULY = "2025-06-01T10:00:00", "2025-07-01"


def _lines(*orders: Order, items: tuple[Item, ...] = ()) -> list[dict[str, str | None]]:
    """The filled cells of the lines, without the customer's key."""
    rows = line_rows("7", Customer("c1", orders, items))
    assert all(row[0] == "7" for row in rows)
    return [
        {
            n: cell
            for n, cell in zip(LINE_COLUMNS, row, strict=True)
            if n != "customer_id" and cell is not None
        }
        for row in rows
    ]


def test_an_order_without_items_is_one_line_without_unit_price() -> None:
    order = Order(JUNE, Decimal("99.9"), "o1", Decimal(5), Decimal("1.5"), "web")
    assert _lines(order) == [
        {
            "order_id": "o1",
            "ordered_at": JUNE,
            "line_amount": "99.9",
            "quantity": "0",
            "discount_amount": "5",
            "refund_amount": "1.5",
            "channel": "web",
        }
    ]


def test_orders_without_ids_get_unused_ids() -> None:
    found = _lines(
        Order(JUNE, Decimal(1)), Order(JUNE, Decimal(2), "#000001"), Order(JUNE, Decimal(3))
    )
    assert [line["order_id"] for line in found] == ["#000002", "#000001", "#000003"]


def test_amounts_of_the_order_are_shared_by_price_and_add_up() -> None:
    order = Order(JUNE, Decimal(10), "o1", Decimal(1), Decimal("0.5"))
    items = (
        Item(Decimal(1), "o1", product_id="a", price=Decimal(1)),
        Item(Decimal(2), "o1", product_id="b", price=Decimal(1)),
    )
    assert [
        (n["line_amount"], n["discount_amount"], n["refund_amount"])
        for n in _lines(order, items=items)
    ] == [
        ("3.3333", "0.3333", "0.1667"),
        ("6.6667", "0.6667", "0.3333"),
    ]


def test_items_without_amounts_share_what_the_others_leave() -> None:
    order = Order(JUNE, Decimal(100), "o1", Decimal(10))
    items = (
        Item(Decimal(1), "o1", total_price=Decimal(70), discount_amount=Decimal(10)),
        Item(Decimal(1), "o1", product_title="lamp"),
        Item(Decimal(2), "o1"),
    )
    found = _lines(order, items=items)
    assert [line["line_amount"] for line in found] == ["70", "10", "20"]
    assert [line["discount_amount"] for line in found] == ["10", "0", "0"]
    assert found[1]["product_id"] == "lamp"


def test_items_above_the_orders_total_leave_zero() -> None:
    items = (Item(Decimal(1), "o1", total_price=Decimal(120)), Item(Decimal(1), "o1"))
    found = _lines(Order(JUNE, Decimal(100), "o1"), items=items)
    assert [line["line_amount"] for line in found] == ["120", "0"]


@pytest.mark.parametrize("n", [1, 3, 7])
def test_shares_without_a_weight_are_equal(n: int) -> None:
    items = tuple(Item(Decimal(0), "o1") for _ in range(n))
    found = _lines(Order(JUNE, Decimal(1), "o1"), items=items)
    assert sum(Decimal(str(line["line_amount"])) for line in found) == 1
    assert max(Decimal(str(line["line_amount"])) for line in found) <= Decimal(1) / n + Decimal(
        "0.0001"
    )


def test_a_returned_item_takes_no_share_of_the_order() -> None:
    items = (Item(Decimal(-1), "o1", price=Decimal(30)), Item(Decimal(1), "o1", product_id="a"))
    found = _lines(Order(JUNE, Decimal(50), "o1"), items=items)
    assert [(line["line_amount"], line["quantity"]) for line in found] == [
        ("-30", "-1"),
        ("50", "1"),
    ]


def test_an_order_of_returned_items_is_still_charged() -> None:
    found = _lines(
        Order(JUNE, Decimal(50), "o1"), items=(Item(Decimal(-1), "o1", price=Decimal(30)),)
    )
    assert [(line["line_amount"], line["quantity"]) for line in found] == [
        ("-30", "-1"),
        ("50", "0"),
    ]


def test_a_negative_order_is_a_return_of_its_items() -> None:
    items = (Item(Decimal(1), "o1", price=Decimal(1)), Item(Decimal(3), "o1", price=Decimal(1)))
    found = _lines(Order(JUNE, Decimal(-8), "o1"), items=items)
    assert [line["line_amount"] for line in found] == ["-2", "-6"]
    assert [line["line_amount"] for line in _lines(Order(JUNE, Decimal(-8)))] == ["-8"]


def test_items_without_order_belong_to_the_newest_across_offsets() -> None:
    newest = Order("2025-07-01T00:30:00+02:00", Decimal(1), "late")
    earlier = Order("2025-06-30T22:00:00Z", Decimal(1), "early")
    found = _lines(earlier, newest, items=(Item(Decimal(1), product_id="a"),))
    assert {line["order_id"]: line.get("product_id") for line in found} == {
        "early": None,
        "late": "a",
    }


def test_an_item_may_have_a_day_of_its_own() -> None:
    items = (
        Item(Decimal(1), "o1"),
        Item(Decimal(-1), "o1", order_date=JULY, total_price=Decimal(-5)),
    )
    found = _lines(Order(JUNE, Decimal(9), "o1"), items=items)
    assert {line["ordered_at"]: line["line_amount"] for line in found} == {JUNE: "9", JULY: "-5"}


def test_items_of_a_duplicate_order_id_count_once() -> None:
    found = _lines(
        Order(JUNE, Decimal(9), "o1"),
        Order(JULY, Decimal(4), "o1"),
        items=(Item(Decimal(1), "o1"),),
    )
    assert [(line["ordered_at"], line["line_amount"]) for line in found] == [
        (JUNE, "9"),
        (JULY, "4"),
    ]


@pytest.mark.parametrize(
    "text", ["c1", " c1", "c1  ", "12.0", "12.00", "007", "NaN", "none", "  ", "1e5", "nano", "x.0"]
)
def test_an_id_is_normalised_as_by_the_source_stage(text: str) -> None:
    with open_engine(EngineSettings()) as engine:
        found = engine.execute(
            f"SELECT {identifier('t')} FROM (SELECT {trimmed('c')} AS t FROM (SELECT $id AS c))",
            {"id": text},
        ).fetchall()
    assert normalise_customer_id(text) == found[0][0]


def test_an_item_of_an_unknown_order_is_named() -> None:
    customer = Customer(
        "c1", (Order(JUNE, Decimal(1), "o1"),), (Item(Decimal(1), "o1"), Item(Decimal(1), "o2"))
    )
    refused = unknown_order(customer)
    assert refused is not None
    assert refused.field == "items.1.order_id"
