"""Pairs at the least cost: names to segments, a run's segments to the next one's.

Takes a matrix of costs; gives a column a row. The assignment problem by shortest augmenting paths
(Jonker and Volgenant, 1987).
"""

from __future__ import annotations

import numpy as np

from segpipe.core.arrays import Floats, Indices


def min_cost_assignment(costs: Floats) -> list[tuple[int, int]]:
    """Pairs (row, column), one to one and in the order of the rows, whose costs sum to the least.

    costs (n, m), finite; as many pairs as the shorter side is long.
    """
    n_rows, n_columns = costs.shape
    if n_rows > n_columns:
        return sorted((row, column) for column, row in min_cost_assignment(costs.T))
    row_of = np.full(n_columns, -1)
    row_prices, column_prices = np.zeros(n_rows), np.zeros(n_columns)
    for row in range(n_rows):
        _assign_row(row, costs, row_of, row_prices, column_prices)
    return sorted((int(row), column) for column, row in enumerate(row_of) if row >= 0)


def max_score_assignment(scores: Floats) -> list[tuple[int, int]]:
    """Likewise, with the greatest sum."""
    return min_cost_assignment(-scores)


def _assign_row(
    new: int,
    costs: Floats,
    row_of: Indices,
    row_prices: Floats,
    column_prices: Floats,
) -> None:
    """Give the new row a column, and those on the cheapest way to a free one another each.

    Moves `row_of` and the prices, at which no pair costs less than nothing.
    """
    n_columns = len(row_of)
    ways = np.full(n_columns, np.inf)
    came_from = np.full(n_columns, -1)
    is_open = np.ones(n_columns, dtype=np.bool_)
    row, length = new, 0.0
    seen = []
    while True:
        through = length + costs[row] - row_prices[row] - column_prices
        is_shorter = is_open & (through < ways)
        ways[is_shorter] = through[is_shorter]
        came_from[is_shorter] = row
        open_columns = np.flatnonzero(is_open)
        column = int(open_columns[ways[open_columns].argmin()])
        length = float(ways[column])
        is_open[column] = False
        if row_of[column] < 0:
            break
        row = int(row_of[column])
        seen.append(column)
    row_prices[new] += length
    for passed in seen:
        gain = length - ways[passed]
        row_prices[row_of[passed]] += gain
        column_prices[passed] -= gain
    while True:
        row = int(came_from[column])
        before = np.flatnonzero(row_of == row)
        row_of[column] = row
        if row == new:
            return
        column = int(before[0])
