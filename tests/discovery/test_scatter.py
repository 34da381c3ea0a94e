"""The scatter: drawn as the population is, on the features that separate segments best."""

from __future__ import annotations

import numpy as np

from segpipe.axes import Feature
from segpipe.core.arrays import Floats, Labels
from segpipe.core.report import AxisScatter
from segpipe.discovery.naming import SegmentEvidence
from segpipe.discovery.scatter import draw_scatter
from segpipe.model.preprocessing import fit_scales

FEATURES = (Feature("recency_days"), Feature("n_orders"), Feature("n_lines"))


def _drawn(columns: dict[str, Floats], labels: Labels, weights: Floats) -> AxisScatter:
    scales, _ = fit_scales(columns, weights, FEATURES[: len(columns)])
    return draw_scatter(SegmentEvidence(columns, weights, labels, int(labels.max()) + 1), scales)


def test_points_are_drawn_by_weight() -> None:
    """Half of the sample stands for nine in ten customers."""
    labels = np.repeat([0, 1], 1000)
    columns = {"recency_days": np.repeat([10.0, 50.0], 1000) + np.tile(np.arange(1000) / 1e3, 2)}
    found = _drawn(columns, labels, np.repeat([9.0, 1.0], 1000))
    assert found.y is None
    assert len(found.points) == 400
    assert sum(label == 0 for *_, label in found.points) == 360
    assert all((x < 20) == (label == 0) for x, _, label in found.points)


def test_a_small_sample_is_shown_whole_and_its_gaps_at_the_median() -> None:
    columns = {"recency_days": np.array([1.0, 2.0, np.nan, 9.0])}
    found = _drawn(columns, np.array([0, 0, 1, 1]), np.ones(4))
    assert [x for x, *_ in found.points] == [1.0, 2.0, 2.0, 9.0]


def test_no_segment_hides_behind_another() -> None:
    """Two features part the first segment from the rest best; only the third parts the rest."""
    labels = np.repeat([0, 1, 2], 100)
    noise = np.tile(np.linspace(-0.1, 0.1, 100), 3)
    columns = {
        "recency_days": np.array([0.0, 10.0, 10.0])[labels] + noise,
        "n_orders": np.array([0.0, 10.0, 10.0])[labels] + noise,
        "n_lines": np.array([5.0, 0.0, 10.0])[labels] + noise,
    }
    found = _drawn(columns, labels, np.ones(300))
    assert (found.x, found.y) == ("recency_days", "n_lines")


def test_customers_for_whom_no_rule_holds_are_not_shown() -> None:
    columns = {"recency_days": np.array([1.0, 2.0, 3.0, 9.0]), "n_orders": np.array([1.0, 2, 3, 9])}
    found = _drawn(columns, np.array([0, 0, -1, 1]), np.ones(4))
    assert [label for *_, label in found.points] == [0, 0, 1]
