"""Derived measures: all of the catalogue, by their definitions, alone as among others."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from segpipe.axes import MEASURES, RAW_MEASURES
from segpipe.core.arrays import Floats
from segpipe.model.derived import DERIVED_MEASURES, customers_differ, derive, inputs_of
from segpipe.model.priors import SHARES, BetaPrior, GammaPrior, NormalPrior, Priors

INPUTS = inputs_of(DERIVED_MEASURES)
SHARE = BetaPrior(0.4, 2, 9)
PRIORS = Priors(
    median_gap_days=20,
    shares=dict.fromkeys(SHARES, SHARE),
    rates={
        "occasions": GammaPrior(2, 3, 9),
        "extra_products": GammaPrior(1, 2, 9),
        "tickets": GammaPrior(1, 4, 9),
    },
    means={"price_position": NormalPrior(0.1, 3, 9), "satisfaction": NormalPrior(4, 2, 9)},
    discount_share=0.25,
    scores={
        "recency": (-300.5, -90.5, -40.0, -7.5),
        "frequency": (1.5, 2.5, 4.5, 9.5),
        "monetary": (10.0, 20.0, 40.0, 80.0),
    },
)
CUSTOMER = {
    "n_occasions": 4.0,
    "lifetime_value": 80.0,
    "tenure_days": 100.0,
    "recency_days": 40.0,
    "n_orders": 5.0,
    "n_earlier_occasions": 2.0,
    "n_later_occasions": 1.0,
    "n_weekend_occasions": 3.0,
    "n_best_months_occasions": 3.0,
    "best_months_day_share": 0.2,
    "discount_amount_share": 0.1,
    "n_extra_products": 3.0,
    "n_top_channel_orders": 4.0,
    "n_channel_orders": 5.0,
    "n_email_tickets": 1.0,
    "n_chat_tickets": 2.0,
    "n_phone_tickets": 0.0,
    "n_self_service_tickets": 0.0,
    "n_channel_tickets": 4.0,
    "n_tickets": 4.0,
    "n_priced_lines": 7.0,
    "price_position": 0.3,
    "n_rated_tickets": 0.0,
    "satisfaction_mean": np.nan,
}
MONTHS = 100 / 30.4375


def one(name: str, priors: Priors = PRIORS, **changed: float) -> float:
    figures = {**CUSTOMER, **changed}
    columns = {need: np.array([figures[need]]) for need in inputs_of([name])}
    return float(derive(columns, [name], priors)[name][0])


def test_the_derived_measures_are_those_of_the_catalogue() -> None:
    assert set(DERIVED_MEASURES) == {name for name in MEASURES if MEASURES[name].is_derived}
    assert set(INPUTS) <= set(RAW_MEASURES)
    assert not set(DERIVED_MEASURES) & set(RAW_MEASURES)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("expected_occasions_per_month", (3 + 2) / (MONTHS + 3)),
        ("expected_gap_days", (60 + 2 * 20) / (3 + 2)),
        ("recency_in_expected_gaps", 40 / 20),
        ("own_occasions_per_month", 3 / MONTHS),
        ("recency_in_own_gaps", 40 / 20),
        ("growing_chance", stats.norm.cdf(-0.5)),
        ("declining_chance", stats.norm.cdf(0.5)),
        ("recency_score", 4),
        ("frequency_score", 3),
        ("monetary_score", 5),
        ("fm_score", 4),
        ("rfm_score", 435),
        ("order_trend_z", (1 - 2) / 2),
        ("weekend_occasion_share", 3 / 4),
        ("expected_weekend_share", (3 + 0.8) / (4 + 2)),
        ("mostly_weekend_chance", stats.beta.sf(0.5, 3 + 0.8, 1 + 1.2)),
        ("best_months_share", 3 / 4),
        ("best_months_chance", 12 * stats.binom.sf(2, 4, 0.2)),
        ("expected_discount_share", (5 * 0.1 + 2 * 0.25) / (5 + 2)),
        ("expected_products_per_order", 1 + (3 + 1) / (5 + 2)),
        ("expected_tickets_per_order", (4 + 1) / (5 + 4)),
        ("expected_price_position", (7 * 0.3 + 3 * 0.1) / (7 + 3)),
        ("expected_satisfaction", 4),  # that of the shop, as nothing was rated
        ("top_channel_share", 4 / 5),
        ("one_channel_chance", stats.beta.sf(0.75, 4 + 0.8, 1 + 1.2)),
        ("top_ticket_kind_share", 2 / 4),
        ("one_ticket_channel_chance", stats.beta.sf(0.75, 2 + 0.8, 2 + 1.2)),
    ],
)
def test_a_derived_measure_is_as_defined(name: str, expected: float) -> None:
    assert one(name) == pytest.approx(expected)


def test_without_spending_the_discount_share_is_the_shops() -> None:
    assert one("expected_discount_share", discount_amount_share=np.nan) == pytest.approx(0.25)


def test_a_chance_of_months_is_1_at_most() -> None:
    assert one("best_months_chance", n_best_months_occasions=1.0) == 1


def test_one_channel_is_judged_by_the_prior_that_makes_it_likeliest() -> None:
    loyal = BetaPrior(0.9, 2, 9)
    priors = Priors(20, shares={**PRIORS.shares, "channel_2": loyal})
    assert one("one_channel_chance", priors) == pytest.approx(stats.beta.sf(0.75, 4 + 1.8, 1 + 0.2))


def test_of_two_likely_kinds_of_channel_the_likelier_leaves_the_rest() -> None:
    """A strong prior for the web and a weak one for stores: both would be more than half."""
    priors = Priors(
        20,
        shares={
            "web_order": BetaPrior(0.6, 100, 9),
            "store_order": BetaPrior(0.4, 0.5, 9),
            "assisted_order": BetaPrior(0.1, 400, 9),
        },
    )
    orders: dict[str, float] = {
        "n_web_orders": 0.0,
        "n_store_orders": 10.0,
        "n_assisted_orders": 0.0,
        "n_channel_orders": 10.0,
    }
    store = one("mostly_store_chance", priors, **orders)
    assert store == pytest.approx(stats.beta(10.2, 0.3).sf(0.5))
    assert one("mostly_web_chance", priors, **orders) == pytest.approx(1 - store)
    assert one("mostly_assisted_chance", priors, **orders) == pytest.approx(
        stats.beta(40, 370).sf(0.5)
    )
    orders |= {"n_web_orders": 10.0, "n_store_orders": 0.0}
    assert one("mostly_web_chance", priors, **orders) == pytest.approx(stats.beta(70, 40).sf(0.5))


def test_a_customer_of_one_day_has_no_rate_or_gap_of_their_own() -> None:
    assert np.isnan(one("recency_in_own_gaps", n_occasions=1.0, tenure_days=40.0))
    assert one("own_occasions_per_month", n_occasions=1.0, tenure_days=40.0) == 0
    assert np.isnan(one("own_occasions_per_month", n_occasions=1.0, tenure_days=0.0))


def test_chances_are_unknown_where_customers_do_not_differ() -> None:
    alike = BetaPrior(0.4, 500, 1)
    priors = Priors(20, shares=dict.fromkeys(SHARES, alike))
    for name in ("mostly_weekend_chance", "one_channel_chance"):
        assert np.isnan(one(name, priors))
    assert one("expected_weekend_share", priors) == pytest.approx(0.4, abs=0.01)
    assert not customers_differ("expected_weekend_share", priors)
    assert customers_differ("expected_weekend_share", PRIORS)
    assert customers_differ("lifetime_value", priors)
    assert customers_differ("expected_gap_days", priors)


def test_without_a_prior_a_measure_is_unknown() -> None:
    without = Priors(20)
    unknown = {name for name in DERIVED_MEASURES if not customers_differ(name, without)}
    columns = {name: np.full(3, CUSTOMER.get(name, 1.0)) for name in INPUTS}
    found = derive(columns, DERIVED_MEASURES, without)
    assert {"expected_weekend_share", "expected_tickets_per_order"} <= unknown
    assert all(np.isnan(found[name]).all() for name in unknown)
    assert not np.isnan(found["expected_gap_days"]).any()


def test_raw_measures_pass_through() -> None:
    columns = {"n_orders": np.array([1.0, 2.0])}
    assert inputs_of(["n_orders", "unheard_of"]) == ("n_orders", "unheard_of")
    assert derive(columns, ["n_orders"], PRIORS)["n_orders"] is columns["n_orders"]


@st.composite
def customers(draw: st.DrawFn) -> dict[str, Floats]:
    """Columns of some customers, of whom anything may be unknown."""
    n, seed = draw(st.integers(1, 2500)), draw(st.integers(0, 9999))
    rng = np.random.default_rng(seed)
    columns = {name: rng.integers(0, 9, n).astype(float) for name in INPUTS}
    for share in SHARES.values():
        columns[share.whole] = 8 + rng.integers(0, 9, n).astype(float)
    days = np.sort(rng.integers(0, 900, (2, n)), axis=0).astype(float)
    columns["recency_days"], columns["tenure_days"] = days
    for name in ("best_months_day_share", "discount_amount_share", "price_position"):
        columns[name] = rng.random(n)
    columns["n_best_months_occasions"] = np.minimum(
        columns["n_best_months_occasions"], columns["n_occasions"]
    )
    for name in set(INPUTS) - {"n_occasions", "n_orders", "tenure_days", "recency_days"}:
        columns[name][rng.random(n) < 0.1] = np.nan
    return columns


@given(columns=customers(), share=st.floats(0, 1, exclude_max=True))
@settings(max_examples=25, deadline=None)
def test_a_customer_alone_has_the_bits_that_they_have_among_others(
    columns: dict[str, Floats], share: float
) -> None:
    found = derive(columns, DERIVED_MEASURES, PRIORS)
    row = int(share * len(columns["n_orders"]))
    alone = derive(
        {name: column[row : row + 1] for name, column in columns.items()}, DERIVED_MEASURES, PRIORS
    )
    for name, values in found.items():
        assert values[row : row + 1].tobytes() == alone[name].tobytes(), name
        known = values[~np.isnan(values)]
        assert np.isfinite(known).all()
        if MEASURES[name].unit == "chance":
            assert ((known >= 0) & (known <= 1)).all()
