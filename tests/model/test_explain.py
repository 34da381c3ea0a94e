"""Explaining a customer: figures worked by hand, and words."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from segpipe.axes import MEASURES, Eligibility
from segpipe.axes.figures import format_exact, next_step
from segpipe.clustering.centroids import CentroidPartition
from segpipe.core.errors import InputError
from segpipe.core.schema import Reference
from segpipe.model.document import AxisModel, Model, Segment
from segpipe.model.explain import explain
from segpipe.model.explanation import AxisExplanation
from segpipe.model.explanation_text import explanation_lines
from segpipe.model.preprocessing import FeatureScale

REFERENCE = Reference(date(2025, 3, 1), {}, 1.0, (), 30.0)


def _segment(number: int, name: str, days: float) -> Segment:
    medians = {"recency_days": days, "n_orders": 4}
    return Segment(number, name, f"are {name}", (), "", medians, 0.5)


RECENCY = FeatureScale("recency_days", "identity", 30.0, 0.0, 100.0, 0.0, 10.0)
ORDERS = FeatureScale("n_orders", "identity", 3.0, 0.0, 50.0, 0.0, 1.0)
AXIS = AxisModel(
    name="recency",
    group="marketing",
    verdict="groups",
    reason=None,
    silhouette=0.6,
    eligibility=(Eligibility("n_orders", 2, "one_time_buyer"),),
    scales=(RECENCY, ORDERS),
    segments=(_segment(1, "near", 12), _segment(2, "far", 72)),
    default_state="no_structure",
    partition=CentroidPartition(((1.0, 4.0), (7.0, 4.0))),
)


def _explained(axis: AxisModel = AXIS, **measures: float | None) -> AxisExplanation:
    model = Model(1, (), "UTC", REFERENCE, (axis,))
    return explain(model, measures)[0]


def test_a_segment_is_explained_by_its_runner_up_and_the_deciding_figures() -> None:
    # At (3, 5): 4 + 1 from near, 16 + 1 from far.
    found = _explained(recency_days=30, n_orders=5)
    assert (found.kind, found.name, found.meaning) == ("segment", "near", "are near")
    assert found.strength == 0.7727  # 17 / 22, as it is published
    assert found.runner_up is not None
    assert found.runner_up.segment == "far"
    assert found.runner_up.membership == 0.2273  # 5 / 22
    assert [(figure.measure, figure.weight) for figure in found.figures] == [
        ("recency_days", 12.0),
        ("n_orders", 0.0),
    ]
    first = found.figures[0]
    assert (first.value, first.shop_median) == (30, 30)
    assert (first.segment_median, first.runner_up_median) == (12, 72)
    assert explanation_lines(found, MEASURES.__getitem__) == [
        "recency: near (strength 0.77; next far, 0.23)",
        "such customers are near",
        "for it: last bought 30 days ago (shop median 30, near 12, far 72)",
        "would be far with days since the last order: 41 or more (now 30), all else as it is",
    ]


def test_figures_against_the_segment_are_shown_as_such() -> None:
    # At (6, 6) with far moved to two orders: 25 + 4 from near, 1 + 16 from far.
    apart = replace(AXIS, partition=CentroidPartition(((1.0, 4.0), (7.0, 2.0))))
    found = _explained(apart, recency_days=60, n_orders=6)
    assert found.name == "far"
    assert [figure.weight for figure in found.figures] == [24.0, -12.0]
    assert explanation_lines(found, MEASURES.__getitem__)[2:4] == [
        "for it: last bought 60 days ago (shop median 30, far 72, near 12)",
        "against it: has 6 orders (shop median 3, far 4, near 4)",
    ]


def test_the_flip_is_verified_where_two_segments_are_equally_far() -> None:
    # Forty days are as far from near as from far, and a tie goes to near, which comes first.
    up, down = _explained(recency_days=30, n_orders=4).flip, _explained(recency_days=55, n_orders=4)
    assert up is not None
    assert (up.measure, up.is_rise, up.segment) == ("recency_days", True, "far")
    assert up.value == 41
    assert up.threshold == pytest.approx(40)
    assert down.name == "far"
    assert down.flip is not None
    assert (down.flip.is_rise, down.flip.value, down.flip.segment) == (False, 40, "near")
    assert "40 or fewer (now 55)" in explanation_lines(down, MEASURES.__getitem__)[-1]


def test_the_smallest_flip_is_that_of_the_figure_with_the_shortest_way() -> None:
    # Two orders up are two deviations, and recency alone would have to move by four and a half.
    segments = (_segment(1, "small", 0), _segment(2, "large", 20))
    partition = CentroidPartition(((0.0, 0.0), (2.0, 8.0)))
    change = _explained(
        replace(AXIS, segments=segments, partition=partition), recency_days=0, n_orders=3
    ).flip
    assert change is not None
    # Equally far where 4 z_recency + 16 z_orders = 68.
    assert (change.measure, change.value) == ("n_orders", 5)
    assert change.threshold == pytest.approx(4.25)


def test_a_flip_beyond_the_bounds_of_the_scale_is_not_claimed() -> None:
    bounded = replace(AXIS, scales=(replace(RECENCY, high=39.0), ORDERS))
    found = _explained(bounded, recency_days=30, n_orders=4)
    assert found.flip is None
    expected = "no single figure, changed alone, would lead to another segment"
    assert explanation_lines(found, MEASURES.__getitem__)[-1] == expected


def test_a_change_that_leads_to_a_state_is_not_a_flip() -> None:
    segments = (_segment(1, "few", 0), _segment(2, "many", 0))
    partition = CentroidPartition(((0.0, 1.0), (0.0, 2.0)))
    found = _explained(
        replace(AXIS, segments=segments, partition=partition), recency_days=0, n_orders=2
    )
    assert found.name == "many"
    assert found.flip is None  # one order would be nearer to few, and is a one_time_buyer


def test_an_unknown_figure_is_shown_as_filled_with_the_median() -> None:
    found = _explained(recency_days=None, n_orders=4)
    assert found.figures[0].value is None
    assert explanation_lines(found, MEASURES.__getitem__)[2:] == [
        (
            "for it: days since the last order: unknown, the shop median stands in"
            " (shop median 30, near 12, far 72)"
        ),
        "would be far with days since the last order: 41 or more (now unknown), all else as it is",
    ]


def test_a_customer_on_a_centroid_is_wholly_there() -> None:
    found = _explained(recency_days=70, n_orders=4)
    assert (found.name, found.strength) == ("far", 1.0)
    assert found.runner_up is not None
    assert found.runner_up.membership == 0.0


@pytest.mark.parametrize(
    ("rule", "measures", "line"),
    [
        (
            Eligibility("n_orders", 2, "state"),
            {"n_orders": 1},
            "has 1 order, and 2 are needed: 1 more order would end this",
        ),
        (
            Eligibility("n_discounted_orders", 1, "state"),
            {"n_discounted_orders": 0},
            "has 0 discounted orders, and 1 is needed: 1 more discounted order would end this",
        ),
        (
            Eligibility("n_tickets", 3, "state"),
            {"n_tickets": 1},
            "has opened 1 support ticket, and 3 are needed: 2 more support tickets would end this",
        ),
        (
            Eligibility("weekend_order_share", 0.25, "state"),
            {"weekend_order_share": 0.1},
            (
                "weekend orders: 10%, and 25.0% or more is needed:"
                " weekend orders of 25.0% or more would end this"
            ),
        ),
        (
            Eligibility("n_orders", 2, "state"),
            {"n_orders": None},
            "orders: unknown, and 2 or more is needed: orders of 2 or more would end this",
        ),
    ],
)
def test_a_state_says_what_is_needed_and_what_would_end_it(
    rule: Eligibility, measures: dict[str, float | None], line: str
) -> None:
    found = _explained(replace(AXIS, eligibility=(rule,)), **measures)
    assert (found.kind, found.name, found.strength) == ("state", "state", 1.0)
    assert explanation_lines(found, MEASURES.__getitem__) == ["recency: state", line]


def test_the_first_rule_that_fails_is_the_reason() -> None:
    rules = (Eligibility("n_orders", 2, "few"), Eligibility("n_lines", 9, "short"))
    axis = replace(AXIS, eligibility=rules)
    assert _explained(axis, n_orders=2, n_lines=8).name == "short"
    assert _explained(axis, n_orders=1, n_lines=8).name == "few"


def test_an_axis_without_segments_gives_its_reason() -> None:
    axis = replace(
        AXIS,
        segments=(),
        partition=None,
        scales=(),
        default_state="unavailable",
        reason="no refund",
    )
    found = _explained(axis, n_orders=5)
    assert (found.kind, found.strength) == ("no answer", 0.0)
    assert explanation_lines(found, MEASURES.__getitem__) == ["recency: unavailable", "no refund"]
    assert _explained(axis, n_orders=1).name == "one_time_buyer"


def test_only_the_named_axes_are_explained_and_a_wrong_name_gets_an_error() -> None:
    other = replace(AXIS, name="other")
    model = Model(1, (), "UTC", REFERENCE, (AXIS, other))
    figures = {"recency_days": 1.0, "n_orders": 4.0}
    assert [found.axis for found in explain(model, figures)] == ["recency", "other"]
    assert [found.axis for found in explain(model, figures, ["other"])] == ["other"]
    with pytest.raises(InputError, match=r"no axis 'recensy'. Did you mean recency\?"):
        explain(model, figures, ["recensy"])


@pytest.mark.parametrize(
    ("measure", "threshold", "up", "down"),
    [
        ("n_orders", 3.2, "4", "3"),
        ("mean_gap_days", 20.999, "21", "20"),
        ("mean_gap_days", 21.0000000001, "21", "21"),
        ("lifetime_value", 1234.567, "1,234.57", "1,234.56"),
        ("discounted_order_share", 0.38412, "38.5%", "38.4%"),
        ("orders_per_month", 3.101, "3.11", "3.10"),
        ("order_value_trend", -0.0503, "-5.0%", "-5.1%"),
        ("order_rate_log_ratio", 0.0, "1.00 times", "1.00 times"),
        ("price_position", 0.1, "1.11 times", "1.10 times"),
        ("satisfaction_mean", 4.44, "4.5", "4.4"),
    ],
)
def test_figures_are_rounded_towards_the_change_to_what_a_customer_can_come_to(
    measure: str, threshold: float, up: str, down: str
) -> None:
    unit = MEASURES[measure]
    expected = [
        format_exact(next_step(threshold, unit, is_rise=rise), unit) for rise in (True, False)
    ]
    assert expected == [up, down]
