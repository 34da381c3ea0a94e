"""Runs of one axis month after month, on samples by hand: what becomes of the current segments."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np

from segpipe.axes import AXES, Axis, Feature, Tier
from segpipe.core.arrays import Floats
from segpipe.core.schema import Reference
from segpipe.core.settings import ClusterSettings
from segpipe.discovery.discover import discover
from segpipe.discovery.outcome import Discovery
from segpipe.discovery.sampling import Sample
from segpipe.model.document import AxisModel, Model
from tests.support.samples import sample_of

SETTINGS = ClusterSettings(max_k=4, restarts=4)
MONTHS = [date(2025, month, 1) for month in range(1, 9)]
VALUE = replace(
    {axis.name: axis for axis in AXES}["purchase_value"],
    has_groups=True,
    tiers=tuple(
        Tier(name, f"are {name}", top) for name, top in (("low", 0.4), ("mid", 0.8), ("top", 1.0))
    ),
    features=(Feature("lifetime_value", "log"),),
    min_segments=2,
)
NOTHING = frozenset[str]()


def run_month(
    sample: Sample,
    before: Discovery | AxisModel | None = None,
    month: int = 0,
    *,
    axis: Axis = VALUE,
    inputs: tuple[frozenset[str], frozenset[str]] = (NOTHING, NOTHING),
    method: str = "auto",
    rediscover: tuple[str, ...] | None = None,
    since: int | None = None,
) -> Discovery:
    """A run of a month after one of the month before; `inputs` are then and now."""
    former = None
    if before is not None:
        model = before.model if isinstance(before, Discovery) else before
        as_of = MONTHS[month - 1 if since is None else since]
        then = tuple(sorted(inputs[0]))
        former = Model(1, then, "UTC", Reference(as_of, {}, 1.0, (), 30.0), (model,))
    return discover(
        *(sample, (axis,), inputs[1], replace(SETTINGS, method=method), 1),
        as_of=MONTHS[month],
        previous=former,
        rediscover=rediscover,
    )[0]


def values_of(logs: Floats) -> Sample:
    return sample_of({"lifetime_value": np.exp(logs)})


def cloud(n: int = 1000, middle: float = 5.0, seed: int = 1) -> Floats:
    return np.random.default_rng(seed).normal(middle, 1.0, n)


def far_apart(*middles: float, n: int = 500, seed: int = 2) -> Floats:
    draw = np.random.default_rng(seed)
    return np.concatenate([draw.normal(middle, 0.3, n) for middle in middles])


def cause_of(found: Discovery) -> tuple[str, str | None, str | None]:
    return found.decision.decision, found.decision.cause, found.decision.pending


KEPT = ("kept", None, None)


def names_of(found: Discovery) -> dict[int, str]:
    return {segment.segment_id: segment.name for segment in found.model.segments}


def cuts_of(found: Discovery) -> tuple[float, ...]:
    assert found.model.rules
    assert found.model.rules.ladder
    return found.model.rules.ladder.cuts
