"""The current segments stay while customers do not change; what customers do replaces them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from segpipe.axes import RAW_MEASURES, Condition
from segpipe.core import decisions
from segpipe.core.arrays import Floats
from segpipe.discovery.champion import definition_of
from segpipe.discovery.sampling import Sample
from segpipe.model.assign import Tally, assign_axis
from tests.support.months import (
    KEPT,
    MONTHS,
    VALUE,
    cause_of,
    cloud,
    cuts_of,
    far_apart,
    names_of,
    run_month,
    values_of,
)
from tests.support.samples import sample_of


def test_the_first_run_makes_segments_and_says_when() -> None:
    found = run_month(values_of(cloud()))
    assert cause_of(found) == ("new", None, None)
    assert found.model.verdict == "tiers"
    assert found.model.made_on == MONTHS[0]
    assert sum(found.model.made_shares) == pytest.approx(1.0)
    assert found.model.definition == definition_of(VALUE, "auto", found.model.verdict)
    assert found.events == ()


@pytest.mark.parametrize("logs", [cloud(), far_apart(3.0, 7.0)], ids=["tiers", "groups"])
def test_a_kept_axis_has_the_same_ids_names_cuts_and_priors(logs: Floats) -> None:
    first = run_month(values_of(logs))
    later = values_of(logs + np.random.default_rng(3).normal(0, 0.1, len(logs)))
    kept = run_month(later, first, 1)
    assert cause_of(kept) == KEPT
    assert names_of(kept) == names_of(first)
    for part in ("rules", "partition", "scales", "priors", "eligibility", "made_on", "made_shares"):
        assert getattr(kept.model, part) == getattr(first.model, part), part
    assert [event.kind for event in kept.events] == ["kept"] * len(kept.model.segments)
    assert [s.medians for s in kept.model.segments] != [s.medians for s in first.model.segments]


@pytest.mark.parametrize("logs", [cloud(), far_apart(3.0, 7.0)], ids=["tiers", "groups"])
def test_a_kept_axis_assigns_everybody_as_before(logs: Floats) -> None:
    first = run_month(values_of(logs))
    later = values_of(logs + 0.1)
    kept = run_month(later, first, 1)
    columns = {name: later.customers[name].to_numpy() for name in RAW_MEASURES}
    before = assign_axis(first.model, columns, len(logs), Tally())
    after = assign_axis(kept.model, columns, len(logs), Tally())
    assert np.array_equal(before[0], after[0])
    assert np.array_equal(before[1], after[1])


def test_the_same_month_again_changes_nothing() -> None:
    first = run_month(values_of(cloud()))
    again = run_month(values_of(cloud()), first, 0, since=0)
    assert cause_of(again) == KEPT
    assert again.model == first.model


def test_what_was_tried_is_reported_whatever_is_kept() -> None:
    first = run_month(values_of(cloud()))
    kept = run_month(values_of(cloud()), first, 1)
    assert [c.n_clusters for c in kept.candidates] == [2, 3, 4]
    assert kept.best_k == first.best_k
    assert kept.best_silhouette is not None
    assert kept.valley is not None


def test_cuts_are_renewed_where_many_have_come_to_other_tiers() -> None:
    first = run_month(values_of(cloud()))
    stays = run_month(values_of(cloud() + 0.3), first, 1)
    assert cause_of(stays) == KEPT
    moved = run_month(values_of(cloud() + 1.0), first, 1)
    assert cause_of(moved) == ("replaced", decisions.DRIFT, None)
    assert "2025-01-01" in moved.decision.text
    assert set(names_of(moved).values()) <= {"low", "mid", "top"}
    ids = {name: number for number, name in names_of(first).items()}
    assert all(ids[name] == number for number, name in names_of(moved).items() if name in ids)
    assert all(new > old for new, old in zip(cuts_of(moved), cuts_of(first), strict=True))
    assert moved.model.made_on == MONTHS[1]


def test_drift_counts_from_when_the_cuts_were_made() -> None:
    """Steps of a quarter of a deviation: none is a drift, three of them together are."""
    found = run_month(values_of(cloud()))
    causes = []
    for month in range(1, 5):
        found = run_month(values_of(cloud() + 0.25 * month), found, month)
        causes.append(found.decision.cause)
    assert causes[0] is None
    assert decisions.DRIFT in causes


def test_drift_renews_bounds_even_where_there_would_be_groups() -> None:
    first = run_month(values_of(cloud()))
    moved = run_month(values_of(far_apart(7.0, 10.0)), first, 1)
    assert cause_of(moved) == ("replaced", decisions.DRIFT, None)
    assert moved.model.verdict == "tiers"


def test_an_empty_group_is_a_cause() -> None:
    first = run_month(values_of(far_apart(3.0, 7.0)))
    assert first.model.verdict == "groups"
    gone = run_month(values_of(far_apart(3.0, n=1000)), first, 1)
    assert cause_of(gone) == ("replaced", decisions.EMPTY, None)
    assert gone.model.verdict == "tiers"


@pytest.mark.parametrize(("share_true", "cause"), [(0.75, None), (0.6, decisions.CLAIM)])
def test_a_name_stays_while_seven_in_ten_meet_it(share_true: float, cause: str | None) -> None:
    axis = replace(
        VALUE,
        tiers=(*VALUE.tiers[:2], replace(VALUE.tiers[2], top=1.0)),
    )
    also = (Condition("n_orders", "at_least", 3.0),)
    axis = replace(axis, tiers=(axis.tiers[0], replace(axis.tiers[1], also=also), axis.tiers[2]))
    logs = far_apart(3.0, 7.0)
    first = run_month(values_of(logs), axis=axis)
    assert first.model.verdict == "groups"
    assert "mid" in names_of(first).values()
    orders = np.full(len(logs), 4.0)
    orders[500 : 500 + round(500 * (1 - share_true))] = 1.0
    later = sample_of({"lifetime_value": np.exp(logs), "n_orders": orders})
    found = run_month(later, first, 1, axis=axis)
    assert found.decision.cause == cause


Two = tuple[Sample, Sample]


def _no_longer_separate() -> Two:
    """A single cloud, so wide that both names hold of most customers."""
    return values_of(far_apart(3.0, 7.0)), values_of(5.5 + 1.6 * cloud(middle=0.0))


def _better() -> Two:
    return values_of(far_apart(2.0, 7.0)), values_of(far_apart(2.0, 6.0, 9.0))


def _new_groups() -> Two:
    """The middle of the cloud parts, and nobody comes to another tier."""
    logs = cloud() - 5.0
    cuts = np.log(cuts_of(run_month(values_of(logs + 5.0)))) - 5.0
    low, high = max(cuts[cuts < 0], default=-1.0), min(cuts[cuts > 0], default=1.0)
    inside = (logs > low) & (logs < high)
    apart = np.where(logs < 0, low + (logs - low) * 0.2, high + (logs - high) * 0.2)
    return values_of(logs + 5.0), values_of(np.where(inside, apart, logs) + 5.0)


TWICE: list[tuple[Callable[[], Two], str, str, str]] = [
    (_no_longer_separate, decisions.NOT_SEPARATE, "groups", "tiers"),
    (_better, decisions.BETTER, "groups", "groups"),
    (_new_groups, decisions.NEW_GROUPS, "tiers", "groups"),
]


@pytest.mark.parametrize(("samples", "cause", "before", "after"), TWICE)
def test_some_causes_must_be_found_in_two_runs_in_a_row(
    samples: Callable[[], Two], cause: str, before: str, after: str
) -> None:
    then, now = samples()
    first = run_month(then)
    assert first.model.verdict == before
    held = run_month(now, first, 1)
    assert cause_of(held) == ("kept", None, cause)
    assert held.decision.text
    assert held.model.pending == cause
    assert (held.model.rules, held.model.partition) == (first.model.rules, first.model.partition)
    replaced = run_month(now, held, 2)
    assert cause_of(replaced) == ("replaced", cause, None)
    assert replaced.model.verdict == after
    assert replaced.model.pending is None
    assert replaced.model.made_on == MONTHS[2]
    calm = run_month(now, replaced, 3)
    assert cause_of(calm) == KEPT


@pytest.mark.parametrize(("samples", "cause", "before", "after"), TWICE)
def test_a_rerun_of_the_same_date_confirms_nothing(
    samples: Callable[[], Two], cause: str, before: str, after: str
) -> None:
    then, now = samples()
    held = run_month(now, run_month(then), 1)
    again = run_month(now, held, 1, since=1)
    assert cause_of(again) == ("kept", None, cause)
    earlier = run_month(now, again, 0, since=1)
    assert cause_of(earlier) == ("kept", None, cause)
    assert before != after or cause == decisions.BETTER


@pytest.mark.parametrize(("samples", "cause", "before", "after"), TWICE)
def test_a_cause_that_is_gone_in_the_next_run_is_forgotten(
    samples: Callable[[], Two], cause: str, before: str, after: str
) -> None:
    then, now = samples()
    held = run_month(now, run_month(then), 1)
    back = run_month(then, held, 2)
    assert cause_of(back) == KEPT
    assert back.model.pending is None
    assert cause_of(run_month(now, back, 3)) == ("kept", None, cause)
    assert {before, after} <= {"groups", "tiers"}
