"""Discovery: the population's weights and the run's seed reach every part of a model."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

import numpy as np
import pyarrow as pa
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from segpipe.axes import AXES, Axis, Claim, Eligibility, Feature, Prototype
from segpipe.clustering.choose_k import ChosenPartition as Chosen
from segpipe.core.arrays import Floats
from segpipe.core.schema import Reference
from segpipe.core.settings import ClusterSettings
from segpipe.discovery.discover import discover
from segpipe.discovery.outcome import Discovery
from segpipe.discovery.sampling import Sample
from segpipe.model.document import Model, model_of
from tests.support.samples import discover_one, sample_of

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
        "n_orders": n_orders,
        "recency_days": recency_days,
        "evening_order_share": draw.uniform(0, 1, len(group)),
    }
    weights = np.array([1, 4, 19, 5])[group] + draw.integers(0, 5, len(group))
    return sample_of(columns, weights.astype(np.float64))


def _replicated(sample: Sample) -> Sample:
    """Every customer as often as the weight says, with weight 1."""
    rows = np.repeat(np.arange(len(sample.weights)), sample.weights.astype(np.intp))
    return Sample(sample.customers.take(pa.array(rows)), np.ones(len(rows)))


def _own(sample: Sample) -> Discovery:
    return _discover(sample, (AXIS,))[0]


def _discover(sample: Sample, axes: tuple[Axis, ...], seed: int = 1) -> list[Discovery]:
    return discover(sample, axes, frozenset(), SETTINGS, seed, as_of=date(2025, 4, 1))


def test_a_customer_of_weight_three_is_three_customers() -> None:
    sample = _weighted_sample()
    weighted, repeated = _own(sample).model, _own(_replicated(sample)).model
    # Fewer than 200 customers of a sample are never called groups, whatever they weigh.
    assert (weighted.verdict, repeated.verdict) == ("k-means", "groups")
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
        "n_orders": np.array([2.0, 2.0, 2.0, 30.0, 30.0, 1.0]),
        "recency_days": np.array([90.0, 90.0, 90.0, 3.0, 3.0, 90.0]),
    }
    weights = np.array([1.0, 2.0, 1.0, 7.0, 5.0, 1000.0])  # f is not eligible
    axis = replace(AXIS, prototypes=())
    found = _discover(sample_of(columns, weights), (axis,))
    shares = {s.medians["n_orders"]: s.sample_share for s in found[0].model.segments}
    assert shares == {2.0: pytest.approx(4 / 16), 30.0: pytest.approx(12 / 16)}


def test_an_axis_has_a_seed_of_the_run_and_of_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def spied(_points: Floats, _weights: Floats, _: object, seed: int, *_rest: object) -> Chosen:
        seen.append(seed)
        return Chosen(None, None, (), None)

    monkeypatch.setattr("segpipe.discovery.trial.choose_partition", spied)
    columns = {"n_orders": np.array([2.0, 5.0]), "recency_days": np.array([1.0, 2.0])}
    other = replace(AXIS, name="other")
    for axis, seed in ((AXIS, 1), (AXIS, 1), (AXIS, 2), (other, 1)):
        _discover(sample_of(columns), (axis,), seed)
    first, again, of_another_run, of_another_axis = seen
    assert first == again
    assert len({first, of_another_run, of_another_axis}) == 3


def _three_features() -> tuple[Sample, Axis]:
    draw = np.random.default_rng(3)
    values = draw.lognormal(4, 1, (2500, 3))
    names = ("lifetime_value", "avg_order_value", "largest_order_value")
    columns = dict(zip(names, values.T, strict=True))
    axis = Axis("own", "?", "marketing", tuple(Feature(name, "log") for name in names), ())
    return sample_of(columns, draw.uniform(1, 30, 2500)), axis


@pytest.mark.parametrize("threads", [1, 4])
def test_discovery_gives_the_same_bits_under_any_number_of_threads(threads: int) -> None:
    sample, axis = _three_features()
    alone = _discover(sample, (axis,))
    with threadpool_limits(threads):
        beside = _discover(sample, (axis, axis, axis))
    assert alone[0].model.segments
    assert beside == alone * 3


def test_every_axis_of_a_discovery_runs_on_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: set[int] = set()

    def spied(*_: object) -> Chosen:
        seen.update(p["num_threads"] for p in threadpool_info() if p["user_api"] == "blas")
        return Chosen(None, None, (), None)

    monkeypatch.setattr("segpipe.discovery.trial.choose_partition", spied)
    sample = sample_of({"recency_days": np.array([1.0, 2.0])})
    axis = Axis("own", "?", "marketing", (Feature("recency_days"),), ())
    with threadpool_limits(4):
        _discover(sample, (axis,) * 4)
    assert seen == {1}


def test_channels_that_differ_by_chance_alone_say_nothing_of_anybody() -> None:
    """Each order is a toss of one coin: nobody is `too_few_orders`, for more would not help."""
    draw = np.random.default_rng(5)
    orders = 1.0 + draw.poisson(5, 800)
    web = draw.binomial(orders.astype(int), 0.5).astype(np.float64)
    columns = {
        "n_orders": orders,
        "n_channel_orders": orders,
        "n_web_orders": web,
        "n_store_orders": orders - web,
        "n_assisted_orders": np.zeros(800),
        "n_channel_1_orders": web,
        "n_channel_2_orders": orders - web,
        "n_channel_3_orders": np.zeros(800),
        "n_top_channel_orders": np.maximum(web, orders - web),
        "n_channels": 1.0 + ((web > 0) & (web < orders)),
    }
    axis = next(axis for axis in AXES if axis.name == "communication_preference")
    model = discover_one(axis, sample_of(columns), frozenset({"channel"}))
    assert model.verdict == "unavailable"
    assert model.reason == "customers do not differ beyond chance"


def test_the_model_keeps_every_k_that_was_tried_and_is_the_same_model_without() -> None:
    values = np.random.default_rng(3).lognormal(4, 1, 600)
    axis = next(axis for axis in AXES if axis.name == "purchase_value")
    found = discover_one(axis, sample_of({"lifetime_value": values}))
    assert found.verdict == "tiers"
    assert [tried.n_clusters for tried in found.tried] == [2, 3, 4]
    assert all(tried.valley is not None for tried in found.tried)
    reference = Reference(date(2025, 4, 1), {}, 1.0, (), 30.0)
    model = Model(1, (), "UTC", reference, (found,))
    again = model_of(json.loads(model.to_json()))
    assert again.axes[0].tried == found.tried
    assert replace(model, axes=(replace(found, tried=()),)).hash() == model.hash()
