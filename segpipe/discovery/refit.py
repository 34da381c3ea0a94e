"""The whole population's own fit of an axis, and how far the sample's agrees with it.

Takes the sample's partition and the engine's customers; gives it refitted, and an AgreementInfo.
Measured in every run, since the features of everybody are at hand.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from segpipe.axes import Eligibility, Feature
from segpipe.axes.record import transform_of
from segpipe.clustering.assignment_problem import max_score_assignment
from segpipe.clustering.base import Partition
from segpipe.clustering.distances import longest_shift
from segpipe.clustering.rand_index import adjusted_rand, in_common
from segpipe.clustering.registry import CLUSTERERS
from segpipe.core.arrays import Floats, Labels
from segpipe.core.report import AgreementInfo
from segpipe.core.settings import ClusterSettings
from segpipe.engines.base import CustomerTable
from segpipe.model.derived import derive, inputs_of
from segpipe.model.preprocessing import FeatureScale, eligible_rows, fit_scales, scale_matrix
from segpipe.model.priors import Priors


@dataclass(frozen=True)
class Population:
    """All customers of the run, read an axis at a time: memory is bounded by one axis."""

    customers: CustomerTable
    sample_size: int
    n_customers: int

    def eligible(
        self, measures: Sequence[str], rules: Sequence[Eligibility], priors: Priors | None = None
    ) -> dict[str, Floats]:
        """The measures of the eligible customers, raw and derived, in the order of their ids."""
        asked = [rule.measure for rule in rules]
        asked += [condition.measure for rule in rules for condition in rule.only]
        names = list(inputs_of([*measures, *asked]))
        table = self.customers.read_columns(names)
        columns = {name: table[name].to_numpy().astype(np.float64, copy=False) for name in names}
        eligible = eligible_rows(columns, rules)
        own = {name: values[eligible] for name, values in columns.items()}
        return derive(own, measures, priors)


def refit(
    population: Population,
    rules: Sequence[Eligibility],
    scales: Sequence[FeatureScale],
    partition: Partition,
    settings: ClusterSettings,
    seed: int,
    priors: Priors | None = None,
) -> tuple[Partition, AgreementInfo]:
    """The partition where the population has it; and what that changes.

    Agreement is between the sample's partition and this one, or with `audit = "full"` a fit of
    everybody from scratch.
    """
    columns = population.eligible([scale.measure for scale in scales], rules, priors)
    points = scale_matrix(columns, scales)
    refitted = partition.refit(points)
    own = partition.assign(points)
    if settings.audit == "full":
        theirs = _matched(own, _from_scratch(columns, scales, partition, settings, seed))
    else:
        theirs = refitted.assign(points)
    share = float(np.mean(own == theirs))
    return refitted, AgreementInfo(
        method=settings.audit,
        n_customers=len(points),
        share=share,
        adjusted_rand=adjusted_rand(own, theirs),
        centroid_shift=longest_shift(points, theirs, partition.positions),
        sample_size_wanted=wanted_size(
            share, settings.min_agreement, population.sample_size, population.n_customers
        ),
        is_refined=settings.refine,
    )


def compare_partitions(
    points: Floats, own: Labels, theirs: Labels, positions: Floats
) -> AgreementInfo:
    """Agreement of the sample's cuts with those that were moved to where everybody has them.

    points (n, d) of everybody, labels (n,) by the two, positions (k, d) of the sample's.
    """
    return AgreementInfo(
        method="refit",
        n_customers=len(points),
        share=float(np.mean(own == theirs)),
        adjusted_rand=adjusted_rand(own, theirs),
        centroid_shift=longest_shift(points, theirs, positions),
        sample_size_wanted=None,  # the cuts that are published are everybody's
        is_refined=True,
    )


def wanted_size(share: float, asked: float, sample_size: int, n_customers: int) -> int | None:
    """Sample size at which the share would reach `asked`, at most everybody; None: it does.

    A centroid's error, and with it the customers on the wrong side of a border, falls with the
    square root of the sample's size.
    """
    if share >= asked or asked >= 1.0:
        return None
    size = math.ceil(sample_size * ((1 - share) / (1 - asked)) ** 2 / 100) * 100
    return min(size, n_customers)


def _from_scratch(
    columns: dict[str, Floats],
    scales: Sequence[FeatureScale],
    partition: Partition,
    settings: ClusterSettings,
    seed: int,
) -> Labels:
    """Labels of a model that has never seen the sample: own scales and partition, the same K.

    The sample's scales serve where everybody's have no feature that varies.
    """
    features = [Feature(scale.measure, transform_of(scale.transform)) for scale in scales]
    ones = np.ones(len(columns[features[0].measure]))
    own_scales, _ = fit_scales(columns, ones, features)
    points = scale_matrix(columns, own_scales or scales)
    clusterer, k = CLUSTERERS[partition.kind], partition.n_segments
    (found,) = clusterer.fit_each(points, ones, (k,), settings.restarts, seed)
    return found.assign(points)


def _matched(own: Labels, theirs: Labels) -> Labels:
    """Their labels by the numbers of ours, one to one, so that most customers agree."""
    common = in_common(own, theirs)
    number = {label: ours for ours, label in max_score_assignment(common.astype(np.float64))}
    return np.array([number.get(label, -1) for label in range(common.shape[1])])[theirs]
