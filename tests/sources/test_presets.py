"""Every preset on a small file of its shape, recognition by header, and a user's own mappings."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from segpipe.core.errors import InputError
from segpipe.sources import load_presets
from tests.support.sources import HEADER, read, write

RETAIL = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"
RETAIL_II = "Invoice,StockCode,Description,Quantity,InvoiceDate,Price,Customer ID,Country"
COLUMNS = '[columns]\ncustomer_id = "kunde"\nordered_at = "datum"\nline_amount = "betrag"\n'


def test_online_retail_is_read(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv",
        RETAIL,
        "536365,85123A,WHITE HANGER,6,12/1/2010 8:26,2.55,17850,United Kingdom",
        "C536379,D,Discount,-1,12/1/2010 9:41,27.5,14527,United Kingdom",
        "536414,22139,,56,12/1/2010 11:52,0,,United Kingdom",
        encoding="latin-1",
    )
    reading = read(path)
    assert reading.info.preset == "online_retail"
    assert reading.info.n_guest_lines == 1
    returned, bought = reading.lines
    assert (bought["order_id"], bought["product_id"]) == ("536365", "85123A")
    assert (bought["line_amount"], bought["unit_price"]) == (Decimal("15.3"), 2.55)
    assert str(bought["ordered_at"]) == "2010-12-01 08:26:00"
    assert (returned["is_return"], returned["refund_amount"]) == (True, Decimal("27.5"))


def test_online_retail_ii_is_read(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv",
        RETAIL_II,
        "489434,85048,15CM BALL,12,2009-12-01 07:45:00,6.95,13085.0,United Kingdom",
    )
    reading = read(path)
    assert reading.info.preset == "online_retail_ii"
    [line] = reading.lines
    assert (line["customer_id"], line["line_amount"]) == ("13085", Decimal("83.4"))


def test_a_cancellation_mark_alone_makes_a_return(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv", RETAIL_II, "c1,1,x,2,2009-12-01,3,9,UK", "2,1,x,2,2009-12-01,3,9,UK"
    )
    assert sorted(read(path).column("is_return")) == [False, True]


def test_complete_journey_is_read_with_and_without_products(tmp_path: Path) -> None:
    header = (
        "household_id,store_id,basket_id,product_id,quantity,sales_value,retail_disc,coupon_disc,"
        "coupon_match_disc,week,transaction_timestamp"
    )
    row = "900,330,31198570044,1095275,1,0.50,0.10,0.20,0.30,1,2017-01-01 11:53:26"
    plain = read(write(tmp_path / "a.csv", header, row))
    assert plain.info.preset == "complete_journey"
    assert plain.info.inputs == {"discount", "product", "time_of_day"}
    assert plain.column("discount_amount") == [Decimal("0.6")]
    joined = read(
        write(
            tmp_path / "b.csv",
            f"{header},product_category,department",
            f"{row},FRZN ICE,GROCERY",
            f"{row},,PASTRY",
        )
    )
    assert joined.column("category") == ["FRZN ICE", "PASTRY"]


def test_complete_journey_is_read_by_the_clock_of_its_shop(tmp_path: Path) -> None:
    header = "household_id,basket_id,sales_value,transaction_timestamp"
    path = write(
        tmp_path / "a.csv",
        header,
        "900,1,0.50,2017-01-01 04:53:26",
        "900,2,0.50,2017-07-01T16:00:00Z",
    )
    reading = read(path)
    assert reading.info.timezone == "America/New_York"
    assert [str(at) for at in reading.column("ordered_local")] == [
        "2016-12-31 23:53:26",
        "2017-07-01 12:00:00",
    ]
    assert [str(at) for at in reading.column("ordered_at")] == [
        "2017-01-01 04:53:26",
        "2017-07-01 16:00:00",
    ]
    given = read(path, timezone="UTC")
    assert given.info.timezone == "UTC"
    assert given.column("ordered_local") == given.column("ordered_at")


def test_tickets_have_the_clock_of_the_preset(tmp_path: Path) -> None:
    mapping = write(tmp_path / "mine.toml", 'timezone = "Europe/Berlin"', COLUMNS)
    orders = write(tmp_path / "a.csv", "kunde,datum,betrag", "9,2024-07-01 12:00:00,3")
    tickets = write(
        tmp_path / "t.csv", "customer_id,created_at,channel", "9,2024-07-01 13:00:00,web"
    )
    reading = read(orders, tickets=tickets, preset_paths=(mapping,))
    assert str(reading.column("ordered_at")[0]) == "2024-07-01 10:00:00"
    assert str(reading.tickets[0]["created_at"]) == "2024-07-01 11:00:00"


def test_an_unknown_time_zone_of_a_preset_is_an_error(tmp_path: Path) -> None:
    mapping = write(tmp_path / "mine.toml", 'timezone = "Mars/Base"', COLUMNS)
    with pytest.raises(InputError, match="timezone is 'Mars/Base'; expected an IANA name"):
        load_presets((mapping,))


def test_cdnow_is_recognised_by_its_lines(tmp_path: Path) -> None:
    path = write(
        tmp_path / "CDNOW_master.txt",
        " 00001 19970101  1   11.77",
        " 00002 19970112  1   12.00",
        " 00002 19970112  5   77.00",
    )
    reading = read(path)
    assert reading.info.preset == "cdnow"
    assert reading.column("customer_id") == ["00001", "00002", "00002"]
    assert reading.column("line_amount") == [Decimal("11.77"), 12, 77]
    assert str(reading.lines[0]["ordered_at"]) == "1997-01-01 00:00:00"


def test_a_line_that_does_not_fit_the_fixed_columns_is_rejected(tmp_path: Path) -> None:
    lines = [f" 0000{i} 19970101  1   11.77" for i in range(1, 9)]
    path = write(tmp_path / "a.txt", *lines, "total 8 lines")
    reading = read(path, max_reject_share=0.2)
    assert reading.rejects == [(9, "date cannot be read", "total 8 lines")]


def test_product_sales_order_is_read(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv",
        "Customer_ID,OrderID,Date,Sales,Title,ProductType,Category,QTY,TotalDiscount,Refunds",
        "7,70,2024-01-02,10,Lamp,Light,,2,1,0",
        "7,71,01/31/2024,10,Lamp,Light,Home,2,0,4",
    )
    reading = read(path)
    assert reading.info.preset == "product_sales_order"
    assert reading.column("product_id") == ["Lamp", "Lamp"]
    assert reading.column("category") == ["Light", "Home"]
    assert reading.column("refund_amount") == [0, 4]
    assert reading.info.inputs == {"discount", "refund", "product", "category"}


def test_product_sales_order_prefers_its_optional_columns(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv",
        "customer id,Order_ID,date,sales,title,QTY,ProductId,Source,Price",
        "7,70,2024-01-02,10,Lamp,2,P9,store,6",
    )
    [line] = read(path).lines
    assert (line["product_id"], line["channel"], line["unit_price"]) == ("P9", "store", 6.0)


def test_headers_are_compared_without_case_blanks_and_underscores(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv", "CUSTOMER ID, orderId ,Ordered_At,LINEAMOUNT", "a,1,2024-01-02,3"
    )
    assert read(path).info.preset == "canonical"


def test_missing_columns_are_listed_with_the_closest_preset(tmp_path: Path) -> None:
    path = write(tmp_path / "shop.csv", "Customer_ID,Order_ID,Title,QTY,Sales", "1,2,x,1,9")
    with pytest.raises(InputError) as caught:
        read(path)
    message = str(caught.value)
    assert "shop.csv lacks required columns: ordered_at (Date)" in message
    assert "It has: Customer_ID, Order_ID, Title, QTY, Sales" in message
    assert "closest preset is product_sales_order" in message


def test_a_named_preset_must_fit(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", HEADER, "a,1,2024-01-02,3")
    with pytest.raises(InputError, match=r"order_id \(Name\).*closest preset is canonical"):
        read(path, preset="shopify")


def test_an_unknown_preset_is_an_error_that_suggests_others(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", HEADER, "a,1,2024-01-02,3")
    with pytest.raises(InputError, match=r"no preset 'shopfy'. Did you mean shopify\?"):
        read(path, preset="shopfy")
    with pytest.raises(InputError, match=r"no preset 'x'. Known: .*cdnow.*shopify"):
        read(path, preset="x")


def test_files_of_different_presets_are_refused(tmp_path: Path) -> None:
    one = write(tmp_path / "a.csv", HEADER, "a,1,2024-01-02,3")
    other = write(tmp_path / "b.csv", RETAIL_II, "1,1,x,2,2009-12-01,3,9,UK")
    with pytest.raises(InputError, match="two runs"):
        read(one, other)


def test_a_users_mapping_is_recognised_with_decimal_commas(tmp_path: Path) -> None:
    mapping = write(
        tmp_path / "mine.toml",
        COLUMNS,
        '[text]\ndelimiter = ";"\ndecimal = ","\nthousands = "."\ntimestamps = ["%d.%m.%Y"]',
    )
    path = write(
        tmp_path / "a.csv",
        "Kunde;Datum;Betrag",
        "007;31.01.2024;1.234,50",
        "008;01.02.2024;12",
        "008;01.02.2024;12.50",
    )
    reading = read(path, preset_paths=(mapping,), max_reject_share=0.4)
    assert reading.info.preset == "mine"
    assert reading.column("line_amount") == [Decimal("1234.5"), 12]
    assert reading.rejects == [(4, "amount is not a number", "12.50")]


def test_a_users_preset_wins_a_tie(tmp_path: Path) -> None:
    columns = "\n".join(f'{name} = "{name}"' for name in HEADER.split(","))
    mapping = write(tmp_path / "a_own.toml", "[columns]", columns)
    path = write(tmp_path / "a.csv", HEADER, "a,1,2024-01-02,3")
    assert read(path, preset_paths=(tmp_path,)).info.preset == "a_own"
    assert read(path, preset_paths=(mapping,), preset="canonical").info.preset == "canonical"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[columns", "not TOML"),
        (f"titel = 'x'\n{COLUMNS}", "'titel' is not a known key; known: title"),
        (f"{COLUMNS}[text]\ndecmal = ','", r"'decmal' is not a key of \[text\]"),
        ('[columns]\nclient = "x"', r"'client' is not a key of \[columns\]; known: customer_id"),
        ('[columns]\ncustomer_id = "x"', "ordered_at has no header"),
        ('[columns]\ncustomer_id = "x"\nordered_at = "d"', "or line_amount_from"),
        (
            f"line_amount_from = 'a * b'\n{COLUMNS}",
            "is 'a . b'; expected 'quantity",
        ),
        (f"{COLUMNS}quantity = 5", "quantity is 5; expected text"),
        (f"{COLUMNS}category = {{ sum = ['a'] }}", "a number column takes"),
        (f"{COLUMNS}[text]\ndecimal = ','\nthousands = ','", "two signs"),
        (f"{COLUMNS}[text]\ndelimiter = ';;'", "expected one character"),
        (f"{COLUMNS}[text]\nline_pattern = '('", "not a regular expression"),
        (f"{COLUMNS}[text]\nline_pattern = 'x'", "no named groups"),
        (f"{COLUMNS}[orders]\nfill = ['channel']", "need an order_id"),
        ("columns = 3", r"expected the table \[columns\]"),
        (f"title = 3\n{COLUMNS}", "title is 3; expected text"),
    ],
)
def test_a_faulty_mapping_is_refused(tmp_path: Path, text: str, message: str) -> None:
    mapping = write(tmp_path / "mine.toml", text)
    with pytest.raises(InputError, match=message):
        load_presets((mapping,))


def test_a_missing_mapping_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        load_presets((tmp_path / "none.toml",))


def test_built_in_presets_have_distinct_names() -> None:
    names = [preset.name for preset in load_presets()]
    assert names == sorted(names)
    assert {"shopify", "woocommerce", "cdnow", "canonical", "product_sales_order"} <= set(names)
