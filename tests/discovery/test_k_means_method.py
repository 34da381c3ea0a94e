"""`--method kmeans`: k-means segments by the nearest centroid on every axis, end to end."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from segpipe.axes import AXES, RAW_MEASURES
from segpipe.clustering.centroids import CentroidPartition
from segpipe.core import decisions
from segpipe.core.arrays import Floats
from segpipe.core.schema import Reference
from segpipe.core.settings import ClusterSettings
from segpipe.discovery.discover import discover
from segpipe.discovery.outcome import Discovery
from segpipe.discovery.segments import labels_of
from segpipe.model.assign import Tally, assign_axis
from segpipe.model.derived import derive
from segpipe.model.document import Model, measures_of
from segpipe.model.preprocessing import eligible_rows, scale_matrix
from tests.support.samples import sample_of
from tests.support.shops import Shop, mixed_shop

SETTINGS = ClusterSettings(method="kmeans", restarts=6, max_k=5)
Found = list[Discovery]


@pytest.fixture(scope="module")
def shop() -> Shop:
    return mixed_shop(900, seed=5)


def _run(shop: Shop, previous: Found | None = None, settings: ClusterSettings = SETTINGS) -> Found:
    former = None
    if previous:
        reference = replace(shop.reference, as_of=date(2024, 12, 1))
        axes = tuple(found.model for found in previous)
        former = Model(1, tuple(sorted(shop.inputs)), "UTC", reference, axes)
    return discover(
        *(shop.sample, AXES, shop.inputs, settings, 1), as_of=shop.as_of, previous=former
    )


@pytest.fixture(scope="module")
def found(shop: Shop) -> Found:
    return _run(shop)


def test_every_axis_is_divided_by_the_nearest_centroid(found: Found) -> None:
    for axis in (discovery.model for discovery in found):
        assert axis.rules is None
        if axis.segments:
            assert isinstance(axis.partition, CentroidPartition)
            assert axis.partition.n_segments == len(axis.segments)
            assert axis.verdict in ("groups", "k-means")
    assert sum(bool(discovery.model.segments) for discovery in found) >= 11


def test_k_is_the_one_of_highest_silhouette_among_those_accepted(found: Found) -> None:
    for discovery in found:
        fine = [c for c in discovery.candidates if c.passed_over is None]
        least = {axis.name: axis.min_segments for axis in AXES}[discovery.model.name]
        fine = [c for c in fine if c.n_clusters >= least] or fine
        if fine and discovery.model.segments:
            best = max(fine, key=lambda c: round(c.silhouette, 4))
            assert len(discovery.model.segments) == best.n_clusters
            assert discovery.best_k == best.n_clusters


def test_a_customer_has_the_segment_of_the_nearest_centroid(shop: Shop, found: Found) -> None:
    columns = {name: shop.sample.customers[name].to_numpy() for name in RAW_MEASURES}
    n = shop.sample.customers.num_rows
    for axis in (d.model for d in found if d.model.segments):
        codes, strengths = assign_axis(axis, columns, n, Tally())
        own = derive(columns, measures_of([axis]), axis.priors)
        eligible = eligible_rows(own, axis.eligibility)
        points = scale_matrix({k: v[eligible] for k, v in own.items()}, axis.scales)
        assert axis.partition
        gaps = np.square(points[:, None] - axis.partition.positions[None]).sum(axis=2)
        nearest = gaps.min(axis=1)
        assert gaps[np.arange(len(gaps)), codes[eligible]] == pytest.approx(nearest)
        assert ((strengths >= 0) & (strengths <= 1)).all()
        assert np.array_equal(
            labels_of(axis, {k: v[eligible] for k, v in own.items()}), codes[eligible]
        )


def test_names_are_prototypes_whose_claims_hold_or_composed(found: Found) -> None:
    prototypes = {axis.name: {p.name for p in axis.prototypes} for axis in AXES}
    n_of_prototypes = 0
    for axis in (discovery.model for discovery in found):
        names = [segment.name for segment in axis.segments]
        assert len(set(names)) == len(names)
        n_of_prototypes += sum(name in prototypes[axis.name] for name in names)
        for segment in axis.segments:
            assert segment.claims or segment.name not in prototypes[axis.name]
    assert n_of_prototypes >= 12


def test_derived_features_lean_on_the_shops_priors(found: Found) -> None:
    (axis,) = [d.model for d in found if d.model.name == "purchase_frequency"]
    assert {"expected_occasions_per_month"} <= {scale.measure for scale in axis.scales}
    assert axis.priors is not None


def test_the_same_customers_again_keep_every_axis(shop: Shop, found: Found) -> None:
    again = _run(shop, found)
    for before, after in zip(found, again, strict=True):
        assert (after.decision.decision, after.decision.cause) == ("kept", None), before.model.name
        assert after.decision.pending is None
        assert after.model.partition == before.model.partition
        assert [s.segment_id for s in after.model.segments] == [
            s.segment_id for s in before.model.segments
        ]
        assert [s.name for s in after.model.segments] == [s.name for s in before.model.segments]


def test_back_to_the_default_method_every_axis_with_a_vocabulary_is_replaced(
    shop: Shop, found: Found
) -> None:
    again = _run(shop, found, replace(SETTINGS, method="auto"))
    assert {d.decision.cause for d in again} == {decisions.METHOD}
    assert {d.model.verdict for d in again} <= {"groups", "tiers", "rules", "unavailable"}


def _of_value(logs: Floats, before: Discovery | None = None, month: int = 1) -> Discovery:
    """A run of one axis under this method, after one of the month before."""
    (axis,) = [axis for axis in AXES if axis.name == "purchase_value"]
    axis = replace(axis, features=axis.features[:1], min_segments=2)
    former = None
    if before:
        reference = Reference(date(2025, month - 1, 1), {}, 1.0, (), 30.0)
        former = Model(1, (), "UTC", reference, (before.model,))
    sample = sample_of({"lifetime_value": np.exp(logs)})
    as_of = date(2025, month, 1)
    return discover(sample, (axis,), frozenset(), SETTINGS, 1, as_of=as_of, previous=former)[0]


def _far(*middles: float, n: int = 400) -> Floats:
    draw = np.random.default_rng(2)
    return np.concatenate([draw.normal(middle, 0.3, n) for middle in middles])


def test_separate_k_means_segments_are_kept_like_others() -> None:
    first = _of_value(_far(3.0, 7.0))
    assert first.model.verdict == "groups"
    again = _of_value(_far(3.0, 7.0), first, 2)
    assert (again.decision.decision, again.decision.cause) == ("kept", None)
    assert again.model.partition == first.model.partition


def test_better_k_means_segments_must_be_found_twice() -> None:
    first = _of_value(_far(2.0, 7.0))
    held = _of_value(_far(2.0, 6.0, 9.0), first, 2)
    assert (held.decision.decision, held.decision.pending) == ("kept", decisions.BETTER)
    assert held.model.partition == first.model.partition
    replaced = _of_value(_far(2.0, 6.0, 9.0), held, 3)
    assert (replaced.decision.decision, replaced.decision.cause) == ("replaced", decisions.BETTER)
    assert len(replaced.model.segments) == 3


def test_channels_that_are_all_there_are_give_one_feature_less(found: Found) -> None:
    """Of web and store, which sum to all orders, one says all."""
    (axis,) = [d.model for d in found if d.model.name == "communication_preference"]
    assert len(axis.scales) == 1
