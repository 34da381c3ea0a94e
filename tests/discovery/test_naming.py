"""Names that hold: claims, matching, and names made of deviations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segpipe.axes import AXES, Axis, Claim, Feature, Prototype
from segpipe.core.arrays import Floats, Labels
from segpipe.discovery.naming import (
    SegmentEvidence,
    SegmentName,
    claim_holds,
    describe_figures,
    describe_segment,
    name_segments,
)
from segpipe.model.preprocessing import fit_scales, scale_matrix

VALUE = next(axis for axis in AXES if axis.name == "purchase_value")


def _named(
    axis: Axis, columns: dict[str, Floats], labels: Labels
) -> tuple[list[SegmentName], SegmentEvidence]:
    weights = np.ones(len(labels))
    inputs = frozenset({"product", "category", "channel", "discount", "refund", "time_of_day"})
    scales, _ = fit_scales(columns, weights, axis.live_features(inputs))
    points = scale_matrix(columns, scales)
    k = int(labels.max()) + 1
    centroids = np.array([points[labels == segment].mean(axis=0) for segment in range(k)])
    evidence = SegmentEvidence(columns, weights, labels, k)
    return name_segments(axis.live_prototypes(inputs), scales, centroids, evidence), evidence


def _ladder(counts: list[int], factor: float = 4.0) -> tuple[dict[str, Floats], Labels]:
    """Customers on steps of value; those of a step are worth about `factor` times the one below."""
    labels: Labels = np.repeat(np.arange(len(counts)), counts)
    noise = np.random.default_rng(1).uniform(0.8, 1.2, len(labels))
    worth = 10 * factor**labels * noise
    names = ("lifetime_value", "avg_order_value", "largest_order_value")
    return dict(zip(names, (worth, worth / 3, worth / 2), strict=True)), labels


def test_a_ladder_of_value_is_named_from_low_value_to_whale() -> None:
    columns, labels = _ladder([50, 40, 40, 30, 20])
    named, _ = _named(VALUE, columns, labels)
    assert [n.name for n in named] == ["low_value", "modest", "mid_tier", "high_value", "whale"]


def test_segments_keep_their_names_whatever_their_number() -> None:
    columns, labels = _ladder([50, 40, 40, 30, 20])
    named, _ = _named(VALUE, columns, 4 - labels)
    assert [n.name for n in named] == ["whale", "high_value", "mid_tier", "modest", "low_value"]


def test_half_of_a_shop_is_not_called_whales() -> None:
    columns, labels = _ladder([50, 50])
    names = [n.name for n in _named(VALUE, columns, labels)[0]]
    assert "whale" not in names
    assert names[0] == "low_value"


@given(st.lists(st.integers(5, 60), min_size=2, max_size=8), st.floats(1.05, 5))
@settings(max_examples=40, deadline=None)
def test_names_are_unique_and_every_claim_of_a_name_holds(counts: list[int], factor: float) -> None:
    columns, labels = _ladder(counts, factor)
    named, evidence = _named(VALUE, columns, labels)
    assert len({n.name for n in named}) == len(counts)
    claims = {prototype.name: prototype.claims for prototype in VALUE.prototypes}
    upper_fifth = np.quantile(columns["lifetime_value"], 0.8, method="inverted_cdf")
    for segment, name in enumerate(named):
        for claim in claims.get(name.name, ()):
            assert claim_holds(claim, segment, evidence)
        if name.name == "whale":
            mine = columns["lifetime_value"][labels == segment]
            assert np.quantile(mine, 0.5, method="inverted_cdf") >= upper_fifth


def _own_axis(*prototypes: Prototype) -> Axis:
    features = (Feature("weekend_order_share"), Feature("n_orders"), Feature("recency_days"))
    return Axis("own", "?", "marketing", features, prototypes)


def _three_segments() -> tuple[dict[str, Floats], Labels]:
    labels: Labels = np.repeat(np.arange(3), 20)
    draw = np.random.default_rng(2)
    weekend = np.array([0.9, 0.1, 0.2])[labels] + draw.uniform(-0.01, 0.01, 60)
    orders = np.array([5.0, 30.0, 6.0])[labels] + draw.uniform(-1, 1, 60)
    recency = np.array([11.0, 10.0, 90.0])[labels] + draw.uniform(-1, 1, 60)
    columns = {"weekend_order_share": weekend, "n_orders": orders, "recency_days": recency}
    return columns, labels


def test_where_no_claim_holds_the_name_has_the_two_strongest_deviations() -> None:
    never = Prototype("never", "are nowhere", {}, (Claim("n_orders", "above", value=1e9),))
    columns, labels = _three_segments()
    named, _ = _named(_own_axis(never), columns, labels)
    assert [n.name for n in named] == [
        "high_weekend_low_orders",
        "low_weekend_high_orders",
        "low_orders_high_recency",
    ]


def test_a_name_is_given_once_to_the_segment_that_it_fits_best() -> None:
    loves_weekends = Prototype("weekender", "come at weekends", {"weekend_order_share": 1.3}, ())
    columns, labels = _three_segments()
    named, _ = _named(_own_axis(loves_weekends), columns, labels)
    assert [n.name for n in named].count("weekender") == 1
    assert named[0].name == "weekender"


def _texts(columns: dict[str, Floats], labels: Labels, claims: tuple[Claim, ...] = ()) -> list[str]:
    """Figures of each segment, by the features of `_own_axis`."""
    weights = np.ones(len(labels))
    scales, _ = fit_scales(columns, weights, _own_axis().features)
    points = scale_matrix(columns, scales)
    k = int(labels.max()) + 1
    evidence = SegmentEvidence(columns, weights, labels, k)
    centroids = [points[labels == segment].mean(axis=0) for segment in range(k)]
    return [
        describe_figures(i, centroid, scales, evidence, claims)
        for i, centroid in enumerate(centroids)
    ]


def test_a_description_has_what_differs_most_from_the_shop() -> None:
    labels: Labels = np.repeat(np.arange(2), [3, 4])
    columns = {
        "weekend_order_share": np.array([0.5] * 6 + [0.4]),
        "n_orders": np.array([1.0, 1.0, 1.0, 14.0, 14.0, 14.0, 14.0]),
        "recency_days": np.array([80.0, 90.0, 100.0, 3.0, 1.0, 1.0, 1.0]),
    }
    assert _texts(columns, labels) == [
        "has 1 order (shop median 14) and last bought 90 days ago (shop median 3)",
        "last bought 1 day ago (shop median 3) and has 14 orders (like the shop median)",
    ]


def test_two_figures_share_one_verb() -> None:
    columns, labels = _three_segments()
    columns["n_categories"] = columns["n_orders"]
    columns["products_per_order"] = columns["n_orders"]
    features = (Feature("products_per_order"), Feature("n_categories"))
    scales, _ = fit_scales(columns, np.ones(60), features)
    evidence = SegmentEvidence(columns, np.ones(60), labels, 3)
    text = describe_figures(1, np.array([2.0, 1.0]), scales, evidence)
    assert text.startswith("buys ")
    assert text.count("buys") == 1
    assert ") and from 29.6 categories (shop median 6.13)" in text


def test_what_the_name_claims_comes_first_even_where_it_is_as_everywhere() -> None:
    columns, labels = _three_segments()
    columns["evening_order_share"] = np.full(60, 0.25)
    first = _texts(columns, labels, (Claim("evening_order_share", "above", value=0.2),))[2]
    assert first.startswith("places 25% of orders in the evening (like the shop median) and ")


def test_a_figure_that_nobody_of_the_segment_has_is_left_out() -> None:
    columns, labels = _three_segments()
    columns["recency_days"][labels == 2] = np.nan  # filled with the median of the others
    columns["weekend_order_share"][:] = 0.5
    columns["n_orders"][:] = 3.0
    text = _texts(columns, labels)
    assert text[2] == ""
    assert text[0] == "last bought 11 days ago (like the shop median)"
    assert "nan" not in "".join(text)


def test_a_description_is_a_sentence() -> None:
    text = "has 14 orders (shop median 5)"
    assert describe_segment("buy most", text) == (
        "Buy most: the typical one has 14 orders (shop median 5)."
    )
    assert describe_segment("", text) == "The typical customer has 14 orders (shop median 5)."
    assert describe_segment("buy most", "") == "Buy most."
    assert describe_segment("", "") == "No figure of these customers is known."


def test_a_position_on_a_measure_that_is_no_feature_of_the_axis_counts() -> None:
    columns, labels = _three_segments()
    columns["evening_order_share"] = np.array([0.0, 0.0, 0.8])[labels]
    owl = Prototype("owl", "come at night", {"evening_order_share": 1.3}, ())
    named, _ = _named(_own_axis(owl), columns, labels)
    assert [n.name == "owl" for n in named] == [False, False, True]


@pytest.mark.parametrize(
    ("claim", "expected"),
    [
        (Claim("n_orders", "above", value=20), [False, True, False]),
        (Claim("n_orders", "below", value=20), [True, False, True]),
        (Claim("recency_days", "above", quantile=0.7), [False, False, True]),
        (Claim("n_products", "above", value=0), [False, False, False]),
    ],
)
def test_a_claim_compares_the_segments_median(claim: Claim, expected: list[bool]) -> None:
    columns, labels = _three_segments()
    columns["n_products"] = np.full(60, np.nan)  # nobody has it, so nothing can be claimed
    evidence = SegmentEvidence(columns, np.ones(60), labels, 3)
    assert [claim_holds(claim, segment, evidence) for segment in range(3)] == expected


def test_medians_are_weighted() -> None:
    columns = {"n_orders": np.array([1.0, 2.0, 9.0])}
    labels = np.zeros(3, dtype=np.intp)
    evidence = SegmentEvidence(columns, np.array([1.0, 1.0, 5.0]), labels, 1)
    assert evidence.medians("n_orders").tolist() == [9.0]
