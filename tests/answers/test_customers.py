"""The customers of a segment, page by page: each once, in the chosen order."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import numpy as np
import pytest

from segpipe import answers, postgres
from segpipe.answers import ORDERS, OutdatedCursorError
from segpipe.core.errors import InputError
from segpipe.postgres import Connection, fetch_dicts, migrate
from tests.support.moving_customers import APRIL, MARCH, TREND, VALUE, Customer, Shop

NAMES = ("whale", "mid_tier", "rare")


@pytest.fixture(scope="module")
def published(server_url: str) -> Iterator[Connection]:
    """A store of 300 customers with many ties, and an absent one; for tests that only read."""
    name = f"test_{uuid4().hex}"
    with postgres.connect(server_url) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    draw = np.random.default_rng(3)
    customers = {
        f"c/{n} ü": Customer(
            NAMES[0 if n % 2 else 1] if n % 50 else "rare",
            value=float(draw.integers(0, 9)) / 7,
            n_orders=int(draw.integers(1, 4)),
        )
        for n in range(300)
    }
    with postgres.connect(server_url.replace("/postgres?", f"/{name}?")) as connection:
        migrate.upgrade(connection)
        shop = Shop(connection)
        shop.publish({"absent": Customer("whale")}, MARCH)
        shop.publish(customers, APRIL)
        Shop(connection, store_id="other").publish({"stranger": Customer("whale")}, APRIL)
        yield connection
    with postgres.connect(server_url) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


def _read(database: Connection, segment: str, order: str, limit: int) -> list[dict[str, Any]]:
    """All pages, one after another."""
    rows: list[dict[str, Any]] = []
    after = None
    while True:
        page = answers.list_customers(
            database, "default", VALUE, segment, order=order, limit=limit, after=after
        )
        assert page
        assert len(page["customers"]) <= limit
        assert page["run"]["run_id"] == 2
        rows += page["customers"]
        after = page["next"]
        if after is None:
            return rows
        assert len(page["customers"]) == limit


@pytest.mark.parametrize("segment", ["whale", "rare"])
@pytest.mark.parametrize("order", ORDERS)
def test_pages_have_every_customer_once_and_in_order(
    published: Connection, segment: str, order: str
) -> None:
    column, direction = order.removeprefix("-"), "DESC" if order.startswith("-") else "ASC"
    expected = fetch_dicts(
        published,
        "SELECT customer_id, lifetime_value, avg_order_value, total_orders,"
        " days_since_last_purchase, churn_risk_score, expected_value_90d, rfm_score,"
        " 0.5::double precision AS strength"
        " FROM current_profiles WHERE store_id = 'default'"
        " AND segment_memberships->>'purchase_value' = %s"
        f" ORDER BY {column} {direction}, customer_id {direction}",
        [segment],
    )
    assert len(expected) == (6 if segment == "rare" else 150)
    for limit in (1, 6, 40) if segment == "rare" else (7, 150, 1000):
        assert _read(published, segment, order, limit) == expected


def test_an_unknown_name_is_refused_with_near_ones(published: Connection) -> None:
    for axis, segment, message in (
        ("purchase_valu", "whale", "no axis 'purchase_valu'. Did you mean purchase_value"),
        (VALUE, "whales", "no segment 'whales'. Did you mean whale"),
        (TREND, "whale", "no segment 'whale'. Known: steady"),
    ):
        with pytest.raises(InputError, match=message):
            answers.list_customers(published, "default", axis, segment)
    with pytest.raises(InputError, match="expected one of customer_id, -customer_id"):
        answers.list_customers(published, "default", VALUE, "whale", order="run_id; DROP TABLE x")


def _cursor_of(*parts: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no cursor",
        "ü",
        "A" * 5000,
        "bnVsbA",
        base64.urlsafe_b64encode(b"[" * 1000).decode(),
        base64.urlsafe_b64encode(b"[2,1e999]").decode(),
        _cursor_of(2, VALUE, "whale", "lifetime_value", 1.0),
        _cursor_of(True, VALUE, "whale", "lifetime_value", 1.0, "c"),
        _cursor_of(2, VALUE, "whale", "lifetime_value", float("nan"), "c"),
        _cursor_of(2, VALUE, "whale", "lifetime_value", float("-inf"), "c"),
        _cursor_of(2, VALUE, "whale", "lifetime_value", 10**400, "c"),
        _cursor_of(2, VALUE, "whale", "lifetime_value", "1", "c"),
        _cursor_of(2, VALUE, "whale", "lifetime_value", 1.0, "\0"),
        _cursor_of(2, VALUE, "whale", "lifetime_value", 1.0, "\ud800"),
        _cursor_of(2, VALUE, "whale", "lifetime_value", 1.0, None),
        _cursor_of(2, VALUE, "whale", "customer_id", None, "c"),
        _cursor_of(2, VALUE, "rare", "lifetime_value", 1.0, "c"),
    ],
)
def test_an_invalid_cursor_or_one_of_another_listing_is_refused(
    published: Connection, text: str
) -> None:
    with pytest.raises(InputError, match="cursor"):
        answers.list_customers(
            published, "default", VALUE, "whale", order="lifetime_value", after=text
        )


@pytest.mark.parametrize("value", [1e299, -(10**200), 2.5, 3, 0, None])
@pytest.mark.parametrize("order", ["total_orders", "-lifetime_value", "customer_id"])
def test_a_forged_cursor_does_no_harm(
    published: Connection, order: str, value: float | None
) -> None:
    text = _cursor_of(2, VALUE, "whale", order, value, "c' OR true --")
    page = answers.list_customers(published, "default", VALUE, "whale", order=order, after=text)
    assert page
    assert len(page["customers"]) <= 100


def test_a_cursor_ends_with_its_run(database: Connection) -> None:
    shop = Shop(database)
    some = {name: Customer() for name in "abc"}
    shop.publish(some, MARCH)
    page = answers.list_customers(database, "default", VALUE, "mid_tier", limit=2)
    assert page
    assert page["next"]
    shop.publish(some, MARCH, is_repeated=True)
    with pytest.raises(OutdatedCursorError, match="run 1, and run 2 is the current one"):
        answers.list_customers(database, "default", VALUE, "mid_tier", limit=2, after=page["next"])
