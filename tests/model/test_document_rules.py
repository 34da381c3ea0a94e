"""Format 4 of the model document: rules, priors and decisions, exact through JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np

from segpipe.axes import AXES, Condition, Eligibility
from segpipe.core.settings import ClusterSettings
from segpipe.discovery.discover import discover
from segpipe.model.document import Model, measures_of, model_of, raw_measures_of
from tests.support.axis_models import AXES as MADE
from tests.support.axis_models import CADENCE, FREQUENCY, GROUPS, PRIORS, TRAJECTORY, WIDTH
from tests.support.axis_models import model_of as made_model
from tests.support.samples import AS_OF, sample_of

TAGGED = replace(
    FREQUENCY,
    made_on=date(2025, 1, 31),
    made_shares=(0.3, 0.5, 0.2),
    definition="0123456789abcdef",
    pending="new groups",
    segments=tuple(
        replace(segment, holds=(Condition("occasions_per_month", "below", 0.1 + 0.2),))
        for segment in FREQUENCY.segments
    ),
)
OLDER = replace(PRIORS, median_gap_days=28.5)
MODEL = made_model([TAGGED, *MADE, replace(WIDTH, name="kept", priors=OLDER)])


def _again(model: Model) -> Model:
    return model_of(json.loads(model.to_json()))


def test_through_json_rules_and_decisions_are_the_same_to_the_byte() -> None:
    again = _again(MODEL)
    assert again == MODEL
    assert again.to_json() == MODEL.to_json()
    assert again.hash() == MODEL.hash()
    assert json.loads(MODEL.to_json())["format"] == 4


def test_what_discovery_finds_is_the_same_through_json() -> None:
    draw = np.random.default_rng(2)
    orders = draw.poisson(5, 400) + 1.0
    columns = {"n_orders": orders, "n_occasions": orders, "n_lines": orders * 2}
    columns["lifetime_value"] = draw.lognormal(4, 1, 400)
    columns["tenure_days"] = draw.uniform(30, 700, 400)
    columns["recency_days"] = columns["tenure_days"] * draw.uniform(0, 1, 400)
    settings = ClusterSettings(max_k=3, restarts=2)
    found = discover(sample_of(columns), AXES, frozenset(), settings, 1, as_of=AS_OF)
    model = replace(MODEL, axes=tuple(discovery.model for discovery in found))
    assert {"tiers", "rules", "unavailable"} <= {axis.verdict for axis in model.axes}
    assert _again(model) == model
    assert _again(model).to_json() == model.to_json()


def test_priors_are_written_once_and_an_axis_that_was_kept_has_its_own() -> None:
    document = json.loads(MODEL.to_json())
    assert len(document["priors"]) == 2
    assert [axis["priors"] for axis in document["axes"]] == [0] * (len(MADE) + 1) + [1]
    assert _again(MODEL).axes[-1].priors == OLDER


def test_the_hash_is_that_of_what_divides_customers() -> None:
    assert replace(MODEL, axes=(replace(TAGGED, pending=None),)).hash() == (
        replace(MODEL, axes=(TAGGED,)).hash()
    )
    assert TAGGED.rules
    assert TAGGED.rules.ladder
    moved = replace(TAGGED.rules, ladder=replace(TAGGED.rules.ladder, cuts=(0.4, 1.1)))
    other = replace(MODEL, axes=(replace(TAGGED, rules=moved),))
    assert other.hash() != replace(MODEL, axes=(TAGGED,)).hash()
    leaning = replace(MODEL, axes=(replace(TAGGED, priors=OLDER),))
    assert leaning.hash() != replace(MODEL, axes=(TAGGED,)).hash()


def test_the_document_describes_every_measure_that_it_names() -> None:
    described = set(json.loads(MODEL.to_json())["measures"])
    assert set(measures_of(MODEL.axes)) <= described
    assert "occasions_per_month" in described  # of what a name says
    assert "expected_occasions_per_month" not in raw_measures_of(MODEL.axes)
    assert {"n_occasions", "tenure_days"} <= set(raw_measures_of(MODEL.axes))


def test_eligibility_keeps_whom_a_state_is_only_for() -> None:
    only = (Condition("n_orders", "at_least", 3.0),)
    axis = replace(WIDTH, eligibility=(Eligibility("n_lines", 2, "few", ("product",), only),))
    again = _again(replace(MODEL, axes=(axis,))).axes[0]
    assert again.eligibility == axis.eligibility


def _as_format_3(document: dict[str, Any]) -> dict[str, Any]:
    """What an earlier version wrote: k-means segments, no rules, priors, claims or decisions."""
    new = ("rules", "priors", "made_on", "made_shares", "definition", "pending")
    axes = [{k: v for k, v in axis.items() if k not in new} for axis in document["axes"]]
    for axis in axes:
        axis["segments"] = [
            {k: v for k, v in segment.items() if k != "holds"} for segment in axis["segments"]
        ]
        axis["eligibility"] = [
            {k: v for k, v in rule.items() if k != "only"} for rule in axis["eligibility"]
        ]
    kept = {name: value for name, value in document.items() if name != "priors"}
    return {**kept, "format": 3, "axes": axes}


def test_a_model_of_format_3_is_read_and_marked_as_of_an_earlier_version() -> None:
    scales = tuple(replace(scale, measure="n_orders") for scale in GROUPS.scales[:1])
    partition = replace(GROUPS.partition, centroids=((-1.0,), (1.0,)))  # type: ignore[type-var]
    old = replace(GROUPS, scales=scales, partition=partition, priors=None)
    model = replace(MODEL, axes=(old,))
    again = model_of(_as_format_3(json.loads(model.to_json())))
    assert again == model
    assert again.axes[0].definition == ""


def test_the_state_of_an_axis_without_a_last_rule_is_in_its_vocabulary() -> None:
    assert CADENCE.vocabulary()[-1] == "no_fixed_time"
    assert CADENCE.vocabulary()[:-2] == tuple(segment.name for segment in CADENCE.segments)
    assert TRAJECTORY.vocabulary() == (
        "lapsed",
        "growing",
        "declining",
        "steady",
        "too_early_to_tell",
    )
