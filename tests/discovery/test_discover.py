"""Discovery: the population's weights and the run's seed reach every part of a model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from segpipe.axes import Axis, Claim, Eligibility, Feature, Prototype
from segpipe.clustering.choose_k import ChosenPartition
from segpipe.core.arrays import Floats
from segpipe.core.settings import ClusterSettings
from segpipe.discovery.discover import Discovery, discover, discover_axis
from segpipe.discovery.sampling import Sample

SETTINGS = ClusterSettings(max_k=5, restarts=4)
# The groups hold 10, 20 and 70 % of the eligible population, where each name is true of one; they
# are equal in the sample, of which the first group alone is `regular` and none is `busy`.
PROTOTYPES = (
    Prototype("busy", "buy most", {"n_orders": 2.0}, (Claim("n_orders", "above", 0.9),)),
    Prototype("regular", "buy often", {"n_orders": 1.0}, (Claim("n_orders", "above", 0.7),)),
    Prototype("rare", "seldom buy", {"n_orders": -0.5}, (Claim("n_orders", "below", 0.45),)),
)
AXIS = Axis(
    "own",
    "?",
    "marketing",
    (Feature("n_orders", "log"), Feature("recency_days", "log")),
    PROTOTYPES,
    (Eligibility("n_orders", 2, "one_time_buyer"),),
)


def _weighted_sample() -> Sample:
    """Three groups of 40 customers and 20 who are not eligible; each stands for 1 to 23."""
    draw = np.random.default_rng(6)
    group = draw.permutation(np.repeat(np.arange(4), [40, 40, 40, 20]))
    n_orders = np.array([60.0, 15.0, 4.0, 1.0])[group]
    n_orders[group < 3] += draw.integers(-2, 3, (group < 3).sum())
    recency_days = np.array([5.0, 40.0, 300.0, 900.0])[group] * draw.uniform(0.8, 1.25, len(group))
    recency_days[draw.permutation(len(group))[:12]] = np.nan
    columns = {
        "customer_id": [f"c{number:03}" for number in range(len(group))],
        "n_orders": n_orders,
        "recency_days": recency_days,
        "evening_order_share": draw.uniform(0, 1, len(group)),
    }
    weights = np.array([1, 4, 19, 5])[group] + draw.integers(0, 5, len(group))
    return Sample(pa.table(columns), weights.astype(np.float64))


def _replicated(sample: Sample) -> Sample:
    """Every customer as often as the weight says, with weight 1."""
    rows = np.repeat(np.arange(len(sample.weights)), sample.weights.astype(np.intp))
    return Sample(sample.customers.take(pa.array(rows)), np.ones(len(rows)))


def _own(sample: Sample) -> Discovery:
    return discover(sample, (AXIS,), frozenset(), SETTINGS, seed=1)[0]


def test_a_customer_of_weight_three_is_three_customers() -> None:
    sample = _weighted_sample()
    weighted, repeated = _own(sample).model, _own(_replicated(sample)).model
    assert weighted.verdict == repeated.verdict == "clustered"
    assert len(weighted.segments) == 3
    for one, other in zip(weighted.segments, repeated.segments, strict=True):
        assert one.sample_share == pytest.approx(other.sample_share, abs=1e-12)
        assert replace(one, sample_share=other.sample_share) == other
    assert weighted.partition
    assert repeated.partition
    assert weighted.partition.positions == pytest.approx(repeated.partition.positions, abs=1e-6)


def test_the_names_are_those_of_the_population() -> None:
    sample = _weighted_sample()
    names = {segment.name for segment in _own(sample).model.segments}
    assert names == {"busy", "regular", "rare"}
    unweighted = _own(Sample(sample.customers, np.ones(len(sample.weights)))).model
    assert "busy" not in {segment.name for segment in unweighted.segments}


def test_a_share_is_of_the_eligible_population() -> None:
    columns = {
        "customer_id": ["a", "b", "c", "d", "e", "f"],
        "n_orders": [2.0, 2.0, 2.0, 30.0, 30.0, 1.0],
        "recency_days": [90.0, 90.0, 90.0, 3.0, 3.0, 90.0],
    }
    weights = np.array([1.0, 2.0, 1.0, 7.0, 5.0, 1000.0])  # f is not eligible
    axis = replace(AXIS, prototypes=())
    found = discover(Sample(pa.table(columns), weights), (axis,), frozenset(), SETTINGS, 1)
    shares = {s.medians["n_orders"]: s.sample_share for s in found[0].model.segments}
    assert shares == {2.0: pytest.approx(4 / 16), 30.0: pytest.approx(12 / 16)}


def test_an_axis_has_a_seed_of_the_run_and_of_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def spied(
        _points: Floats, _weights: Floats, _: object, seed: int, *_rest: object
    ) -> ChosenPartition:
        seen.append(seed)
        return ChosenPartition(None, None, (), "no structure", None, None)

    monkeypatch.setattr("segpipe.discovery.discover.choose_partition", spied)
    columns = {"n_orders": np.array([2.0, 5.0]), "recency_days": np.array([1.0, 2.0])}
    other = replace(AXIS, name="other")
    for axis, seed in ((AXIS, 1), (AXIS, 1), (AXIS, 2), (other, 1)):
        discover_axis(axis, columns, np.ones(2), frozenset(), SETTINGS, seed)
    first, again, of_another_run, of_another_axis = seen
    assert first == again
    assert len({first, of_another_run, of_another_axis}) == 3
