"""All axes of a model as arrays, so that a few customers are assigned in a few operations.

Takes measures; gives what `assign_axis` gives, to the last bit: scaling, distances and strength are
its own code, of all axes at once. Axis by axis, one customer would cost ten times as much.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import numpy as np
import numpy.typing as npt

from segpipe.axes import Eligibility
from segpipe.clustering.stacked import StackedPartitions
from segpipe.core.arrays import Flags, Floats, Indices
from segpipe.model.assign import needed_measures
from segpipe.model.document import AxisModel, Model
from segpipe.model.preprocessing import Scaling


@dataclass(frozen=True)
class _Rules:
    """One eligibility rule of each axis that has one, shape (n_axes, 1) but for `measures`."""

    is_there: Flags
    measures: Indices  # (n_axes,), rows of what is looked at
    at_least: Floats
    states: Indices


@dataclass(frozen=True)
class Axes:
    """A model's axes; the first dimension of its arrays is theirs, in their order."""

    measures: tuple[str, ...]  # rows of what `assign` takes
    vocabularies: tuple[tuple[str, ...], ...]
    rules: tuple[_Rules, ...]  # the first of each axis, the second, and so on
    defaults: Indices  # (n_axes, 1)
    has_segments: Flags  # (n_axes, 1)
    scaled: Indices  # (n_scales,), rows of measures
    scaling: Scaling
    features: Indices  # (n_axes, most features), rows of the scaled; behind them is a row of zeros
    partitions: StackedPartitions

    @classmethod
    def of(cls, model: Model) -> Axes:
        """Of this model."""
        measures, axes = needed_measures(model), model.axes
        scales = [scale for axis in axes for scale in axis.scales]
        ranks = zip_longest(*(axis.eligibility for axis in axes))
        return cls(
            measures=measures,
            vocabularies=tuple(axis.vocabulary() for axis in axes),
            rules=tuple(_rules(axes, rank, measures) for rank in ranks),
            defaults=_upright([axis.vocabulary().index(axis.default_state) for axis in axes]),
            has_segments=_upright([axis.partition is not None for axis in axes]),
            scaled=np.array([measures.index(scale.measure) for scale in scales], dtype=np.intp),
            scaling=Scaling.of(scales),
            features=_features(axes),
            partitions=StackedPartitions.of(
                [axis.partition for axis in axes], [len(axis.scales) for axis in axes]
            ),
        )

    def assign(self, figures: Floats) -> tuple[Indices, Floats]:
        """Code in the axis's vocabulary and strength, both of shape (n_axes, n_customers).

        `figures` are measures, shape (n_measures, n_customers), NaN where missing.
        """
        scaled = self.scaling.apply(figures[self.scaled])  # a copy, by the index
        rows = np.concatenate([scaled, np.zeros((1, figures.shape[1]))])
        nearest, strengths = self.partitions.assign(rows[self.features])
        codes = np.where(self.has_segments, nearest, self.defaults)
        strengths = np.where(self.has_segments, strengths, 0.0)
        for rules in reversed(self.rules):  # of several, the first one counts
            excluded = rules.is_there & ~(figures[rules.measures] >= rules.at_least)
            codes = np.where(excluded, rules.states, codes)
            strengths = np.where(excluded, 1.0, strengths)
        return codes, strengths


def _rules(
    axes: Sequence[AxisModel], rank: Sequence[Eligibility | None], measures: Sequence[str]
) -> _Rules:
    """The rules of one rank; an axis without one has figures that nobody looks at."""
    pairs = list(zip(axes, rank, strict=True))
    return _Rules(
        is_there=_upright([rule is not None for rule in rank]),
        measures=np.array([measures.index(rule.measure) if rule else 0 for rule in rank]),
        at_least=_upright([rule.at_least if rule else 0.0 for rule in rank]),
        states=_upright(
            [axis.vocabulary().index(rule.state) if rule else 0 for axis, rule in pairs]
        ),
    )


def _features(axes: Sequence[AxisModel]) -> Indices:
    """Rows of each axis's features among those of all, filled up with the row of zeros behind."""
    n_scales = [len(axis.scales) for axis in axes]
    found = np.full((len(axes), max(n_scales, default=0)), sum(n_scales), dtype=np.intp)
    first = 0
    for row, n in zip(found, n_scales, strict=True):
        row[:n] = range(first, first + n)
        first += n
    return found


def _upright(values: Sequence[float]) -> npt.NDArray[Any]:
    return np.array(values)[:, None]
