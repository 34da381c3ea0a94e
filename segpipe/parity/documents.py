"""Customers of a file as the request bodies that a shop would post for them.

Reads the tables of the source stage. A column of the file is a key of the document, with null for a
blank cell.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from itertools import groupby
from typing import Any

from segpipe.core.schema import ORDER_LINES, TICKETS
from segpipe.engines.duckdb import Connection, literal
from segpipe.sources.tickets import TICKET_COLUMNS

Document = dict[str, Any]
_ISO = "'%Y-%m-%dT%H:%M:%S.%f'"


def draw_customers(engine: Connection, as_of: date, n_customers: int, seed: int) -> list[str]:
    """Ids of `n_customers` with an order by then, the same for the same seed."""
    rows = engine.execute(
        f"SELECT DISTINCT customer_id FROM {ORDER_LINES.name}"
        " WHERE NOT is_return AND ordered_local < $as_of + INTERVAL 1 DAY"
        " ORDER BY hash(customer_id || ' ' || $seed::VARCHAR), customer_id LIMIT $n",
        {"as_of": as_of, "seed": seed, "n": n_customers},
    ).fetchall()
    return [row[0] for row in rows]


def documents(
    engine: Connection,
    inputs: frozenset[str],
    timezone: str,
    as_of: date,
    customer_ids: Sequence[str],
) -> Iterator[Document]:
    """A document for each of these customers in the tables, ordered by id."""
    ids = {"ids": list(customer_ids)}
    lines = _rows(engine, _lines_query(timezone), {**ids, "as_of": as_of})
    tickets: dict[str, list[Document]] = {}
    if "tickets" in inputs:
        for ticket in _rows(engine, _tickets_query(), ids):
            tickets.setdefault(ticket.pop("customer_id"), []).append(ticket)
    for customer_id, own in groupby(lines, key=lambda line: line["customer_id"]):
        orders, items = _orders(list(own), inputs)
        document = {
            "customer_id": customer_id,
            "orders": orders,
            "items": items,
            "as_of": as_of.isoformat(),
        }
        if "tickets" in inputs:
            document["tickets"] = tickets.get(customer_id, [])
        yield document


def _lines_query(timezone: str) -> str:
    """Lines by customer, order and time.

    A time is sent as the wall clock if it came as one, since one hour in autumn exists twice. A
    price is sent only if it differs from the amount over the quantity.
    """
    zone = literal(timezone)
    back = "line_amount + discount_amount"
    return f"""
        SELECT customer_id, order_id, is_return, ordered_at,
            CASE WHEN timezone('UTC', timezone({zone}, ordered_local)) = ordered_at
                THEN strftime(ordered_local, {_ISO})
                ELSE strftime(ordered_at, {_ISO}) || 'Z' END AS order_date,
            (CASE WHEN is_return THEN -refund_amount ELSE line_amount END) AS amount,
            CASE WHEN is_return AND quantity = 0 THEN 1 ELSE quantity END AS quantity,
            discount_amount, refund_amount, product_id, category, channel,
            ordered_local < $as_of + INTERVAL 1 DAY AS is_seen,
            CASE WHEN unit_price <> ({back})::DOUBLE / quantity::DOUBLE
                THEN unit_price::DECIMAL(18, 4) END AS price
        FROM {ORDER_LINES.name} WHERE list_contains($ids, customer_id)
        ORDER BY customer_id, order_id, is_return, ordered_at, rowid"""


def _tickets_query() -> str:
    columns = ", ".join(
        f"strftime({name}, {_ISO}) || 'Z' AS {name}"
        if TICKETS.columns[name] == "TIMESTAMP"
        else f"{name}::DECIMAL(18, 4)::VARCHAR AS {name}"
        if TICKETS.columns[name] == "DOUBLE"
        else f"{name} AS reopened"
        if name == "is_reopened"
        else name
        for name in TICKET_COLUMNS
    )
    return (
        f"SELECT {columns} FROM {TICKETS.name} WHERE list_contains($ids, customer_id)"
        " ORDER BY customer_id, rowid"
    )


def _rows(engine: Connection, query: str, parameters: dict[str, Any]) -> Iterator[Document]:
    found = engine.execute(query, parameters)
    names = [column[0] for column in found.description or ()]
    while rows := found.fetchmany(10_000):
        yield from (dict(zip(names, row, strict=True)) for row in rows)


def _orders(
    lines: Sequence[Document], inputs: frozenset[str]
) -> tuple[list[Document], list[Document]]:
    orders, items = [], []
    for order_id, group in groupby(lines, key=lambda line: line["order_id"]):
        own = list(group)
        bought = [line for line in own if not line["is_return"]]
        order = _order(order_id, bought or own, inputs)
        orders.append(order)
        items += [_item(line, order, inputs) for line in own]
    return orders, items


def _order(order_id: str, lines: Sequence[Document], inputs: frozenset[str]) -> Document:
    """The order from its purchase lines, or from its returns if it has nothing else."""
    first = min(lines, key=lambda line: line["ordered_at"])
    order = {
        "order_id": order_id,
        "order_date": first["order_date"],
        "total_price": str(sum(line["amount"] for line in lines)),
    }
    if "channel" in inputs:
        seen = [line for line in lines if line["is_seen"]] or lines  # by the run, as of its day
        order["source"] = min((line["channel"] for line in seen if line["channel"]), default=None)
    return order


def _item(line: Document, order: Document, inputs: frozenset[str]) -> Document:
    sign = -1 if line["is_return"] else 1
    item = {
        "order_id": order["order_id"],
        "quantity": str(sign * line["quantity"]),
        "price": None if line["price"] is None else str(line["price"]),
        "total_price": str(line["amount"]),
    }
    if line["order_date"] != order["order_date"]:
        item["order_date"] = line["order_date"]
    for name, key in (("product", "product_id"), ("category", "category")):
        if name in inputs:
            item[key] = line[key]
    for name in ("discount", "refund"):
        if name in inputs:
            key = f"{name}_amount"
            # The amount of a return is what was given back.
            item[key] = "0" if line["is_return"] else str(line[key])
    return item
