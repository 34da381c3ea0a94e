"""All axes at once: what `assign_axis` gives axis by axis, to the last bit."""

from __future__ import annotations

from datetime import date

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st

from segpipe.assign import Tally, assign_axis
from segpipe.axes import Eligibility
from segpipe.features import Reference
from segpipe.model import UNAVAILABLE, AxisModel, Model, Segment
from segpipe.realtime.axes import Axes
from segpipe.scale import FeatureScale

MEASURES = ("n_orders", "recency_days", "lifetime_value", "price_spread")
TRANSFORMS = ("identity", "log", "signed_log")


def _scale(rng: np.random.Generator, measure: str) -> FeatureScale:
    low, high = sorted(rng.normal(0, 3, 2))
    fill, mean = rng.normal(0, 2, 2)
    return FeatureScale(
        measure, str(rng.choice(TRANSFORMS)), fill, low, high, mean, rng.uniform(0.1, 3)
    )


def _axis(rng: np.random.Generator, name: str) -> AxisModel:
    """With none to four features, none to nine segments, none to two rules."""
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
            Segment(index, f"segment_{index}", "", (), "", tuple(place), {}, 0.1)
            for index, place in enumerate(places.tolist())
        ),
        default_state=UNAVAILABLE,
    )


def _figures(rng: np.random.Generator, axes: tuple[AxisModel, ...]) -> npt.NDArray[np.float64]:
    """Measures of 20 customers, some missing, the first of whom stands on a centroid's features."""
    figures = rng.normal(0, 3, (len(MEASURES), 20))
    figures[rng.random(figures.shape) < 0.2] = np.nan
    for axis in axes:
        for segment in axis.segments[:1]:
            for scale, place in zip(axis.scales, segment.centroid, strict=True):
                figures[MEASURES.index(scale.measure), 0] = place * scale.deviation + scale.mean
    return figures


@given(seed=st.integers(0, 10_000), n_axes=st.integers(1, 6))
def test_all_axes_at_once_give_what_each_gives(seed: int, n_axes: int) -> None:
    rng = np.random.default_rng(seed)
    own = tuple(_axis(rng, f"axis_{index}") for index in range(n_axes))
    model = Model(seed, (), "UTC", Reference(date(2025, 1, 1), {}, 1.0, (), 1.0), own)
    figures = dict(zip(MEASURES, _figures(rng, own), strict=True))
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
