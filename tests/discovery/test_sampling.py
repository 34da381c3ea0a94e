"""The discovery sample: who is drawn, and how many customers each stands for."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segpipe.core.report import SampleInfo
from segpipe.core.settings import EngineSettings, SampleSettings
from segpipe.discovery.sampling import Sample, allocate, draw_sample, stratum_sizes
from segpipe.engines.duckdb import open_engine
from segpipe.engines.duckdb_tables import DuckDbTables
from tests.support.features import put_customers


def _drawn(
    ids: Sequence[str], values: Sequence[float], *, size: int = 100, seed: int = 42
) -> tuple[Sample, SampleInfo]:
    with open_engine(EngineSettings()) as engine:
        put_customers(engine, {"customer_id": ids, "lifetime_value": values})
        return draw_sample(DuckDbTables(engine), SampleSettings(size=size, seed=seed))


def _ids(sample: Sample) -> list[str]:
    ids: list[str] = sample.customers["customer_id"].to_pylist()
    return ids


IDS = [f"c{i:04}" for i in range(1000)]
VALUES = [float(i % 250) for i in range(1000)]


@given(st.integers(0, 500_000))
def test_strata_are_a_partition_of_the_population(n_customers: int) -> None:
    sizes = stratum_sizes(n_customers)
    assert sum(sizes) == n_customers
    assert min(sizes) >= 0


def test_strata_are_the_top_5_the_next_15_the_next_30_and_the_lower_50_percent() -> None:
    assert stratum_sizes(1000) == [50, 150, 300, 500]


@given(st.lists(st.integers(0, 3000), min_size=4, max_size=4), st.integers(0, 5000))
def test_no_stratum_gives_more_than_it_has_and_no_place_stays_free(
    sizes: list[int], places: int
) -> None:
    quotas = allocate(sizes, places)
    assert all(0 <= quota <= size for quota, size in zip(quotas, sizes, strict=True))
    assert sum(quotas) == min(places, sum(sizes))


def test_places_are_20_30_30_and_20_percent() -> None:
    assert allocate([10_000] * 4, 5000) == [1000, 1500, 1500, 1000]


def test_what_a_short_stratum_leaves_goes_to_the_others_by_their_shares() -> None:
    # 60 of the first's 200 places are taken; 140 go out as 3 : 3 : 2.
    assert allocate([60, 10_000, 10_000, 10_000], 1000) == [60, 353, 352, 235]


def test_weights_sum_to_the_population_in_each_stratum() -> None:
    sample, info = _drawn(IDS, VALUES)
    assert [(s.n_customers, s.n_drawn) for s in info.strata] == [
        (50, 20),
        (150, 30),
        (300, 30),
        (500, 20),
    ]
    assert info.n_drawn == len(sample.weights) == 100
    assert sample.weights.sum() == pytest.approx(1000)
    assert set(sample.weights) == {50 / 20, 150 / 30, 300 / 30, 500 / 20}


def test_a_customer_weighs_what_the_stratum_of_their_value_weighs() -> None:
    values = [float(i) for i in range(1000)]
    sample, _ = _drawn(IDS, values)
    value = sample.customers["lifetime_value"].to_numpy()
    assert (sample.weights[value >= 950] == 2.5).all()
    assert (sample.weights[value < 500] == 25).all()
    assert (value >= 950).sum() == 20


def test_a_population_no_larger_than_the_sample_is_used_whole_with_weight_1() -> None:
    for n in (1, 7, 100):
        sample, info = _drawn(IDS[:n], VALUES[:n])
        assert _ids(sample) == IDS[:n]
        assert (sample.weights == 1).all()
        assert info.n_drawn == n


def test_the_same_customers_are_drawn_whatever_the_row_order() -> None:
    rows = list(zip(IDS, VALUES, strict=True))
    random.Random(3).shuffle(rows)  # noqa: S311 - a test's shuffle
    ids, values = zip(*rows, strict=True)
    shuffled, _ = _drawn(ids, values)
    drawn, _ = _drawn(IDS, VALUES)
    assert _ids(shuffled) == _ids(drawn) == sorted(_ids(drawn))
    assert np.array_equal(shuffled.weights, drawn.weights)


def test_another_seed_draws_others() -> None:
    assert _ids(_drawn(IDS, VALUES, seed=1)[0]) != _ids(_drawn(IDS, VALUES, seed=2)[0])


def test_equal_values_are_ranked_by_id() -> None:
    sample, _ = _drawn(IDS, [1.0] * 1000)
    of_vip = [i for i, w in zip(_ids(sample), sample.weights, strict=True) if w == 2.5]
    assert len(of_vip) == 20
    assert max(of_vip) < "c0050"
