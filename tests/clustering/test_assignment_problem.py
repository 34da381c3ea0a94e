"""Pairs at the least cost, against SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from segpipe.clustering.assignment_problem import max_score_assignment, min_cost_assignment


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (4, 4), (6, 3), (3, 8), (20, 20), (12, 30)])
@pytest.mark.parametrize("seed", range(6))
def test_pairs_are_scipys(shape: tuple[int, int], seed: int) -> None:
    costs = np.random.default_rng(seed).normal(0, 1, shape)
    rows, columns = linear_sum_assignment(costs)
    assert min_cost_assignment(costs) == list(zip(rows.tolist(), columns.tolist(), strict=True))
    rows, columns = linear_sum_assignment(costs, maximize=True)
    assert max_score_assignment(costs) == list(zip(rows.tolist(), columns.tolist(), strict=True))


@pytest.mark.parametrize("seed", range(6))
def test_alike_costs_give_the_least_sum_and_each_row_and_column_once(seed: int) -> None:
    costs = np.random.default_rng(seed).integers(0, 3, (7, 9)).astype(np.float64)
    pairs = min_cost_assignment(costs)
    rows, columns = linear_sum_assignment(costs)
    assert sum(costs[pair] for pair in pairs) == costs[rows, columns].sum()
    assert [row for row, _ in pairs] == list(range(7))
    assert len({column for _, column in pairs}) == 7


def test_what_is_forbidden_by_its_cost_is_taken_last() -> None:
    costs = np.array([[1e6, 1e6], [0.5, 1e6]])
    assert min_cost_assignment(costs) == [(0, 1), (1, 0)]


def test_no_difference_keeps_the_order() -> None:
    assert min_cost_assignment(np.zeros((3, 3))) == [(0, 0), (1, 1), (2, 2)]


@pytest.mark.parametrize("shape", [(0, 3), (3, 0)])
def test_nothing_has_no_pair(shape: tuple[int, int]) -> None:
    assert min_cost_assignment(np.zeros(shape)) == []
