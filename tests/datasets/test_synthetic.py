"""Synthetic order lines: the shape of the export, and that the planted truth can be found again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from segpipe.core.arrays import Floats
from segpipe.core.settings import EngineSettings
from segpipe.datasets.synthetic import SEPARATE_AXES, generate_order_lines
from segpipe.discovery.priors import PRIOR_MEASURES, estimate_priors
from segpipe.engines.duckdb import Connection, literal, open_engine
from segpipe.features import compute_features
from segpipe.model.derived import derive, inputs_of

ORDER_INPUTS = frozenset({"discount", "refund", "product", "category", "channel", "time_of_day"})
N_CUSTOMERS = 4_000
FEATURES = "FROM truth JOIN customer_features USING (customer_id) ORDER BY customer_id"
MAIN_MEASURES = {
    "price_sensitivity": "expected_discount_share",
    "repurchase_behavior": "expected_repeat_line_share",
    "return_behavior": "expected_refunded_order_share",
    "value_sophistication": "expected_price_position",
    "problem_complexity_profile": "expected_products_per_order",
}
SEPARATE = {  # axis → who is eligible
    "price_sensitivity": "n_discounted_orders > 0",
    "repurchase_behavior": "n_occasions >= 2",
    "return_behavior": "n_refunded_orders > 0",
    "value_sophistication": "true",
    "problem_complexity_profile": "true",
}
KINDS = {  # axis → kind → the share that is high
    "purchase_cadence": {
        "weekend_shopper": "expected_weekend_share",
        "weekday_daytime": "expected_business_hours_share",
        "evening_shopper": "expected_evening_share",
    },
    "communication_preference": {
        "web_first": "expected_web_order_share",
        "in_store": "expected_store_order_share",
        "assisted": "expected_assisted_order_share",
    },
}
TICKET_KINDS = {
    "email_preferred": "expected_ticket_email_share",
    "chat_preferred": "expected_ticket_chat_share",
    "phone_preferred": "expected_ticket_phone_share",
    "self_service": "expected_ticket_self_service_share",
}
STATES = (
    ("purchase_frequency", "one_time_buyer", "n_occasions < 2"),
    ("price_sensitivity", "no_discount_yet", "n_discounted_orders = 0 AND n_orders < 3"),
    ("price_sensitivity", "full_price_buyer", "n_discounted_orders = 0 AND n_orders >= 3"),
    ("purchase_cadence", "too_few_orders", "n_occasions < 3"),
    ("repurchase_behavior", "single_order", "n_occasions < 2"),
    ("return_behavior", "no_return_yet", "n_refunded_orders = 0 AND n_orders < 3"),
    ("return_behavior", "careful_buyer", "n_refunded_orders = 0 AND n_orders >= 3"),
    ("communication_preference", "no_contact", "coalesce(n_tickets, 0) = 0"),
    ("loyalty_trajectory", "too_early_to_tell", "n_occasions < 3"),
    ("product_knowledge", "too_few_orders", "n_occasions < 2"),
)
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

    def measured(self, measures: tuple[str, ...], where: str) -> tuple[Floats, Floats]:
        """The measures of the customers who meet the condition, (n, d), and of everybody."""
        raw = sorted({*PRIOR_MEASURES, *inputs_of(measures)})
        columns = {name: self.column(f"SELECT {name}::DOUBLE {FEATURES}") for name in raw}
        n = len(columns[raw[0]])
        priors = estimate_priors(columns, np.ones(n), frozenset(self.inputs))
        found = derive(columns, measures, priors)
        values = np.column_stack([found[name] for name in measures])
        return values, self.column(f"SELECT ({where})::DOUBLE {FEATURES}") == 1


@pytest.fixture(scope="module", params=[False, True], ids=["orders", "orders and tickets"])
def shop(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shop]:
    with open_engine(EngineSettings()) as engine:
        yield Shop(engine, tmp_path_factory.mktemp("shop"), has_tickets=request.param)


def distance(one: Floats, other: Floats) -> float:
    """Between two means, in standard deviations within."""
    within = np.sqrt((one.var() + other.var()) / 2)
    return float(abs(one.mean() - other.mean()) / within)


def test_every_separate_axis_is_checked() -> None:
    assert {*SEPARATE, *KINDS} == set(SEPARATE_AXES)


@pytest.mark.parametrize(("axis", "where"), SEPARATE.items())
def test_groups_are_four_deviations_apart_in_the_main_measure(
    shop: Shop, axis: str, where: str
) -> None:
    main = MAIN_MEASURES[axis]
    if axis == "problem_complexity_profile" and "tickets" in shop.inputs:
        main = "expected_tickets_per_order"
    values, is_eligible = shop.measured((main,), where)
    truth = shop.column(f"SELECT {axis} {FEATURES}")
    truth = np.where(truth == "occasional_splurger", "balanced", truth)
    logs = np.log(values[:, 0]) if "_per_order" in main else values[:, 0]
    groups = [logs[is_eligible & (truth == name)] for name in sorted(set(truth[is_eligible]))]
    groups.sort(key=np.mean)
    assert len(groups) >= 2
    assert min(map(len, groups)) > 0.05 * np.count_nonzero(is_eligible)
    assert min(distance(*pair) for pair in pairwise(groups)) > 4


@pytest.mark.parametrize("axis", KINDS)
def test_each_kind_is_four_deviations_from_the_others_in_its_own_share(
    shop: Shop, axis: str
) -> None:
    if axis == "communication_preference" and "tickets" in shop.inputs:
        kinds = TICKET_KINDS
    else:
        kinds = KINDS[axis]
    values, is_eligible = shop.measured(tuple(kinds.values()), "n_occasions >= 3")
    truth = shop.column(f"SELECT {axis} {FEATURES}")
    for place, kind in enumerate(kinds):
        own = values[is_eligible & (truth == kind), place]
        for other in set(truth[is_eligible]) - {kind, "too_few_orders"}:
            others = values[is_eligible & (truth == other), place]
            assert distance(own, others) > 4, (kind, other)


def test_the_trend_of_orders_is_that_of_the_planted_course(shop: Shop) -> None:
    values, is_eligible = shop.measured(("order_trend_z",), "n_occasions >= 3")
    truth = shop.column(f"SELECT loyalty_trajectory {FEATURES}")
    growing, steady, declining = (
        values[is_eligible & (truth == course), 0] for course in ("growing", "steady", "declining")
    )
    assert np.mean(np.abs(steady) < 1.645) > 0.95
    assert np.mean(growing > steady.mean() + 2 * steady.std()) > 0.7
    assert np.mean(declining < steady.mean() - 2 * steady.std()) > 0.7


def test_no_date_is_special(shop: Shop) -> None:
    """As many orders each quarter, and as much churn among those who came lately."""
    orders = shop.column(
        "SELECT count(DISTINCT order_id)::DOUBLE FROM order_lines "
        "WHERE ordered_at >= '2023-07-01' GROUP BY date_trunc('quarter', ordered_at)"
    )
    assert orders.max() < 1.15 * orders.min()
    lost = [churn_of_recent(shop, days)[0] for days in range(90, 500, 60)]
    assert max(lost) - min(lost) < 0.08


def test_recency_tells_churn_at_every_date(shop: Shop) -> None:
    scores = [churn_of_recent(shop, days)[1] for days in range(90, 500, 60)]
    assert min(scores) > 0.7
    assert max(scores) < 0.95


def churn_of_recent(shop: Shop, days: int) -> tuple[float, float]:
    """Share lost within 90 days of those who came in the 60 before a date; AUC of recency.

    The date is `days` before the end, and the AUC is of everybody known by then.
    """
    cut = f"DATE '2025-06-30' - {days}"
    rows = shop.engine.execute(
        f"SELECT min({cut} - Date::DATE) FILTER (Date::DATE <= {cut}) AS recency, "
        f"count(*) FILTER (Date::DATE > {cut} AND Date::DATE <= {cut} + 90) = 0 AS is_lost "
        "FROM export WHERE QTY > 0 AND Customer_ID IS NOT NULL GROUP BY Customer_ID "
        "HAVING recency IS NOT NULL"
    ).fetchnumpy()
    recency, is_lost = np.asarray(rows["recency"]), np.asarray(rows["is_lost"])
    return is_lost[recency < 60].mean(), roc_auc_score(is_lost, recency)


@pytest.mark.parametrize(("axis", "state", "rule"), STATES)
def test_states_are_given_to_the_customers_who_are_not_eligible(
    shop: Shop, axis: str, state: str, rule: str
) -> None:
    if state == "no_contact" and "tickets" not in shop.inputs:
        return
    differing = shop.one(
        f"SELECT count(*) FROM truth JOIN customer_features USING (customer_id) "
        f"WHERE ({axis} = '{state}') <> ({rule})"
    )
    assert differing == 0
    assert shop.one(f"SELECT count(*) FROM truth WHERE {axis} = '{state}'")


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
