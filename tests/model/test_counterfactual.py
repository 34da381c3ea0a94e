"""Laws of an explanation: it is assignment's answer, and its change is true and the smallest."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from segpipe.axes import MEASURES, Eligibility
from segpipe.clustering.centroids import CentroidPartition
from segpipe.core.arrays import Floats
from segpipe.core.schema import Reference
from segpipe.model.assign import Tally, as_published, assign_axis
from segpipe.model.counterfactual import nearest_counterfactual
from segpipe.model.document import AxisModel, Model, Segment
from segpipe.model.explain import explain
from segpipe.model.preprocessing import FeatureScale, scale_matrix, transformed

# Measure, transform, and the bounds of the raw figures.
FEATURES = (
    ("n_orders", "log", 1.0, 60.0),
    ("orders_per_month", "log", 0.01, 20.0),
    ("mean_gap_days", "identity", 1.0, 200.0),
    ("lifetime_value", "signed_log", -50.0, 500.0),
    ("discounted_order_share", "identity", 0.0, 1.0),
    ("order_rate_log_ratio", "identity", -3.0, 3.0),
    ("order_value_trend", "identity", -0.5, 0.5),
)


@dataclass(frozen=True)
class Case:
    """An axis and the figures of one customer, of whom some may be missing."""

    axis: AxisModel
    measures: dict[str, float | None]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    chosen = draw(st.lists(st.sampled_from(FEATURES), min_size=1, max_size=4, unique=True))
    shares = st.floats(0, 1)
    scales, measures = [], {}
    for measure, transform, low, high in chosen:
        ends = transformed(np.array([low, high]), transform)
        fill = low + draw(shares) * (high - low)
        mean = float(ends[0] + draw(shares) * (ends[1] - ends[0]))
        deviation = float(ends[1] - ends[0]) * draw(st.floats(0.1, 0.5))
        scales.append(
            FeatureScale(measure, transform, fill, float(ends[0]), float(ends[1]), mean, deviation)
        )
        known = st.floats(low - 0.2 * abs(low), high * 1.2)  # some beyond the bounds
        measures[measure] = draw(st.one_of(known, known, known, st.none()))
    hundredths = st.integers(-250, 250).map(lambda n: n / 100)
    places = st.tuples(*[hundredths for _ in scales])
    centroids = draw(st.lists(places, min_size=2, max_size=5, unique=True))
    rules = draw(st.sampled_from([(), (Eligibility("n_orders", 2, "one_time_buyer"),)]))
    measures.setdefault("n_orders", draw(st.sampled_from([1.0, 5.0])))
    segments = tuple(
        Segment(i + 1, f"segment_{i}", "", (), "", {}, 0.1) for i in range(len(centroids))
    )
    axis = AxisModel(
        name="own",
        group="marketing",
        verdict="groups",
        reason=None,
        silhouette=0.5,
        eligibility=rules,
        scales=tuple(scales),
        segments=segments,
        default_state="no_structure",
        partition=CentroidPartition(tuple(centroids)),
    )
    return Case(axis, measures)


def _columns(measures: dict[str, float | None]) -> dict[str, Floats]:
    return {
        name: np.array([np.nan if value is None else value]) for name, value in measures.items()
    }


def _assigned(axis: AxisModel, measures: dict[str, float | None]) -> tuple[str, float]:
    columns = _columns(measures)
    codes, strengths = assign_axis(axis, columns, 1, Tally())
    return axis.vocabulary()[codes[0]], float(strengths[0])


@settings(max_examples=60, deadline=None)
@given(cases())
def test_segment_and_strength_are_those_of_assignment(case: Case) -> None:
    model = Model(1, (), "UTC", Reference(date(2025, 3, 1), {}, 1.0, (), 30.0), (case.axis,))
    found = explain(model, case.measures)[0]
    name, strength = _assigned(case.axis, case.measures)
    assert (found.name, found.strength) == (name, float(as_published(np.array(strength))))
    if found.kind == "segment":
        assert found.runner_up is not None
        assert 0 <= found.runner_up.membership <= found.strength
        weights = [figure.weight for figure in found.figures]
        assert weights == sorted(weights, reverse=True)
        assert sum(weights) >= -1e-9  # the runner-up is never nearer


@settings(max_examples=80, deadline=None)
@given(cases())
def test_a_flip_flips_to_the_named_segment_and_half_the_way_does_not(case: Case) -> None:
    model = Model(1, (), "UTC", Reference(date(2025, 3, 1), {}, 1.0, (), 30.0), (case.axis,))
    found = explain(model, case.measures)[0]
    assume(found.flip is not None)
    change = found.flip
    assert change is not None
    assert change.segment != found.name
    assert (
        _assigned(case.axis, {**case.measures, change.measure: change.value})[0] == change.segment
    )
    scale = next(scale for scale in case.axis.scales if scale.measure == change.measure)
    own = case.measures[change.measure]
    start = scale.fill if own is None else own
    assume(abs(change.threshold - start) > 1e-6 * max(1.0, abs(start)))  # no tie from the outset
    assert change.is_rise == (change.threshold > start)
    half = (start + change.threshold) / 2
    assert _assigned(case.axis, {**case.measures, change.measure: half})[0] == found.name


@settings(max_examples=40, deadline=None)
@given(cases())
def test_no_figure_that_a_customer_can_come_to_leads_elsewhere_on_a_shorter_way(case: Case) -> None:
    columns = _columns(case.measures)
    found, _ = _assigned(case.axis, case.measures)
    assume(found.startswith("segment"))
    change = nearest_counterfactual(case.axis, columns, MEASURES.__getitem__)
    shortest = min(_shortest_way(case, scale, found) for scale in case.axis.scales)
    if change is None:
        assert np.isinf(shortest)
    else:
        scale = next(scale for scale in case.axis.scales if scale.measure == change.measure)
        way = scale_matrix({change.measure: np.array([change.value])}, (scale,))
        own = scale_matrix(columns, (scale,))
        assert abs(way - own)[0, 0] == pytest.approx(shortest, abs=1e-9)


def _shortest_way(case: Case, scale: FeatureScale, found: str) -> float:
    """By trial of every figure between the bounds of the scale and one more at each end."""
    ends = next(value for name, _, *value in FEATURES if name == scale.measure)
    unit = MEASURES[scale.measure].unit
    steps = {"count": 1, "days": 1, "share": 1000, "change": 1000}.get(unit, 100)
    low, high = np.exp(ends) if unit == "log ratio" else ends
    tried = np.arange(np.floor(low * steps) - 1, np.ceil(high * steps) + 2) / steps
    if unit == "log ratio":
        tried = np.log(tried[tried > 0])
    columns = _columns(case.measures)
    rows = {measure: np.repeat(values, len(tried)) for measure, values in columns.items()}
    codes, _ = assign_axis(case.axis, {**rows, scale.measure: tried}, len(tried), Tally())
    ways = np.abs(scale_matrix({scale.measure: tried}, (scale,)) - scale_matrix(columns, (scale,)))
    names = np.array(case.axis.vocabulary())[codes]
    is_other = (names != found) & np.char.startswith(names, "segment")
    return float(ways[is_other, 0].min(initial=np.inf))
