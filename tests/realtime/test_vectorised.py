"""All axes at once: what `assign_axis` gives axis by axis, to the last bit."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from segpipe.axes import Eligibility
from segpipe.clustering.centroids import CentroidPartition
from segpipe.clustering.cuts import CutPartition
from segpipe.core.arrays import Floats
from segpipe.core.schema import Reference
from segpipe.model.assign import Tally, assign_axis
from segpipe.model.document import UNAVAILABLE, AxisModel, Model, Segment
from segpipe.model.preprocessing import FeatureScale, scale_matrix
from segpipe.realtime.vectorised import Axes

MEASURES = ("n_orders", "recency_days", "lifetime_value", "price_spread")
TRANSFORMS = ("identity", "log", "signed_log")


def _scale(rng: np.random.Generator, measure: str) -> FeatureScale:
    low, high = sorted(rng.normal(0, 3, 2))
    fill, mean = rng.normal(0, 2, 2)
    return FeatureScale(
        measure, str(rng.choice(TRANSFORMS)), fill, low, high, mean, rng.uniform(0.1, 3)
    )


def _axis(rng: np.random.Generator, name: str) -> AxisModel:
    """With none to four features, none to nine segments or tiers, none to two rules."""
    if rng.random() < 0.25:
        return _tiered_axis(rng, name)
    measures = rng.choice(MEASURES, rng.integers(0, 5), replace=False)
    places = rng.normal(0, 1, (rng.integers(0, 10) if len(measures) else 0, len(measures)))
    ruled = rng.choice(MEASURES, rng.integers(0, 3), replace=False)
    return AxisModel(
        name=name,
        group="marketing",
        verdict="clustered",
        reason=None,
        silhouette=None,
        eligibility=tuple(
            Eligibility(measure, float(rng.normal()), f"state_{index}")
            for index, measure in enumerate(ruled)
        ),
        scales=tuple(_scale(rng, measure) for measure in measures),
        segments=tuple(
            Segment(index, f"segment_{index}", "", (), "", {}, 0.1) for index in range(len(places))
        ),
        default_state=UNAVAILABLE,
        partition=CentroidPartition.of(places) if len(places) else None,
    )


def _tiered_axis(rng: np.random.Generator, name: str) -> AxisModel:
    """With one feature and two to five tiers."""
    centres = sorted(rng.normal(0, 1, rng.integers(2, 6)).tolist())
    return AxisModel(
        name=name,
        group="marketing",
        verdict="no structure",
        reason=None,
        silhouette=None,
        eligibility=(),
        scales=(_scale(rng, str(rng.choice(MEASURES))),),
        segments=tuple(Segment(i, f"tier_{i}", "", (), "", {}, 0.1) for i in range(len(centres))),
        default_state=UNAVAILABLE,
        partition=CutPartition.between(centres),
    )


def _figures(rng: np.random.Generator) -> dict[str, Floats]:
    """Measures of 20 customers, some missing, some without bounds."""
    figures = rng.normal(0, 3, (len(MEASURES), 20))
    figures[rng.random(figures.shape) < 0.2] = np.nan
    figures[rng.random(figures.shape) < 0.05] = np.inf
    figures[rng.random(figures.shape) < 0.05] = -np.inf
    return dict(zip(MEASURES, figures, strict=True))


def _met(axis: AxisModel, figures: dict[str, Floats]) -> AxisModel:
    """The axis with its last centroid on the place of the first customer."""
    if not isinstance(axis.partition, CentroidPartition):
        return axis
    positions = axis.partition.positions.copy()
    positions[-1] = scale_matrix(figures, axis.scales)[0]
    return replace(axis, partition=CentroidPartition.of(positions))


@given(seed=st.integers(0, 10_000), n_axes=st.integers(1, 6))
def test_all_axes_at_once_give_what_each_gives(seed: int, n_axes: int) -> None:
    rng = np.random.default_rng(seed)
    figures = _figures(rng)
    own = tuple(_met(_axis(rng, f"axis_{index}"), figures) for index in range(n_axes))
    model = Model(seed, (), "UTC", Reference(date(2025, 1, 1), {}, 1.0, (), 1.0), own)
    axes = Axes.of(model)
    codes, strengths = axes.assign(
        np.array([figures[name] for name in axes.measures]).reshape(-1, 20)
    )
    for index, axis in enumerate(own):
        wanted_codes, wanted_strengths = assign_axis(axis, figures, 20, Tally())
        assert codes[index].tolist() == wanted_codes.tolist()
        assert strengths[index].tolist() == wanted_strengths.tolist()
        assert axes.vocabularies[index] == axis.vocabulary()
    for one in range(20):
        alone = axes.assign(np.array([figures[n][[one]] for n in axes.measures]).reshape(-1, 1))
        assert alone[0][:, 0].tolist() == codes[:, one].tolist()
        assert alone[1][:, 0].tolist() == strengths[:, one].tolist()


def test_a_model_without_axes_answers_nothing() -> None:
    model = Model(1, (), "UTC", Reference(date(2025, 1, 1), {}, 1.0, (), 1.0), ())
    codes, strengths = Axes.of(model).assign(np.empty((0, 3)))
    assert codes.shape == strengths.shape == (0, 3)


def test_a_customer_on_a_centroid_is_certain_next_to_a_larger_axis() -> None:
    rng = np.random.default_rng(4)
    figures = {name: np.array([1.0]) for name in MEASURES}
    scales = tuple(
        FeatureScale(name, "identity", 0.0, -9.0, 9.0, 0.0, 1.0) for name in MEASURES[:2]
    )
    axes = []
    for n_segments in (2, 5):
        places = [*rng.normal(0, 1, (n_segments - 1, 2)).tolist(), [1.0, 1.0]]
        segments = [Segment(i, f"segment_{i}", "", (), "", {}, 0.1) for i in range(n_segments)]
        axes.append(
            AxisModel(
                name=f"axis_{n_segments}",
                group="marketing",
                verdict="clustered",
                reason=None,
                silhouette=None,
                eligibility=(),
                scales=scales,
                segments=tuple(segments),
                default_state="no",
                partition=CentroidPartition.of(np.array(places)),
            )
        )
    model = Model(1, (), "UTC", Reference(date(2025, 1, 1), {}, 1.0, (), 1.0), tuple(axes))
    together = Axes.of(model)
    codes, strengths = together.assign(np.array([figures[name] for name in together.measures]))
    assert codes[:, 0].tolist() == [1, 4]
    assert strengths[:, 0].tolist() == [1.0, 1.0]
