"""Rules: the first that holds gives the segment, with a strength; one customer as among many."""

from __future__ import annotations

import json
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segpipe.axes import AXES, Condition
from segpipe.axes.record import Side
from segpipe.core.arrays import Floats
from segpipe.model.assign import Tally, assign_axis
from segpipe.model.derived import inputs_of
from segpipe.model.document import AxisModel, measures_of
from segpipe.model.rules import Ladder, RuleList, SegmentRule, meets, rule_list_of
from tests.support.axis_models import AXES as MADE
from tests.support.axis_models import axis_model
from tests.support.samples import discover_one, sample_of

OFTEN = Condition("n_orders", "at_least", 10.0)
LATELY = Condition("recency_days", "below", 30.0)
RULES = RuleList(
    (
        SegmentRule(1, ((OFTEN, LATELY),)),
        SegmentRule(0, ((OFTEN,), (LATELY,))),
    )
)
CUTS = (10.0, 40.0)
RANKS = ((0.0, 0.0), (10.0, 0.3), (40.0, 0.8), (100.0, 1.0))
LADDER = Ladder("n_orders", 20.0, CUTS, (0.3, 0.8), RANKS)
TIERS = RuleList(
    (
        SegmentRule(2, ((Condition("n_orders", "at_least", 40.0),),), tier=2),
        SegmentRule(1, ((Condition("n_orders", "at_least", 10.0),),), tier=1),
        SegmentRule(0, (), tier=0),
    ),
    LADDER,
)
NAN = float("nan")


def _assigned(rules: RuleList, **columns: list[float]) -> tuple[list[int], list[float]]:
    labels, strengths = rules.assign({name: np.array(own) for name, own in columns.items()})
    return labels.tolist(), strengths.tolist()


def test_the_first_rule_that_holds_gives_the_segment() -> None:
    labels, strengths = _assigned(RULES, n_orders=[12, 12, 2, 2], recency_days=[5, 90, 5, 90])
    assert labels == [1, 0, 0, -1]
    assert strengths == [1.0, 1.0, 1.0, 1.0]
    backwards = RuleList(RULES.rules[::-1])
    assert _assigned(backwards, n_orders=[12], recency_days=[5])[0] == [0]


def test_a_customer_without_the_figure_meets_no_condition() -> None:
    for side in get_args(Side):
        bound = Condition("n_orders", side, 0.0)
        assert not meets([bound], {"n_orders": np.array([NAN])}, 1).any()
    labels, _ = _assigned(RULES, n_orders=[NAN, NAN, 12], recency_days=[5, NAN, NAN])
    assert labels == [0, -1, 0]


@pytest.mark.parametrize(
    ("side", "expected"),
    [
        ("at_least", [False, True, True]),
        ("above", [False, False, True]),
        ("below", [True, False, False]),
        ("at_most", [True, True, False]),
    ],
)
def test_a_bound_is_on_the_side_that_its_word_says(side: Side, expected: list[bool]) -> None:
    columns = {"n_orders": np.array([1.0, 2.0, 3.0])}
    assert meets([Condition("n_orders", side, 2.0)], columns, 3).tolist() == expected


def test_whom_no_rule_names_is_in_the_axis_state() -> None:
    axis = axis_model("own", ("some", "best"), RULES, default_state="nothing_known")
    columns = {"n_orders": np.array([12.0, 2.0]), "recency_days": np.array([5.0, 90.0])}
    codes, strengths = assign_axis(axis, columns, 2, Tally())
    assert [axis.vocabulary()[code] for code in codes] == ["best", "nothing_known"]
    assert strengths.tolist() == [1.0, 1.0]
    assert axis.has_default
    closed = axis_model("own", ("low", "middle", "high"), TIERS)
    assert not closed.has_default
    assert closed.vocabulary() == ("low", "middle", "high")


def test_a_tier_begins_at_its_cut() -> None:
    labels, strengths = _assigned(TIERS, n_orders=[9.99, 10, 39.99, 40, NAN, 1000])
    assert labels == [0, 1, 1, 2, 1, 2]
    assert strengths[1] == 0.0  # at a cut
    assert strengths[3] == 0.0
    assert strengths[-1] == 1.0


def test_in_the_middle_of_a_tier_by_rank_the_strength_is_one() -> None:
    middle = 25.0  # rank 0.55, halfway between 0.3 and 0.8
    (_, found) = _assigned(TIERS, n_orders=[middle, middle - 1e-9, middle + 1e-9, 0.0])
    assert found == pytest.approx([1.0, 1.0, 1.0, 1.0])
    assert _assigned(TIERS, n_orders=[17.5])[1] == pytest.approx([0.5])


@given(st.floats(0, 200), st.floats(-1e-6, 1e-6))
def test_within_a_tier_strength_has_no_step(figure: float, step: float) -> None:
    pair = [figure, abs(figure + step)]
    labels, strengths = _assigned(TIERS, n_orders=pair)
    assert all(0 <= strength <= 1 for strength in strengths)
    if labels[0] == labels[1]:
        assert strengths[0] == pytest.approx(strengths[1], abs=1e-5)
    else:
        assert max(strengths) < 1e-5


def test_a_chance_is_the_strength_and_its_complement_where_it_says_so() -> None:
    chance = Condition("mostly_weekend_chance", "at_least", 0.8)
    rules = RuleList((SegmentRule(0, ((chance,),), "mostly_weekend_chance"),))
    assert _assigned(rules, mostly_weekend_chance=[0.9, 0.8, 0.2, NAN]) == (
        [0, 0, -1, -1],
        [0.9, 0.8, 1.0, 1.0],
    )
    below = Condition("best_months_chance", "below", 0.05)
    rare = RuleList((SegmentRule(0, ((below,),), "best_months_chance", is_complement=True),))
    assert _assigned(rare, best_months_chance=[0.01])[1] == pytest.approx([0.99])


@pytest.mark.parametrize("axis", MADE, ids=lambda axis: axis.name)
def test_one_customer_has_the_bits_that_they_have_among_others(axis: AxisModel) -> None:
    columns = _measures(measures_of([axis]))
    codes, strengths = assign_axis(axis, columns, 400, Tally())
    assert len(set(codes.tolist())) > 1
    for row in range(0, 400, 7):
        own = {name: values[row : row + 1] for name, values in columns.items()}
        code, strength = assign_axis(axis, own, 1, Tally())
        assert (code[0], strength.tobytes()) == (codes[row], strengths[row : row + 1].tobytes())


def _measures(names: tuple[str, ...]) -> dict[str, Floats]:
    """400 customers with a consistent count of everything that the named measures need."""
    draw = np.random.default_rng(9)
    n_orders = draw.poisson(6, 400) + 1.0
    columns = {}
    for name in inputs_of(names):
        if name.startswith("n_"):
            columns[name] = np.floor(n_orders * draw.uniform(0, 1, 400))
        elif name.endswith("_share"):
            columns[name] = draw.uniform(0, 1, 400)
        else:
            columns[name] = draw.lognormal(4, 1, 400)
    columns["n_orders"] = n_orders
    columns["n_occasions"] = n_orders
    columns["n_lines"] = n_orders * 3
    if "recency_days" in columns:
        columns["tenure_days"] = columns["recency_days"] + draw.uniform(0, 500, 400)
    return columns


def test_a_learnt_bound_is_that_of_everybody_and_never_below_its_least() -> None:
    """`mature`: at least as many days with an order as 60 % of customers past 90 days, and four."""
    (axis,) = [axis for axis in AXES if axis.name == "customer_maturity"]
    for occasions, bound in ((np.arange(1.0, 101.0), 68.0), (np.tile([1.0, 2.0], 50), 4.0)):
        tenure = np.where(np.arange(100) < 20, 50.0, 500.0)  # the first 20 are new
        columns = {"n_occasions": occasions, "tenure_days": tenure}
        columns["recency_days"] = np.full(100, 10.0)
        model = discover_one(axis, sample_of(columns))
        assert model.rules
        (rule,) = [r for r in model.rules.rules if model.segments[r.segment].name == "mature"]
        (found,) = [c.bound for part in rule.any_of for c in part if c.measure == "n_occasions"]
        assert found == bound
        assert all(c.learnt is None for r in model.rules.rules for part in r.any_of for c in part)


@pytest.mark.parametrize("rules", [RULES, TIERS], ids=["rules", "tiers"])
def test_through_json_rules_are_the_same_to_the_bit(rules: RuleList) -> None:
    assert rule_list_of(json.loads(json.dumps(rules.document()))) == rules
