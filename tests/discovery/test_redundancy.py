"""Of channels that are all there are, the smallest is no feature."""

from __future__ import annotations

import numpy as np

from segpipe.axes import Feature
from segpipe.discovery.redundancy import without_smallest_channel

RANKS = [Feature(f"expected_channel_{rank}_share") for rank in (1, 2, 3)]
KINDS = [Feature(f"expected_ticket_{kind}_share") for kind in ("email", "chat", "phone")]
KINDS.append(Feature("expected_ticket_self_service_share"))


def _orders(*counts: list[float], other: float = 0.0) -> dict[str, np.ndarray]:
    columns = {f"n_channel_{i}_orders": np.array(count) for i, count in enumerate(counts, start=1)}
    return {**columns, "n_channel_orders": np.add.reduce(list(columns.values())) + other}


def test_the_smallest_of_two_or_three_channels_is_left_out() -> None:
    three = without_smallest_channel(RANKS, _orders([5, 1], [2, 2], [0, 1]), np.ones(2))
    assert three == tuple(RANKS[:2])
    two = without_smallest_channel(RANKS, _orders([5, 1], [2, 2], [0, 0]), np.ones(2))
    assert two == tuple(RANKS[:1])


def test_size_counts_by_weight() -> None:
    kept = without_smallest_channel(RANKS, _orders([5, 1], [2, 2], [0, 9]), np.array([9.0, 0.1]))
    assert kept == tuple(RANKS[:2])


def test_three_of_more_channels_stay_and_a_single_one_does() -> None:
    more = _orders([5, 1], [2, 2], [0, 1], other=1)
    assert without_smallest_channel(RANKS, more, np.ones(2)) == tuple(RANKS)
    single = _orders([5, 1], [0, 0], [0, 0])
    assert without_smallest_channel(RANKS, single, np.ones(2)) == tuple(RANKS[:1])


def test_of_four_kinds_of_tickets_three_stay_and_other_features_do() -> None:
    names = ("email", "chat", "phone", "self_service")
    columns = {f"n_{name}_tickets": np.array([3.0, i]) for i, name in enumerate(names)}
    columns["n_channel_tickets"] = np.array([20.0, 6.0])
    other = Feature("n_tickets", "log")
    kept = without_smallest_channel([other, *KINDS], columns, np.ones(2))
    assert kept == (other, *KINDS[1:])


def test_unknown_counts_are_none() -> None:
    columns = _orders([5, np.nan], [2, np.nan], [1, np.nan])
    assert without_smallest_channel(RANKS, columns, np.ones(2)) == tuple(RANKS[:2])
