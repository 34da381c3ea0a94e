"""Support tickets: values, header spellings, rejects."""

from __future__ import annotations

from pathlib import Path

import pytest

from segpipe.core.errors import GateError, InputError
from segpipe.core.schema import TICKETS
from segpipe.core.settings import EngineSettings, SourceSettings
from segpipe.engines.duckdb import open_engine
from segpipe.sources import read_order_lines
from tests.support.sources import HEADER, read, rejects_of, write

ROW = "a,1,2024-05-06,1"
TICKET_HEADER = (
    "customer_id,created_at,channel,resolved_at,message_count,satisfaction,priority,reopened"
)


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    return write(tmp_path / "orders.csv", HEADER, ROW)


def test_a_ticket_keeps_every_value(tmp_path: Path, orders: Path) -> None:
    tickets = write(
        tmp_path / "tickets.csv",
        TICKET_HEADER,
        "007,2024-05-06 10:00:00,Email,2024-05-06T12:00:00Z,3,4.5,high,yes",
    )
    reading = read(orders, tickets=tickets, timezone="Europe/Berlin")
    [ticket] = reading.tickets
    assert ticket["customer_id"] == "007"
    assert str(ticket["created_at"]) == "2024-05-06 08:00:00"
    assert str(ticket["resolved_at"]) == "2024-05-06 12:00:00"
    assert (ticket["channel"], ticket["message_count"]) == ("email", 3)
    assert (ticket["satisfaction"], ticket["priority"]) == (4.5, "high")
    assert ticket["is_reopened"] is True
    assert reading.info.n_tickets == 1
    assert "tickets" in reading.info.inputs


def test_the_table_has_the_columns_of_the_schema(tmp_path: Path, orders: Path) -> None:
    tickets = write(tmp_path / "t.csv", "customer_id,created_at,channel", "a,2024-05-06,chat")
    settings = SourceSettings(paths=(str(orders),), tickets_path=tickets)
    with open_engine(EngineSettings()) as engine:
        read_order_lines(engine, settings)
        described = engine.execute("DESCRIBE tickets").fetchall()
    assert [(str(r[0]), str(r[1])) for r in described] == list(TICKETS.columns.items())


def test_optional_columns_may_be_absent_or_blank(tmp_path: Path, orders: Path) -> None:
    bare = write(tmp_path / "t.csv", "Customer,Date,Via", "a,2024-05-06,chat")
    [ticket] = read(orders, tickets=bare).tickets
    assert ticket["resolved_at"] is None
    assert ticket["is_reopened"] is None
    blank = write(tmp_path / "u.csv", TICKET_HEADER, "a,2024-05-06,chat,,,,,")
    assert read(orders, tickets=blank).tickets == [ticket]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("true", True), ("1", True), ("Yes", True), ("FALSE", False), ("0", False), ("no", False)],
)
def test_reopened_is_read(tmp_path: Path, orders: Path, text: str, expected: bool) -> None:
    header = "customer_id,created_at,channel,Reopened"
    tickets = write(tmp_path / "t.csv", header, f"a,2024-05-06,chat,{text}")
    assert [row["is_reopened"] for row in read(orders, tickets=tickets).tickets] == [expected]


def test_a_missing_column_is_refused(tmp_path: Path, orders: Path) -> None:
    tickets = write(tmp_path / "t.csv", "customer_id,channel", "a,chat")
    with pytest.raises(InputError, match=r"t\.csv lacks required columns: created_at"):
        read(orders, tickets=tickets)


def test_unreadable_tickets_are_rejected_and_noted(tmp_path: Path, orders: Path) -> None:
    tickets = write(
        tmp_path / "t.csv",
        TICKET_HEADER,
        "a,never,chat,,,,,",
        "a,2024-05-06,chat,,,9,,",
        "a,2024-05-06,chat,,many,,,",
        "a,2024-05-06,chat,,,,,maybe",
        "a,2024-05-06,,,,,,",
        "a,2024-05-06",
        ",2024-05-06,chat,,,,,",
        *["a,2024-05-06,chat,,,,,"] * 10,
    )
    reading = read(orders, tickets=tickets, max_reject_share=0.5)
    assert [(line, reason) for line, reason, _ in reading.rejects] == [
        (2, "date cannot be read"),
        (3, "satisfaction is not 1 to 5"),
        (4, "message count is not a number"),
        (5, "reopened is not yes or no"),
        (6, "channel is missing"),
        (7, "too few columns"),
    ]
    assert reading.info.n_tickets == 10
    assert reading.info.n_rows_rejected == 0
    assert any(note.startswith("6 tickets were rejected") for note in reading.info.notes)
    assert any(note.startswith("1 tickets have no customer") for note in reading.info.notes)


def test_too_many_rejected_tickets_refuse_the_run(tmp_path: Path, orders: Path) -> None:
    tickets = write(tmp_path / "t.csv", "customer_id,created_at,channel", "a,never,chat")
    with pytest.raises(GateError, match="1 of 1 tickets"):
        read(orders, tickets=tickets)
    assert len(rejects_of(tmp_path / "orders.rejects.csv")) == 1


def test_tickets_belong_to_the_input_hash(tmp_path: Path, orders: Path) -> None:
    tickets = write(tmp_path / "t.csv", "customer_id,created_at,channel", "a,2024-05-06,chat")
    assert read(orders).info.input_hash != read(orders, tickets=tickets).info.input_hash


def test_order_lines_are_not_accepted_as_tickets(tmp_path: Path, orders: Path) -> None:
    with pytest.raises(InputError, match=r"are also named as order lines; name a file"):
        read(orders, tickets=tmp_path / "." / "orders.csv")
