"""Synthetic order lines: the shape of the export, and that the planted truth can be found again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from segpipe.axes import Axis, axes_for
from segpipe.core.arrays import Floats
from segpipe.core.settings import EngineSettings
from segpipe.datasets.synthetic import generate_order_lines
from segpipe.engines.duckdb import Connection, literal, open_engine
from segpipe.features import compute_features

ORDER_INPUTS = frozenset({"discount", "refund", "product", "category", "channel", "time_of_day"})
N_CUSTOMERS = 4_000
TYPES = {
    "Customer_ID": "VARCHAR",
    "Order_ID": "VARCHAR",
    "QTY": "INTEGER",
    **dict.fromkeys(("Sales", "Price", "Refunds", "TotalDiscount"), "DECIMAL(18, 2)"),
}


def read_lines(engine: Connection, path: Path) -> None:
    """Load the export as it stands, and as order_lines."""
    engine.execute(f"CREATE TABLE export AS FROM read_csv({literal(str(path))}, types={TYPES})")
    engine.execute(
        """
        CREATE TABLE order_lines AS
        SELECT Customer_ID AS customer_id, Order_ID AS order_id, Date AS ordered_at,
               Date AS ordered_local, QTY < 0 AS is_return,
               greatest(Sales, 0)::DECIMAL(18, 4) AS line_amount,
               abs(QTY)::DECIMAL(18, 4) AS quantity,
               TotalDiscount::DECIMAL(18, 4) AS discount_amount,
               (CASE WHEN QTY < 0 THEN -Sales ELSE Refunds END)::DECIMAL(18, 4) AS refund_amount,
               ProductId AS product_id, Category AS category, Source AS channel,
               CASE WHEN QTY > 0 THEN Price::DOUBLE END AS unit_price
        FROM export WHERE Customer_ID IS NOT NULL
        """
    )


class Shop:
    """A generated shop, loaded, with its features beside the truth."""

    def __init__(self, engine: Connection, folder: Path, *, has_tickets: bool) -> None:
        self.engine = engine
        self.inputs = ORDER_INPUTS | ({"tickets"} if has_tickets else frozenset())
        self.info = generate_order_lines(
            folder / "lines.csv",
            N_CUSTOMERS,
            tickets_path=folder / "tickets.csv" if has_tickets else None,
            truth_path=folder / "truth.parquet",
        )
        read_lines(engine, folder / "lines.csv")
        if has_tickets:
            path = literal(str(folder / "tickets.csv"))
            types = {"customer_id": "VARCHAR"}
            engine.execute(
                f"CREATE TABLE tickets AS SELECT * RENAME (reopened AS is_reopened) "
                f"FROM read_csv({path}, types={types})"
            )
        self.feature_info, _ = compute_features(engine, frozenset(self.inputs), None)
        path = literal(str(folder / "truth.parquet"))
        engine.execute(f"CREATE TABLE truth AS FROM read_parquet({path})")

    def column(self, query: str) -> Floats:
        values = self.engine.execute(query).fetchnumpy()
        (array,) = values.values()
        filled: Floats = np.ma.filled(np.ma.masked_array(array), np.nan)
        return filled

    def one(self, query: str) -> object:
        (row,) = self.engine.execute(query).fetchall()
        (value,) = row
        return value

    def standardised(self, axis: Axis, eligible: str) -> Floats:
        columns = []
        for feature in axis.live_features(frozenset(self.inputs)):
            value = self.column(
                f"SELECT {feature.measure}::DOUBLE FROM customer_features "
                f"WHERE {eligible} ORDER BY customer_id"
            )
            value = np.where(np.isnan(value), np.nanmedian(value), value)
            if feature.transform != "identity":
                value = np.sign(value) * np.log1p(np.abs(value))
            value = np.clip(value, *np.quantile(value, (0.005, 0.995)))
            columns.append((value - value.mean()) / value.std())
        return np.column_stack(columns)


@pytest.fixture(scope="module", params=[False, True], ids=["orders", "orders and tickets"])
def shop(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shop]:
    with open_engine(EngineSettings()) as engine:
        yield Shop(engine, tmp_path_factory.mktemp("shop"), has_tickets=request.param)


def eligibility(axis: Axis, inputs: frozenset[str]) -> str:
    bounds = [
        f"coalesce({rule.measure}, 0) >= {rule.at_least}"
        for rule in axis.eligibility
        if inputs.issuperset(rule.needs)
    ]
    return " AND ".join(bounds) or "true"


def test_k_means_finds_every_planted_class_on_the_features_of_its_axis(shop: Shop) -> None:
    found = {}
    for axis in axes_for(frozenset(shop.inputs)):
        if axis.name not in shop.info.planted:
            continue
        eligible = eligibility(axis, frozenset(shop.inputs))
        truth = shop.column(
            f"SELECT {axis.name} FROM truth JOIN customer_features USING (customer_id) "
            f"WHERE {eligible} ORDER BY customer_id"
        )
        n_classes = len(set(truth))
        labels = KMeans(n_classes, n_init=5, random_state=0).fit_predict(
            shop.standardised(axis, eligible)
        )
        found[axis.name] = adjusted_rand_score(truth, labels)
    assert set(found) == set(shop.info.planted)
    assert {name: round(score, 3) for name, score in found.items() if score < 0.9} == {}


def test_states_are_given_to_the_customers_who_are_not_eligible(shop: Shop) -> None:
    for axis in axes_for(frozenset(shop.inputs)):
        for rule in axis.eligibility:
            if axis.name in shop.info.planted and shop.inputs.issuperset(rule.needs):
                differing = shop.one(
                    f"SELECT count(*) FROM truth JOIN customer_features USING (customer_id) "
                    f"WHERE ({axis.name} = '{rule.state}') "
                    f"<> (coalesce({rule.measure}, 0) < {rule.at_least})"
                )
                assert differing == 0, axis.name
                assert shop.one(f"SELECT count(*) FROM truth WHERE {axis.name} = '{rule.state}'")


def test_the_info_counts_the_lines_of_the_file(shop: Shop) -> None:
    counted = shop.engine.execute(
        "SELECT count(DISTINCT Customer_ID), count(DISTINCT Order_ID), count(*), "
        "count(*) FILTER (Customer_ID IS NULL), count(*) FILTER (QTY < 0) FROM export"
    ).fetchall()[0]
    info = shop.info
    assert counted == (info.customers, info.orders, info.lines, info.guests, info.returns)
    assert info.customers == N_CUSTOMERS
    assert 16 < info.lines / info.customers < 19
    assert 0.02 < info.guests / info.lines < 0.04
    assert info.returns > 0


def test_amounts_agree_to_the_cent(shop: Shop) -> None:
    assert shop.one("SELECT count(*) FROM export WHERE Price * QTY - TotalDiscount <> Sales") == 0
    assert shop.one("SELECT count(*) FROM export WHERE QTY > 0 AND Sales < 0") == 0
    assert shop.one("SELECT count(*) FROM export WHERE QTY = 0 OR Price <= 0") == 0
    assert shop.one("SELECT count(*) FROM export WHERE Refunds < 0 OR Refunds > abs(Sales)") == 0
    assert shop.one("SELECT count(*) FROM export WHERE TotalDiscount < 0") == 0
    assert shop.one("SELECT count(*) FROM export WHERE QTY > 0 AND Refunds > 0")


def test_an_order_has_one_customer_one_time_and_one_channel(shop: Shop) -> None:
    mixed = shop.one(
        "SELECT count(*) FROM (SELECT Order_ID FROM export WHERE QTY > 0 GROUP BY Order_ID HAVING "
        "count(DISTINCT coalesce(Customer_ID, '')) > 1 OR count(DISTINCT Date) > 1 "
        "OR count(DISTINCT Source) > 1)"
    )
    assert mixed == 0


def test_a_return_belongs_to_an_earlier_order_of_the_same_customer(shop: Shop) -> None:
    orphans = shop.one(
        "SELECT count(*) FROM export r WHERE QTY < 0 AND NOT EXISTS (FROM export p WHERE "
        "p.Order_ID = r.Order_ID AND p.Customer_ID = r.Customer_ID AND p.ProductId = r.ProductId "
        "AND p.QTY = -r.QTY AND p.Date <= r.Date)"
    )
    assert orphans == 0


def test_history_is_two_years_up_to_the_last_day(shop: Shop) -> None:
    first, last, newest = shop.engine.execute(
        "SELECT min(Date)::DATE, max(Date)::DATE, max(Date) FILTER (QTY > 0)::DATE FROM export"
    ).fetchall()[0]
    assert last == newest == date(2025, 6, 30)
    assert date(2023, 6, 25) < first < date(2024, 1, 1)
    assert shop.feature_info.n_future_lines == 0


def test_ids_are_text_with_leading_zeros_and_titles_need_quotes(shop: Shop) -> None:
    assert shop.one("SELECT count(*) FROM export WHERE Customer_ID = '0000010'")
    assert shop.one("SELECT count(*) FROM export WHERE Customer_ID = '100000001'")
    assert shop.one("SELECT count(*) FROM export WHERE contains(Title, ',')")
    assert shop.one("""SELECT count(*) FROM export WHERE contains(Title, '"')""")
