"""The refit: the population's own fit, and what the sample's agrees with, by hand and by law."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from segpipe.axes import Eligibility
from segpipe.clustering.centroids import CentroidPartition
from segpipe.core.settings import ClusterSettings, EngineSettings
from segpipe.discovery.refit import Population, refit, wanted_size
from segpipe.engines.duckdb import Connection, open_engine
from segpipe.engines.duckdb_tables import DuckDbTables
from segpipe.model.preprocessing import FeatureScale
from tests.support.features import put_customers

AS_IT_IS = (FeatureScale("recency_days", "identity", 5.0, -1e9, 1e9, 0.0, 1.0),)


@pytest.fixture
def engine() -> Iterator[Connection]:
    with open_engine(EngineSettings()) as opened:
        yield opened


def _put(engine: Connection, recency_days: Sequence[float | None], n_orders: int = 2) -> Population:
    ids = [f"c{number:03}" for number in range(len(recency_days))]
    put_customers(
        engine,
        {"customer_id": ids, "recency_days": recency_days, "n_orders": [n_orders] * len(ids)},
    )
    return Population(DuckDbTables(engine), sample_size=1000, n_customers=len(ids))


def test_centroids_move_to_the_means_of_the_population(engine: Connection) -> None:
    population = _put(engine, [0.0, 2.0, 4.0, 10.0, 12.0])
    partition = CentroidPartition.of(
        np.array([[0.0], [7.0]])
    )  # the border lies at 3.5: 4 is with the upper ones
    refitted, found = refit(population, (), AS_IT_IS, partition, ClusterSettings(), 1)
    assert refitted.positions.ravel().tolist() == [2.0, 11.0]
    assert (found.n_customers, found.share) == (5, 0.8)  # 4 changes sides
    assert found.centroid_shift == 4.0
    assert found.method == "refit"


def test_only_the_eligible_count_and_the_missing_stand_at_the_median(engine: Connection) -> None:
    population = _put(engine, [0.0, 2.0, None, 10.0, 12.0])
    engine.execute("UPDATE customer_features SET n_orders = 1 WHERE customer_id = 'c000'")
    rules = (Eligibility("n_orders", 2, "one_time_buyer"),)
    partition = CentroidPartition.of(np.array([[1.0], [11.0]]))
    refitted, found = refit(population, rules, AS_IT_IS, partition, ClusterSettings(), 1)
    assert refitted.positions.ravel().tolist() == [3.5, 11.0]  # of 2 and the fill 5
    assert (found.n_customers, found.share) == (4, 1.0)


def test_a_full_audit_matches_segments_whose_numbers_differ(engine: Connection) -> None:
    draw = np.random.default_rng(1)
    middles = np.repeat([0.0, 50.0, 100.0], 100)
    values = middles + draw.normal(0, 1, 300)
    population = _put(engine, values.tolist())
    settings = ClusterSettings(audit="full", restarts=3)
    for order in ([0.0, 50.0, 100.0], [100.0, 0.0, 50.0]):
        partition = CentroidPartition.of(np.array(order)[:, None])
        _, found = refit(population, (), AS_IT_IS, partition, settings, 1)
        assert (found.method, found.share, found.adjusted_rand) == ("full", 1.0, 1.0)
        assert found.centroid_shift < 1


def test_a_full_audit_does_not_start_from_the_samples_centroids(engine: Connection) -> None:
    """Two blobs, cut in the wrong place: a refit stays there, a fit from scratch does not."""
    values = [0.0] * 40 + [1.0] * 40 + [100.0] * 40 + [101.0] * 40
    population = _put(engine, values)
    stuck = CentroidPartition.of(np.array([[0.0], [1.0], [100.5]]))
    lost = CentroidPartition.of(np.array([[0.5], [100.0], [101.0]]))
    full = ClusterSettings(audit="full", restarts=10)
    shares = [
        refit(population, (), AS_IT_IS, partition, full, 1)[1].share for partition in (stuck, lost)
    ]
    assert sorted(shares) == [0.5, 1.0]


@pytest.mark.parametrize(
    ("share", "asked", "size"),
    [
        (0.98, 0.97, None),
        (0.97, 0.97, None),
        (0.94, 0.97, 4000),
        (0.9, 0.97, 11_200),
        (0.5, 0.97, 20_000),  # everybody
    ],
)
def test_twice_the_error_wants_four_times_the_sample(
    share: float, asked: float, size: int | None
) -> None:
    assert wanted_size(share, asked, 1000, 20_000) == size
