"""Parquet and Excel, where ids may come as numbers."""

from __future__ import annotations

import zipfile
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from segpipe.core.errors import InputError
from tests.support.sources import read

RETAIL_II = ("Invoice", "StockCode", "Quantity", "InvoiceDate", "Price", "Customer ID", "Country")


def _parquet(path: Path, **columns: object) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def _excel(path: Path, **sheets: list[list[Any]]) -> Path:
    """A workbook as Excel writes it: numbers as doubles, a style 1 for dates, texts inline."""
    names = list(sheets)
    parts = {
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/'
        'content-types"><Default Extension="xml" ContentType="application/xml"/>'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.'
        'relationships+xml"/><Override PartName="/xl/workbook.xml" ContentType="application/vnd.'
        'openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/></Types>',
        "_rels/.rels": _relations(("officeDocument", "xl/workbook.xml")),
        "xl/workbook.xml": '<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/'
        'main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships">'
        "<sheets>"
        + "".join(
            f'<sheet name="{name}" sheetId="{i}" r:id="rId{i}"/>' for i, name in enumerate(names, 1)
        )
        + "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": _relations(
            *(("worksheet", f"worksheets/sheet{i}.xml") for i in range(1, len(names) + 1)),
            ("styles", "styles.xml"),
        ),
        "xl/styles.xml": '<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/'
        'main"><cellXfs><xf numFmtId="0"/><xf numFmtId="22"/></cellXfs></styleSheet>',
    }
    for i, rows in enumerate(sheets.values(), 1):
        parts[f"xl/worksheets/sheet{i}.xml"] = _sheet(rows)
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return path


def _relations(*targets: tuple[str, str]) -> str:
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    entries = "".join(
        f'<Relationship Id="rId{i}" Type="{kind}/{name}" Target="{target}"/>'
        for i, (name, target) in enumerate(targets, 1)
    )
    namespace = "http://schemas.openxmlformats.org/package/2006/relationships"
    return f'<Relationships xmlns="{namespace}">{entries}</Relationships>'


def _sheet(rows: list[list[Any]]) -> str:
    namespace = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    body = "".join(
        f'<row r="{i}">'
        + "".join(_cell(f"{chr(65 + j)}{i}", c) for j, c in enumerate(row))
        + "</row>"
        for i, row in enumerate(rows, 1)
    )
    return f'<worksheet xmlns="{namespace}"><sheetData>{body}</sheetData></worksheet>'


def _cell(place: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        days = (value - datetime(1899, 12, 30, tzinfo=UTC)).total_seconds() / 86400
        return f'<c r="{place}" s="1"><v>{days!r}</v></c>'
    if isinstance(value, str):
        return f'<c r="{place}" t="inlineStr"><is><t>{escape(value)}</t></is></c>'
    return f'<c r="{place}"><v>{value!r}</v></c>'


def _retail_row(invoice: float | str, customer: float | None, year: int) -> list[Any]:
    return [invoice, "85048", 12.0, datetime(year, 12, 1, 7, 45, tzinfo=UTC), 6.95, customer, "UK"]


def test_numeric_ids_of_parquet_stay_whole(tmp_path: Path) -> None:
    path = _parquet(
        tmp_path / "a.parquet",
        customer_id=pa.array([7415378247935.0, 12346.0, None], pa.float64()),
        order_id=pa.array([1, 2**53 + 1, 3], pa.int64()),
        ordered_at=[datetime(2024, 5, 6, 10, tzinfo=UTC)] * 3,
        line_amount=[0.1, 2.555, 3.0],
    )
    reading = read(path, timezone="Europe/Berlin")
    assert reading.column("customer_id") == ["12346", "7415378247935"]
    assert reading.column("order_id") == [str(2**53 + 1), "1"]
    assert reading.column("line_amount") == [Decimal("2.555"), Decimal("0.1")]
    assert str(reading.lines[0]["ordered_at"]) == "2024-05-06 10:00:00"
    assert str(reading.lines[0]["ordered_local"]) == "2024-05-06 12:00:00"
    assert reading.info.n_guest_lines == 1


def test_text_and_date_columns_of_parquet_are_read(tmp_path: Path) -> None:
    path = _parquet(
        tmp_path / "a.parquet",
        customer_id=["007"],
        order_id=["A"],
        ordered_at=pa.array([datetime(2024, 5, 6, tzinfo=UTC).date()]),
        line_amount=pa.array([Decimal("1.25")], pa.decimal128(12, 2)),
    )
    [line] = read(path).lines
    assert (line["customer_id"], line["line_amount"]) == ("007", Decimal("1.25"))


def test_nan_and_infinity_in_parquet_are_rejected(tmp_path: Path) -> None:
    path = _parquet(
        tmp_path / "a.parquet",
        customer_id=["a", "b", "c"],
        order_id=["1", "2", "3"],
        ordered_at=["2024-05-06"] * 3,
        line_amount=[1.0, float("nan"), float("-inf")],
    )
    reading = read(path, max_reject_share=1.0)
    assert reading.rejects == [
        (2, "amount is not a number", "nan"),
        (3, "amount is not a number", "-inf"),
    ]


def test_parquet_without_rows_or_columns_is_refused(tmp_path: Path) -> None:
    empty: list[str] = []
    columns = dict.fromkeys(("customer_id", "order_id", "ordered_at", "line_amount"), empty)
    with pytest.raises(InputError, match="only a header"):
        read(_parquet(tmp_path / "a.parquet", **columns))
    with pytest.raises(InputError, match="lacks required columns"):
        read(_parquet(tmp_path / "b.parquet", customer_id=["a"]))


def test_every_sheet_with_the_header_is_read(tmp_path: Path) -> None:
    header: list[Any] = list(RETAIL_II)
    path = _excel(
        tmp_path / "retail.xlsx",
        Notes=[["about this file"]],
        First=[header, _retail_row(489434.0, 13085.0, 2009), _retail_row("C489449", 16321.0, 2009)],
        Second=[[], header, _retail_row(536365.0, None, 2010), [], _retail_row(1.0, 2.0, 2010)],
    )
    reading = read(path)
    assert reading.info.preset == "online_retail_ii"
    assert reading.column("customer_id") == ["13085", "16321", "2"]
    assert reading.column("order_id") == ["489434", "C489449", "1"]
    assert reading.column("is_return") == [False, True, False]
    assert str(reading.lines[0]["ordered_at"]) == "2009-12-01 07:45:00"
    assert reading.info.n_guest_lines == 1
    assert any("[Notes] has another header" in note for note in reading.info.notes)


def test_rejects_of_a_sheet_name_its_row(tmp_path: Path) -> None:
    header: list[Any] = list(RETAIL_II)
    bad = _retail_row(3.0, 4.0, 2010)
    bad[4] = "free"
    path = _excel(tmp_path / "a.xlsx", Sheet=[[], header, _retail_row(1.0, 2.0, 2010), [], bad])
    reading = read(path, max_reject_share=0.5)
    assert reading.rejects == [(5, "unit price is not a number", "free")]
    assert reading.info.rejects_path is not None
    assert "a.xlsx[Sheet],5" in reading.info.rejects_path.read_text()


def test_a_workbook_without_order_lines_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.xlsx\[One\] lacks required columns"):
        read(_excel(tmp_path / "a.xlsx", One=[["about", "this"]]))
    with pytest.raises(InputError, match="no sheet with data"):
        read(_excel(tmp_path / "b.xlsx", One=[]))
    with pytest.raises(InputError, match="only a header"):
        read(_excel(tmp_path / "c.xlsx", One=[list(RETAIL_II)]))
