"""Assignment: nearest centroid and strength, the same for one customer and for all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy.spatial.distance import cdist

from segpipe.axes import AXES, Eligibility
from segpipe.clustering.centroids import CentroidPartition
from segpipe.core.schema import HAS_NEW_TICKET, METRICS, Reference, rescored_column, strength_column
from segpipe.core.settings import ClusterSettings, EngineSettings, SampleSettings
from segpipe.discovery.discover import discover
from segpipe.discovery.sampling import draw_sample
from segpipe.engines.duckdb import Connection, open_engine
from segpipe.engines.duckdb_tables import DuckDbTables
from segpipe.features import compute_features
from segpipe.model.assign import Tally, assign_axis, needed_measures
from segpipe.model.document import AxisModel, Model, Segment
from segpipe.model.preprocessing import FeatureScale
from segpipe.pipeline.memberships import Since, assign_population
from tests.support.features import ALL_INPUTS, AS_OF, engine_of, line, put_customers

N = 6000
REFERENCE = Reference(date(2025, 3, 1), {}, 1.0, (), 30.0)
MEASURES_OF_OWN = ("recency_days", "n_orders", "weekend_order_share")
CENTROIDS = np.random.default_rng(5).normal(0, 1, (12, 3))
OWN = AxisModel(
    name="own",
    group="marketing",
    verdict="groups",
    reason=None,
    silhouette=0.6,
    eligibility=(
        Eligibility("n_orders", 2, "too_few_orders"),
        Eligibility("recency_days", 1, "today"),
    ),
    scales=(
        FeatureScale("recency_days", "log", 30.0, 0.5, 6.0, 3.0, 1.2),
        FeatureScale("n_orders", "signed_log", 3.0, 0.0, 4.0, 1.5, 0.8),
        FeatureScale("weekend_order_share", "identity", 0.25, 0.0, 1.0, 0.3, 0.2),
    ),
    segments=tuple(
        Segment(i + 1, f"segment_{i}", "", (), "", {}, 0.1) for i in range(len(CENTROIDS))
    ),
    default_state="unknown",
    partition=CentroidPartition.of(CENTROIDS),
)


def _customers(n: int = N) -> dict[str, Any]:
    draw = np.random.default_rng(11)
    orders = 1 + draw.poisson(2, n)
    orders[:3] = (1, 2, 9)  # at least somebody in a state, somebody not
    numbers = {
        "n_orders": orders,
        "recency_days": draw.integers(0, 400, n),
        "weekend_order_share": draw.uniform(0, 1, n),
        "lifetime_value": draw.lognormal(4, 1, n),
        "tenure_days": draw.integers(400, 900, n),
        "active_days": draw.integers(0, 400, n),
        "orders_per_month": draw.lognormal(0, 1, n),
        "churn_risk_score": draw.uniform(0, 1, n),
    }
    columns: dict[str, Any] = {name: values.astype(float) for name, values in numbers.items()}
    columns["n_discounted_orders"] = columns["n_refunded_lines"] = np.zeros(n)
    columns["avg_order_value"] = columns["lifetime_value"] / orders
    columns["largest_order_value"] = columns["avg_order_value"] * draw.uniform(1, 2, n)
    columns["n_lines"] = columns["n_orders"] * 2
    columns["weekend_order_share"][::7] = np.nan
    columns["mean_gap_days"] = np.where(orders > 1, columns["active_days"] / orders, np.nan)
    whole = {"total_orders": orders, "days_since_last_purchase": numbers["recency_days"]}
    whole["customer_tenure_days"] = numbers["tenure_days"]
    given = {n: [None if np.isnan(v) else float(v) for v in c] for n, c in columns.items()}
    ids = [f"c{i:05}" for i in range(n)]
    return {"customer_id": ids, **given, **{name: v.tolist() for name, v in whole.items()}}


@pytest.fixture(scope="module")
def engine() -> Iterator[Connection]:
    with open_engine(EngineSettings()) as opened:
        put_customers(opened, _customers())
        yield opened


@pytest.fixture(scope="module")
def model(engine: Connection) -> Model:
    """All 13 axes, discovered on a sample, and one of our own."""
    sample, _ = draw_sample(DuckDbTables(engine), SampleSettings(size=400))
    inputs = frozenset({"discount", "refund"})
    settings = ClusterSettings(restarts=2, max_k=4)
    found = discover(sample, AXES, inputs, settings, 1, as_of=REFERENCE.as_of)
    axes = (*(discovery.model for discovery in found), OWN)
    return Model(1, ("discount", "refund"), "UTC", REFERENCE, axes)


def _assigned(engine: Connection, model: Model, size: int) -> tuple[pa.Table, Tally]:
    tally = Tally()
    return pa.Table.from_batches(assign_population(DuckDbTables(engine), model, size, tally)), tally


def _one(values: dict[str, float], axis: AxisModel = OWN) -> tuple[str, float]:
    columns = {name: np.array([values.get(name, np.nan)]) for name in MEASURES_OF_OWN}
    codes, strengths = assign_axis(axis, columns, 1, Tally())
    return axis.vocabulary()[codes[0]], float(strengths[0])


def test_it_is_the_nearest_of_all_centroids_with_the_fuzzy_membership() -> None:
    given = _customers()
    columns = {name: np.array(given[name], dtype=float) for name in MEASURES_OF_OWN}
    codes, strengths = assign_axis(OWN, columns, N, Tally())
    eligible = (columns["n_orders"] >= 2) & (columns["recency_days"] >= 1)
    share = np.where(np.isnan(columns["weekend_order_share"]), 0.25, columns["weekend_order_share"])
    points = np.column_stack(
        [
            (np.clip(np.log1p(columns["recency_days"]), 0.5, 6.0) - 3.0) / 1.2,
            (np.clip(np.log1p(columns["n_orders"]), 0.0, 4.0) - 1.5) / 0.8,
            (share - 0.3) / 0.2,
        ]
    )
    distances = cdist(points, CENTROIDS)
    chosen = distances.argmin(axis=1)
    nearest = distances[np.arange(N), chosen]
    expected = 1 / ((nearest[:, None] / distances) ** 2).sum(axis=1)
    assert (codes[eligible] == chosen[eligible]).all()
    assert strengths[eligible] == pytest.approx(expected[eligible], rel=1e-9)


def test_batch_size_changes_no_bit(engine: Connection, model: Model) -> None:
    put_customers(engine, _customers(700))
    try:
        whole, tally = _assigned(engine, model, 5000)
        for size in (1, 7, 256):
            parts, parts_tally = _assigned(engine, model, size)
            assert parts.num_rows == 700
            for name in whole.column_names:
                assert parts[name].to_pylist() == whole[name].to_pylist(), name
            assert parts_tally.n_filled == tally.n_filled
            for axis, counts in tally.customers.items():
                assert parts_tally.customers[axis].tolist() == counts.tolist()
    finally:
        put_customers(engine, _customers())


def test_a_batch_is_no_larger_than_asked_for(engine: Connection, model: Model) -> None:
    sizes = [
        batch.num_rows for batch in assign_population(DuckDbTables(engine), model, 500, Tally())
    ]
    assert sum(sizes) == N
    assert max(sizes) <= 500


def test_every_customer_has_one_name_of_the_vocabulary_and_a_strength_on_every_axis(
    engine: Connection, model: Model
) -> None:
    table, tally = _assigned(engine, model, 5000)
    names = [axis.name for axis in model.axes]
    assert table.column_names == [
        "customer_id",
        *METRICS,
        *(column for name in names for column in (name, strength_column(name))),
    ]
    ids = table["customer_id"].to_pylist()
    assert all(a < b for a, b in pairwise(ids))
    for axis in model.axes:
        given = table[axis.name].to_pylist()
        strengths = table[strength_column(axis.name)].to_numpy()
        assert set(given) <= set(axis.vocabulary())
        assert ((strengths >= 0) & (strengths <= 1)).all()
        segments = {segment.name for segment in axis.segments}
        for name, strength in zip(given, strengths, strict=True):
            if name not in segments:
                assert strength == (0 if name == axis.default_state else 1)
        counted = dict(zip(axis.vocabulary(), tally.customers[axis.name].tolist(), strict=True))
        assert counted == {name: given.count(name) for name in axis.vocabulary()}
    assert tally.n_customers == N


def test_the_axes_that_the_input_cannot_feed_are_unavailable(
    engine: Connection, model: Model
) -> None:
    table, _ = _assigned(engine, model, 5000)
    assert set(table["category_exploration"].to_pylist()) == {"unavailable"}
    assert set(table["category_exploration_strength"].to_pylist()) == {0.0}
    n_orders = dict(zip(*[_customers()[name] for name in ("customer_id", "n_orders")], strict=True))
    careful = ["no_return_yet", "careful_buyer"]
    assert table["return_behavior"].to_pylist() == [
        careful[n_orders[customer] >= 3] for customer in table["customer_id"].to_pylist()
    ]
    assert set(table["return_behavior_strength"].to_pylist()) == {1.0}


def test_an_axis_without_segments_gives_the_default_state_to_the_eligible() -> None:
    empty = replace(OWN, segments=(), partition=None)
    assert _one({"n_orders": 5, "recency_days": 9}, empty) == ("unknown", 0.0)
    assert _one({"n_orders": 1, "recency_days": 9}, empty) == ("too_few_orders", 1.0)


def test_the_first_rule_that_fails_gives_the_state() -> None:
    assert _one({"n_orders": 1, "recency_days": 0}) == ("too_few_orders", 1.0)
    assert _one({"n_orders": 2, "recency_days": 0}) == ("today", 1.0)
    assert _one({"recency_days": 9}) == ("too_few_orders", 1.0)  # missing admits nobody


def test_a_missing_feature_is_the_models_median() -> None:
    known = {"n_orders": 5.0, "recency_days": 9.0}
    assert _one(known) == _one({**known, "weekend_order_share": 0.25})


def test_on_a_centroid_the_strength_is_1() -> None:
    at = tuple(
        (value - scale.mean) / scale.deviation
        for scale, value in zip(OWN.scales, (np.log1p(9.0), np.log1p(5.0), 0.5), strict=True)
    )
    customer = {"recency_days": 9.0, "n_orders": 5.0, "weekend_order_share": 0.5}
    axis = replace(OWN, partition=CentroidPartition.of(np.array([at, *CENTROIDS[1:]])))
    assert _one(customer, axis) == ("segment_0", 1.0)
    alone = replace(
        OWN, segments=(OWN.segments[3],), partition=CentroidPartition.of(CENTROIDS[[3]])
    )
    assert _one(customer, alone) == ("segment_3", 1.0)


def test_halfway_between_two_centroids_the_strength_is_a_half_and_the_lower_id_wins() -> None:
    scale = FeatureScale("recency_days", "identity", 0.0, -9.0, 9.0, 0.0, 1.0)
    sides = tuple(Segment(i + 1, name, "", (), "", {}, 0.5) for i, name in enumerate(("l", "r")))
    partition = CentroidPartition(((-1.0,), (1.0,)))
    axis = replace(OWN, eligibility=(), scales=(scale,), segments=sides, partition=partition)
    assert _one({"recency_days": 0.0}, axis) == ("l", 0.5)


def test_filled_features_are_counted_among_the_eligible(engine: Connection) -> None:
    model = Model(1, (), "UTC", REFERENCE, (OWN,))
    assert needed_measures(model) == MEASURES_OF_OWN
    given = _customers()
    missing = sum(
        given["n_orders"][i] >= 2
        and given["recency_days"][i] >= 1
        and given["weekend_order_share"][i] is None
        for i in range(N)
    )
    _, tally = _assigned(engine, model, 1000)
    assert tally.n_filled == {"own": {"weekend_order_share": missing}}


def test_the_previous_model_is_applied_to_the_same_measures_and_counted_nowhere(
    engine: Connection, model: Model
) -> None:
    gone = replace(OWN, name="gone")
    moved = replace(
        OWN,
        segments=OWN.segments[:5],
        partition=CentroidPartition.of(CENTROIDS[:5]),
        scales=OWN.scales[::-1],
    )
    previous = replace(model, axes=(gone, moved, *model.axes[:4]))
    alone, alone_tally = _assigned(engine, model, 5000)
    tally = Tally()
    customers = DuckDbTables(engine)
    both = pa.Table.from_batches(assign_population(customers, model, 700, tally, previous))
    earlier, _ = _assigned(engine, previous, 5000)
    names = [axis.name for axis in previous.axes[1:]]
    assert both.select(alone.column_names).combine_chunks() == alone.combine_chunks()
    added = [*map(rescored_column, names), HAS_NEW_TICKET]
    assert both.column_names == [*alone.column_names, *added]
    for name in names:
        assert both[rescored_column(name)].to_pylist() == earlier[name].to_pylist()
    assert both["own_rescored"].to_pylist() != both["own"].to_pylist()
    assert set(both[HAS_NEW_TICKET].to_pylist()) == {False}
    assert tally.n_filled == alone_tally.n_filled
    assert {axis: counts.tolist() for axis, counts in tally.customers.items()} == {
        axis: counts.tolist() for axis, counts in alone_tally.customers.items()
    }


def test_a_ticket_is_new_from_the_day_after_the_previous_run() -> None:
    tickets = [
        {"customer_id": customer, "created_at": at}
        for customer, at in (
            ("a", "2025-02-01 23:59"),
            ("b", "2025-02-02 00:00"),
            ("c", "2025-03-02 00:00"),  # the day after this run's own date
        )
    ]
    rows = [line(customer, "o1", "2025-01-01") for customer in ("a", "b", "c")]
    with engine_of(rows, tickets) as engine:
        compute_features(engine, ALL_INPUTS, AS_OF)
        for inputs, expected in ((("tickets",), ["b"]), ((), [])):
            model = Model(1, inputs, "UTC", REFERENCE, (OWN,))
            since = Since(date(2025, 2, 1), AS_OF)
            batches = assign_population(DuckDbTables(engine), model, 2, Tally(), model, since)
            found = pa.Table.from_batches(batches)
            asked = found.filter(found[HAS_NEW_TICKET])["customer_id"].to_pylist()
            assert asked == expected
