"""Model documents that somebody has damaged: each is refused, and nobody is assigned nonsense."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from segpipe.axes import Condition
from segpipe.core.errors import InputError
from segpipe.model.document import model_of, raw_measures_of
from tests.support.axis_models import AXES, FREQUENCY, PRIORS, WIDTH
from tests.support.axis_models import model_of as made_model

FIRST = replace(
    FREQUENCY,
    made_shares=(0.3, 0.5, 0.2),
    segments=tuple(
        replace(segment, holds=(Condition("occasions_per_month", "below", 0.3),))
        for segment in FREQUENCY.segments
    ),
)
OLDER = replace(PRIORS, median_gap_days=28.5)
MODEL = made_model([FIRST, *AXES, replace(WIDTH, name="kept", priors=OLDER)])


def _rules_of(document: dict[str, Any], axis: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = document["axes"][axis]["rules"]
    return found


def _with_a_rule_without_a_segment(document: dict[str, Any]) -> None:
    _rules_of(document)["rules"][0]["segment"] = 7


def _with_a_negative_segment(document: dict[str, Any]) -> None:
    _rules_of(document)["rules"][0]["segment"] = -1


def _with_cuts_that_fall(document: dict[str, Any]) -> None:
    _rules_of(document)["ladder"]["cuts"] = [1.0, 0.4]


def _with_a_cut_twice(document: dict[str, Any]) -> None:
    _rules_of(document)["ladder"]["cuts"] = [0.4, 0.4]


def _with_a_cut_that_is_no_number(document: dict[str, Any]) -> None:
    _rules_of(document)["ladder"]["cuts"] = [0.4, float("nan")]


def _with_a_fill_that_is_no_number(document: dict[str, Any]) -> None:
    _rules_of(document)["ladder"]["fill"] = float("inf")


def _with_a_rank_that_is_no_number(document: dict[str, Any]) -> None:
    _rules_of(document)["ladder"]["ranks"][0][1] = float("nan")


def _without_ranks(document: dict[str, Any]) -> None:
    _rules_of(document)["ladder"]["ranks"] = []


def _with_a_bound_that_is_no_number(document: dict[str, Any]) -> None:
    _rules_of(document, 5)["rules"][0]["any_of"][0][0]["bound"] = float("nan")


def _with_a_side_that_is_none(document: dict[str, Any]) -> None:
    _rules_of(document, 5)["rules"][0]["any_of"][0][0]["side"] = "beside"


def _with_a_claim_that_is_no_number(document: dict[str, Any]) -> None:
    document["axes"][0]["segments"][0]["holds"][0]["bound"] = float("nan")


def _with_priors_that_are_not_there(document: dict[str, Any]) -> None:
    document["axes"][0]["priors"] = 9


def _with_a_day_that_is_none(document: dict[str, Any]) -> None:
    document["axes"][0]["made_on"] = "31 February"


def _with_a_foreign_key(document: dict[str, Any]) -> None:
    _rules_of(document)["rules"][0]["surprise"] = 1


def _without_rules(document: dict[str, Any]) -> None:
    _rules_of(document)["rules"] = []


def _with_an_unknown_eligibility(document: dict[str, Any]) -> None:
    document["axes"][0]["eligibility"][0]["measure"] = "expected_nonsense"


def _with_an_unknown_only(document: dict[str, Any]) -> None:
    document["axes"][0]["eligibility"][0]["only"] = [
        {"measure": "expected_nonsense", "side": "below", "bound": 1.0, "learnt": None}
    ]


def _with_an_eligibility_without_a_bound(document: dict[str, Any]) -> None:
    document["axes"][0]["eligibility"][0]["at_least"] = float("nan")


def _with_an_unknown_condition(document: dict[str, Any]) -> None:
    _rules_of(document, 5)["rules"][0]["any_of"][0][0]["measure"] = "mostly_nonsense_chance"


def _with_an_unknown_chance(document: dict[str, Any]) -> None:
    _rules_of(document, 5)["rules"][0]["chance"] = "mostly_nonsense_chance"


def _with_a_derived_measure_of_another_version(document: dict[str, Any]) -> None:
    known = document["measures"]["mostly_nov_dec_chance"]
    document["measures"]["mostly_newer_chance"] = {**known, "name": "mostly_newer_chance"}
    _rules_of(document, 5)["rules"][0]["chance"] = "mostly_newer_chance"


def _with_a_segment_twice(document: dict[str, Any]) -> None:
    document["axes"][0]["segments"][1]["name"] = document["axes"][0]["segments"][0]["name"]


def _with_ladder_figures_that_fall(document: dict[str, Any]) -> None:
    _rules_of(document)["ladder"]["ranks"].reverse()


def _with_a_ladder_figure_twice(document: dict[str, Any]) -> None:
    ranks = _rules_of(document)["ladder"]["ranks"]
    ranks[1][0] = ranks[0][0]


def _with_ladder_shares_that_fall(document: dict[str, Any]) -> None:
    ranks = _rules_of(document)["ladder"]["ranks"]
    ranks[1][1], ranks[2][1] = ranks[2][1], ranks[1][1]


def _with_measures_that_are_a_list(document: dict[str, Any]) -> None:
    document["measures"] = []


def _with_a_bound_beyond_all_numbers(document: dict[str, Any]) -> None:
    _rules_of(document, 5)["rules"][0]["any_of"][0][0]["bound"] = 10**400


def test_a_raw_measure_of_another_version_is_read_where_the_document_describes_it() -> None:
    document = json.loads(MODEL.to_json())
    _rules_of(document, 5)["rules"][4]["any_of"][0][0]["measure"] = "n_brands"
    with pytest.raises(InputError, match="'n_brands' is no measure"):
        model_of(document)
    document["measures"]["n_brands"] = {**document["measures"]["n_orders"], "name": "n_brands"}
    assert "n_brands" in raw_measures_of(model_of(document).axes)


@pytest.mark.parametrize(
    "damage",
    [
        _with_a_rule_without_a_segment,
        _with_a_negative_segment,
        _with_cuts_that_fall,
        _with_a_cut_twice,
        _with_a_cut_that_is_no_number,
        _with_a_fill_that_is_no_number,
        _with_a_rank_that_is_no_number,
        _without_ranks,
        _with_a_bound_that_is_no_number,
        _with_a_side_that_is_none,
        _with_a_claim_that_is_no_number,
        _with_priors_that_are_not_there,
        _with_a_day_that_is_none,
        _with_a_foreign_key,
        _without_rules,
        _with_an_unknown_eligibility,
        _with_an_unknown_only,
        _with_an_eligibility_without_a_bound,
        _with_an_unknown_condition,
        _with_an_unknown_chance,
        _with_a_derived_measure_of_another_version,
        _with_a_segment_twice,
        _with_ladder_figures_that_fall,
        _with_a_ladder_figure_twice,
        _with_ladder_shares_that_fall,
        _with_measures_that_are_a_list,
        _with_a_bound_beyond_all_numbers,
    ],
)
def test_a_damaged_document_is_refused_in_words(damage: Callable[[dict[str, Any]], None]) -> None:
    document = json.loads(MODEL.to_json())
    damage(document)
    _refused(document)


def _refused(document: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"is damaged .*; run discovery again"):
        model_of(document)


@pytest.mark.parametrize("tier", [3, -1, 1.0, True, "1"])
def test_a_tier_outside_its_ladder_is_refused(tier: object) -> None:
    document = json.loads(MODEL.to_json())
    _rules_of(document)["rules"][0]["tier"] = tier
    _refused(document)


def test_a_tier_without_a_ladder_is_refused() -> None:
    document = json.loads(MODEL.to_json())
    _rules_of(document, 5)["rules"][0]["tier"] = 0
    _refused(document)


@pytest.mark.parametrize("segment", [1.0, True, "1", None])
def test_a_segment_that_is_no_index_is_refused(segment: object) -> None:
    document = json.loads(MODEL.to_json())
    _rules_of(document)["rules"][0]["segment"] = segment
    _refused(document)


@pytest.mark.parametrize("index", [-1, 2, 0.0, True, "0", [0]])
def test_an_index_of_priors_that_is_none_is_refused(index: object) -> None:
    document = json.loads(MODEL.to_json())
    document["axes"][0]["priors"] = index
    _refused(document)


@pytest.mark.parametrize("figure", [float("nan"), float("inf"), "3", None])
@pytest.mark.parametrize(
    ("kind", "name", "part"),
    [
        ("shares", "weekend", "z"),
        ("shares", "weekend", "mean"),
        ("rates", "occasions", "z"),
        ("means", "satisfaction", "z"),
        ("means", "satisfaction", "mean"),
    ],
)
def test_a_prior_that_is_no_number_is_refused(
    kind: str, name: str, part: str, figure: object
) -> None:
    document = json.loads(MODEL.to_json())
    document["priors"][0][kind][name][part] = figure
    _refused(document)


@pytest.mark.parametrize(
    "shares",
    [[0.5, 0.5], [0.2, 0.3, 0.3, 0.2], [0.3, 0.5, float("nan")], [0.3, 0.5, "0.2"], [1.3, -0.5, 0]],
)
def test_shares_that_are_not_those_of_the_segments_are_refused(shares: list[object]) -> None:
    document = json.loads(MODEL.to_json())
    document["axes"][0]["made_shares"] = shares
    _refused(document)


@pytest.mark.parametrize("ranks", [[0.8, 0.3], [-0.1, 0.8], [0.3, 1.2]])
def test_ranks_of_cuts_that_are_no_rising_shares_are_refused(ranks: list[float]) -> None:
    document = json.loads(MODEL.to_json())
    _rules_of(document)["ladder"]["cut_ranks"] = ranks
    _refused(document)
