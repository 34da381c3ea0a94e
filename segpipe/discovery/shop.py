"""What all axes of a run share, and what of an axis the shop's inputs can feed."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from segpipe.axes import MEASURES, Axis, Feature, Rule, Tier
from segpipe.axes.own_figures import own_figure
from segpipe.clustering.registry import CLUSTERERS
from segpipe.core.arrays import Floats
from segpipe.core.settings import ClusterSettings
from segpipe.model.derived import customers_differ
from segpipe.model.priors import Priors


@dataclass(frozen=True)
class Shop:
    """What all axes of a run share."""

    columns: Mapping[str, Floats]  # raw measures of the sample, and derived ones by its priors
    weights: Floats
    inputs: frozenset[str]
    priors: Priors
    settings: ClusterSettings
    seed: int
    as_of: date
    former_inputs: frozenset[str] = frozenset()
    former_as_of: date = date.min
    rediscover: tuple[str, ...] | None = None  # axes to replace; () for all, None for none

    def seed_of(self, axis: str) -> int:
        """The seed of everything random on the axis."""
        return zlib.crc32(f"{self.seed}:{axis}".encode())

    def is_asked(self, axis: str) -> bool:
        """Whether the user asked to replace the axis's segments."""
        return self.rediscover is not None and (not self.rediscover or axis in self.rediscover)


@dataclass(frozen=True)
class AxisParts:
    """What of an axis these inputs can feed."""

    main: Feature | None
    tiers: tuple[Tier, ...]
    rules: tuple[Rule, ...]
    features: tuple[Feature, ...]


def live_parts(axis: Axis, shop: Shop) -> AxisParts:
    """What these inputs can feed, without features that differ by chance alone."""
    inputs = shop.inputs
    n_features = CLUSTERERS[axis.clusterer].n_features
    features = [
        feature
        for feature in axis.live_features(inputs)
        if customers_differ(feature.measure, shop.priors)
    ]
    return AxisParts(
        axis.live_main(inputs),
        axis.live_tiers(inputs),
        axis.live_rules(inputs),
        tuple(features[:n_features]),
    )


def is_by_k_means(axis: Axis, shop: Shop) -> bool:
    """Whether k-means segments are published, whatever the customers are like."""
    return shop.settings.method == "kmeans" or not axis.has_vocabulary


def is_fed(axis: Axis, parts: AxisParts, shop: Shop) -> bool:
    """Whether the inputs are there."""
    if axis.tiers:
        return parts.main is not None
    return bool(parts.rules if axis.rules else axis.live_features(shop.inputs))


def find_likeness(axis: Axis, parts: AxisParts, shop: Shop) -> str | None:
    """Why the axis says nothing of the eligible, though it is fed; None where it does."""
    if axis.tiers:
        asked = [parts.main.measure] if parts.main else []
    elif axis.rules:
        plain = [rule for rule in parts.rules if not rule.chance]
        asked = [] if plain else [rule.chance for rule in parts.rules if rule.chance]
    else:
        asked = [feature.measure for feature in axis.live_features(shop.inputs)]
    if asked and not any(customers_differ(name, shop.priors) for name in asked):
        label = f": {MEASURES[own_figure(asked[0])].label}" if axis.tiers else ""
        return f"customers do not differ beyond chance{label}"
    return None
