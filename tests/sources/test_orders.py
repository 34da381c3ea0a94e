"""Sources whose order columns stand on some lines only: Shopify and WooCommerce."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from tests.support.sources import Reading, read, write

SHOPIFY = (
    "Name,Email,Financial Status,Currency,Subtotal,Shipping,Taxes,Total,Discount Code,"
    "Discount Amount,Created at,Lineitem quantity,Lineitem name,Lineitem price,Lineitem sku,"
    "Lineitem discount,Cancelled at,Refunded Amount,Source,Vendor"
)
WOO = (
    "Order Number,Order Status,Order Date,Email (Billing),SKU,Item Name,Quantity (- Refund),"
    "Item Cost,Cart Discount Amount,Order Refund Amount"
)


def _shopify(tmp_path: Path, *rows: str) -> Reading:
    return read(write(tmp_path / "orders_export.csv", SHOPIFY, *rows))


def _first(name: str = "#1001", **values: str) -> str:
    """A first line of an order: two lamps at 20, unless values say otherwise."""
    cells = {
        "Name": name,
        "Email": "a@example.com",
        "Financial Status": "paid",
        "Currency": "USD",
        "Created at": "2024-05-01 10:00:00 -0400",
        "Lineitem quantity": "2",
        "Lineitem name": "Lamp",
        "Lineitem price": "20.00",
        "Lineitem sku": "L1",
        "Source": "web",
    } | values
    return ",".join(cells.get(column, "") for column in SHOPIFY.split(","))


def _further(name: str = "#1001", price: str = "60.00", sku: str = "T1") -> str:
    """A further line of an order, with nothing but what belongs to the line."""
    cells = {"Name": name, "Lineitem quantity": "1", "Lineitem price": price, "Lineitem sku": sku}
    return ",".join(cells.get(column, "") for column in SHOPIFY.split(","))


def test_blank_order_columns_are_filled_from_the_orders_first_line(tmp_path: Path) -> None:
    reading = _shopify(tmp_path, _first(), _further())
    assert reading.info.preset == "shopify"
    assert reading.info.currency == "USD"
    assert (reading.info.n_guest_lines, reading.info.n_rows_rejected) == (0, 0)
    lamp, table = reading.lines
    for line in (lamp, table):
        assert (line["customer_id"], line["channel"]) == ("a@example.com", "web")
        assert str(line["ordered_at"]) == "2024-05-01 14:00:00"
    assert (lamp["line_amount"], table["line_amount"]) == (40, 60)
    assert (lamp["unit_price"], table["unit_price"]) == (20.0, 60.0)


def test_the_orders_discount_is_shared_by_amount(tmp_path: Path) -> None:
    discount = {"Subtotal": "90.00", "Discount Amount": "10.00"}
    reading = _shopify(tmp_path, _first(**discount), _further())
    assert reading.column("line_amount") == [36, 54]
    assert reading.column("discount_amount") == [4, 6]


def test_shares_add_up_to_the_cent(tmp_path: Path) -> None:
    first = _first(
        **{"Lineitem quantity": "1", "Lineitem price": "10", "Subtotal": "29.99"},
        **{"Discount Amount": "0.01", "Refunded Amount": "10.00"},
    )
    rows = [first, _further(price="10", sku="T1"), _further(price="10", sku="T2")]
    reading = _shopify(tmp_path, *rows)
    assert sum(reading.column("discount_amount")) == Decimal("0.01")
    assert sum(reading.column("line_amount")) == Decimal("29.99")
    assert sum(reading.column("refund_amount")) == 10
    again = _shopify(tmp_path, *reversed(rows))
    assert again.lines == reading.lines


def test_a_line_discount_within_the_orders_discount_counts_once(tmp_path: Path) -> None:
    both = {"Lineitem discount": "5.00", "Discount Amount": "5.00"}
    with_subtotal = _shopify(tmp_path, _first(**both, Subtotal="95.00"), _further())
    without = _shopify(tmp_path, _first(**both), _further())
    for reading in (with_subtotal, without):
        assert reading.column("line_amount") == [35, 60]
        assert reading.column("discount_amount") == [5, 0]


def test_a_discount_on_shipping_is_not_taken_off_goods(tmp_path: Path) -> None:
    free_shipping = {"Subtotal": "40.00", "Discount Amount": "5.00"}
    assert _shopify(tmp_path, _first(**free_shipping)).column("discount_amount") == [0]


def test_a_refund_is_shared_and_never_over_the_goods(tmp_path: Path) -> None:
    part = _shopify(tmp_path, _first(**{"Refunded Amount": "50"}), _further())
    assert part.column("refund_amount") == [20, 30]
    whole = _shopify(tmp_path, _first(**{"Refunded Amount": "112.50"}), _further())
    assert whole.column("refund_amount") == [40, 60]
    assert whole.column("is_return") == [False, False]


def test_a_refunded_order_without_an_amount_is_refunded_whole(tmp_path: Path) -> None:
    reading = _shopify(tmp_path, _first(**{"Financial Status": "refunded"}))
    assert reading.column("refund_amount") == [40]


@pytest.mark.parametrize(
    ("status", "cancelled", "n_lines"),
    [
        ("voided", "", 1),
        ("expired", "", 1),
        ("pending", "2024-05-02 10:00:00 -0400", 1),
        ("pending", "", 3),
        ("paid", "2024-05-02 10:00:00 -0400", 3),
    ],
)
def test_orders_never_charged_are_left_out(
    tmp_path: Path, status: str, cancelled: str, n_lines: int
) -> None:
    first = _first(**{"Financial Status": status, "Cancelled at": cancelled})
    reading = _shopify(tmp_path, first, _further(), _first("#1002"))
    assert len(reading.lines) == n_lines
    assert any("2 lines of orders" in note for note in reading.info.notes) == (n_lines == 1)


def test_without_a_customer_every_line_of_an_order_is_a_guests(tmp_path: Path) -> None:
    reading = _shopify(tmp_path, _first(Email=""), _further(), _first("#1002"))
    assert (reading.info.n_guest_lines, len(reading.lines)) == (2, 1)


def test_an_order_without_date_is_rejected(tmp_path: Path) -> None:
    rows = [_first(f"#{number}") for number in range(40)]
    path = write(tmp_path / "a.csv", SHOPIFY, *rows, _first("#99", **{"Created at": ""}))
    assert read(path).rejects == [(42, "date is missing", "")]


def test_woocommerce_shares_the_cart_discount_beside_net_amounts(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv",
        WOO,
        "7,Completed,2024-05-01 10:00,a@example.com,S1,Shirt,2,15.00,10.00,",
        "7,Completed,2024-05-01 10:00,a@example.com,S2,Hat,1,10.00,10.00,",
    )
    reading = read(path)
    assert reading.info.preset == "woocommerce"
    hat, shirt = sorted(reading.lines, key=lambda line: str(line["product_id"]), reverse=True)
    assert (shirt["line_amount"], shirt["discount_amount"]) == (30, Decimal("7.5"))
    assert (hat["line_amount"], hat["discount_amount"]) == (10, Decimal("2.5"))
    assert shirt["unit_price"] == 18.75


def test_woocommerce_refunds_are_added_back_to_net_amounts(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv",
        WOO,
        "7,Completed,2024-05-01 10:00,a@example.com,S1,Shirt,1,15.00,,15.00",
    )
    [line] = read(path).lines
    assert (line["line_amount"], line["refund_amount"]) == (30, 15)


def test_woocommerce_line_totals_and_their_refunds(tmp_path: Path) -> None:
    header = (
        "Order ID,Order Status,Order Date,Customer User ID,SKU,Quantity,Order Line Total,"
        "Order Line Total Refunded,Order Refund Amount,Order Currency"
    )
    path = write(
        tmp_path / "a.csv",
        header,
        "7,wc-completed,2024-05-01 10:00,12,S1,2,30.00,5.00,5.00,EUR",
        "7,wc-completed,2024-05-01 10:00,12,S2,1,10.00,,5.00,EUR",
        "8,wc-cancelled,2024-05-01 10:00,12,S2,1,10.00,,,EUR",
        "9,wc-completed,2024-05-01 10:00,0,S2,1,10.00,,,EUR",
    )
    reading = read(path)
    assert reading.column("line_amount") == [10, 30]
    assert reading.column("refund_amount") == [0, 5]
    assert reading.info.n_guest_lines == 1
    assert reading.info.currency == "EUR"
