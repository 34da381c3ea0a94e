"""Agreement of two partitions, against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from segpipe.clustering.rand_index import adjusted_rand, in_common


@pytest.mark.parametrize(("k", "other_k"), [(2, 2), (3, 6), (6, 3), (1, 4), (4, 1), (20, 20)])
def test_the_index_is_scikit_learns(k: int, other_k: int) -> None:
    draw = np.random.default_rng(k)
    first, second = draw.integers(0, k, 500), draw.integers(0, other_k, 500)
    second = np.where(draw.uniform(size=500) < 0.5, first % other_k, second)
    expected = adjusted_rand_score(first, second)
    assert adjusted_rand(first, second) == pytest.approx(expected, abs=1e-12)


def test_the_same_partition_by_other_numbers_agrees_wholly() -> None:
    assert adjusted_rand(np.array([0, 0, 1, 2]), np.array([3, 3, 0, 1])) == 1.0
    assert adjusted_rand(np.zeros(4, np.intp), np.zeros(4, np.intp)) == 1.0
    assert adjusted_rand(np.arange(4), np.arange(4)) == 1.0


def test_four_customers_by_hand() -> None:
    first, second = np.array([0, 0, 1, 1]), np.array([0, 0, 0, 1])
    assert in_common(first, second).tolist() == [[2, 0], [1, 1]]
    # Pairs: 1 together in both, 1 in the first alone, 2 in the second alone, 2 apart.
    assert adjusted_rand(first, second) == 2 * (1 * 2 - 1 * 2) / ((2 * 3) + (3 * 4))


def test_ten_million_customers_do_not_overflow() -> None:
    half = np.repeat([0, 1], 5_000_000)
    assert adjusted_rand(half, half) == 1.0
    assert adjusted_rand(half, np.roll(half, 2_500_000)) == pytest.approx(0, abs=1e-6)
