"""Made shops as samples of everybody: order lines by a small generator, measured by the engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np
import pyarrow as pa

from segpipe.axes import RAW_MEASURES
from segpipe.core.schema import CUSTOMER_FEATURES, ORDER_LINES, TICKETS, Reference
from segpipe.core.settings import EngineSettings
from segpipe.discovery.sampling import Sample
from segpipe.engines.duckdb import Connection, open_engine
from segpipe.features import compute_features
from tests.support.features import create_table

START = datetime(2024, 1, 1)  # noqa: DTZ001 - by the shop's clock
AS_OF = date(2025, 1, 1)
N_DAYS = 366
EVERYTHING = frozenset({"product", "category", "discount", "refund", "channel", "time_of_day"})


@dataclass(frozen=True)
class Shop:
    """Everybody's measures, and what a model of them refers to."""

    sample: Sample
    inputs: frozenset[str]
    reference: Reference
    as_of: date = AS_OF

    def without(self, customer: int) -> Sample:
        """The sample without one customer."""
        kept = np.delete(np.arange(self.sample.customers.num_rows), customer)
        return Sample(self.sample.customers.take(pa.array(kept)), self.sample.weights[kept])


def steady_shop(n: int, seed: int) -> Shop:
    """Customers who never change: own constant rates, any hour of any day, no trend."""
    draw = np.random.default_rng(seed)
    rates = np.exp(draw.normal(np.log(1.2), 0.7, n)) / 30.4
    rows = []
    for customer, rate in enumerate(rates):
        days = np.sort(draw.random(draw.poisson(rate * N_DAYS)) * N_DAYS)
        rows += [(customer, float(day), float(draw.lognormal(3.3, 0.5))) for day in days]
    columns: dict[str, list[object]] = {
        "customer_id": [f"c{row[0]:05}" for row in rows],
        "ordered_at": [START + timedelta(days=row[1]) for row in rows],
        "order_id": [str(index) for index in range(len(rows))],
        "line_amount": [row[2] for row in rows],
    }
    return shop_of(columns, frozenset({"time_of_day"}))


def mixed_shop(n: int, seed: int) -> Shop:
    """Customers who differ by degrees in all that is measured; nobody belongs to a group."""
    return shop_of(mixed_lines(n, seed), EVERYTHING)


def mixed_lines(n: int, seed: int) -> dict[str, list[object]]:
    """The order lines of `mixed_shop`."""
    draw = np.random.default_rng(seed)
    lines: dict[str, list[object]] = {name: [] for name in _COLUMNS}
    for customer in range(n):
        rate = np.exp(draw.normal(np.log(0.8), 0.8)) / 30.4
        since = draw.random() * N_DAYS
        price = draw.lognormal(0, 0.4)
        width, again = 1 + draw.poisson(3), draw.beta(2, 3)
        deals, returns = draw.beta(1, 2), draw.beta(1, 9)
        weekend, web = draw.beta(2, 4), draw.beta(2, 3)
        basket = draw.gamma(1.5, 1.0)  # products beyond the first
        days = np.sort(
            since + draw.random(1 + draw.poisson(rate * (N_DAYS - since))) * (N_DAYS - since)
        )
        seen: list[int] = []
        for number, day in enumerate(days):
            at = _moment(draw, float(day), float(weekend))
            channel = "web" if draw.random() < web else "store"
            is_deal = draw.random() < deals
            is_back = draw.random() < returns
            for _ in range(1 + draw.poisson(basket)):
                if seen and draw.random() < again:
                    product = seen[draw.integers(len(seen))]
                else:
                    product = int(draw.integers(width)) * 20 + int(draw.integers(20))
                    seen.append(product)
                full = float(10 * price * (1 + product % 20 / 10))
                saved = full * 0.2 if is_deal else 0.0
                row = (
                    *(f"c{customer:05}", f"{customer}-{number}", at, full - saved, saved),
                    *(
                        full * 0.5 if is_back else 0.0,
                        f"p{product}",
                        f"k{product // 20}",
                        channel,
                        full,
                    ),
                )
                for name, value in zip(_COLUMNS, row, strict=True):
                    lines[name].append(value)
    return lines


_COLUMNS = (
    *("customer_id", "order_id", "ordered_at", "line_amount", "discount_amount", "refund_amount"),
    *("product_id", "category", "channel", "unit_price"),
)


def _moment(draw: np.random.Generator, day: float, weekend: float) -> datetime:
    """A moment of about that day; on a weekend as often as the customer likes."""
    at = START + timedelta(days=int(day))
    is_weekend = draw.random() < weekend
    while (at.weekday() >= 5) != is_weekend:
        at += timedelta(days=1)
    last = START + timedelta(days=N_DAYS - 1)
    return min(at, last) + timedelta(hours=float(draw.uniform(8, 22)))


def shop_of(lines: Mapping[str, Sequence[object]], inputs: frozenset[str]) -> Shop:
    """The shop of these lines; what they leave out is as usual."""
    with measured(lines, inputs) as (engine, reference):
        found = engine.sql(f"FROM {CUSTOMER_FEATURES.name} ORDER BY customer_id").to_arrow_table()
    for name in RAW_MEASURES:
        place = found.schema.get_field_index(name)
        found = found.set_column(place, name, found[name].cast(pa.float64()))
    return Shop(Sample(found, np.ones(found.num_rows)), inputs, reference)


@contextmanager
def measured(
    lines: Mapping[str, Sequence[object]], inputs: frozenset[str]
) -> Iterator[tuple[Connection, Reference]]:
    """An engine with the measures of all customers of these lines."""
    n = len(lines["customer_id"])
    usual: dict[str, object] = {"is_return": False, "quantity": 1.0, "discount_amount": 0.0}
    usual |= {"refund_amount": 0.0}
    given = {name: lines.get(name) or [usual.get(name)] * n for name in ORDER_LINES.columns}
    given["ordered_local"] = given["ordered_at"]
    with open_engine(EngineSettings()) as engine:
        for table in (ORDER_LINES, TICKETS):
            create_table(engine, table)
        engine.register("given", pa.table(given))
        engine.execute(f"INSERT INTO {ORDER_LINES.name} BY NAME FROM given")
        engine.unregister("given")
        _, reference = compute_features(engine, inputs, AS_OF)
        yield engine, reference
