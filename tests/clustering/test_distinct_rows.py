"""Customers who coincide, counted as one place."""

from __future__ import annotations

import numpy as np
import pytest

from segpipe.clustering.distinct_rows import count_distinct, distinct_rows


def test_rows_that_coincide_share_a_place() -> None:
    keys = np.array([[2.0, 1.0], [0.0, 5.0], [2.0, 1.0], [2.0, 0.0], [-0.0, 5.0]])
    place_of, firsts = distinct_rows(keys)
    assert place_of.tolist() == [2, 0, 2, 1, 0]
    assert firsts.tolist() == [1, 3, 0]


@pytest.mark.parametrize(("enough", "found"), [(2, 2), (5, 5), (6, 6), (9, 6)])
def test_places_are_counted_as_far_as_asked(enough: int, found: int) -> None:
    keys = np.repeat(np.arange(6.0), 400)[:, None]  # the sixth comes late
    assert count_distinct(keys, enough) == found
