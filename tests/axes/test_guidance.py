"""Guidance: every segment has a text of its own, and every state is described."""

from __future__ import annotations

import pytest

from segpipe.axes import AXES, MEASURES, Axis, Condition, Eligibility
from segpipe.axes.catalogue import read_axis, shipped_axes
from segpipe.axes.figures import describe_value, format_value
from segpipe.axes.guidance import ANY_AXIS, COMPOSED, describe_state, guidance_for, guided_axes
from segpipe.axes.phrases import PHRASES
from segpipe.axes.support import SUPPORT_HISTORY
from segpipe.core.resources import resource
from segpipe.core.toml_records import read_toml

ALL = (*AXES, SUPPORT_HISTORY, *map(read_axis, shipped_axes().values()))
STATES_OF_ANY = ["unavailable"]


def _names(axis: Axis) -> set[str]:
    names = {part.name for part in axis.prototypes} | {part.name for part in axis.tiers}
    names |= {part.name for part in axis.rules} | {part.name for part in axis.otherwise}
    return names | {rule.state for rule in axis.eligibility}


def _lines(guidance: dict[str, dict[str, str]]) -> list[str]:
    assert set(guidance) == {"strategy", "marketing", "support"}
    assert set(guidance["marketing"]) == set(guidance["support"]) == {"do", "dont"}
    return [*guidance["marketing"].values(), *guidance["support"].values()]


def test_the_axes_of_the_catalogue_have_texts_and_no_others() -> None:
    assert guided_axes() == sorted(axis.name for axis in ALL)


@pytest.mark.parametrize("axis", ALL, ids=lambda axis: axis.name)
def test_every_segment_and_state_has_an_entry_and_no_entry_is_orphaned(axis: Axis) -> None:
    entries = read_toml(resource("config", "guidance", f"{axis.name}.toml"), "guidance")
    assert set(entries) - {COMPOSED} == _names(axis)


@pytest.mark.parametrize("axis", ALL, ids=lambda axis: axis.name)
def test_texts_are_short_and_no_two_segments_share_a_strategy(axis: Axis) -> None:
    names = [*sorted(_names(axis)), *STATES_OF_ANY, "high_orders_low_recency"]
    every = [guidance_for(axis.name, name) for name in names]
    assert len({guidance["strategy"] for guidance in every}) == len(every)
    for guidance in every:
        assert guidance["strategy"].endswith(".")
        assert guidance["strategy"][0].isupper()
        for line in _lines(guidance):
            assert line[0].islower()
            assert not line.endswith(".")
        assert all(10 < len(text) <= 140 for text in (guidance["strategy"], *_lines(guidance)))


def test_a_composed_name_gets_the_text_of_its_axis_with_its_deviations() -> None:
    strategy = guidance_for("purchase_cadence", "high_business_hours_low_evening")["strategy"]
    assert strategy == "Time contact by the figures (business hours high, evening low)."


def test_an_axis_of_the_user_gets_the_general_text() -> None:
    champion = guidance_for("my_axis", "champion")
    assert "(in their description)" in champion["strategy"]
    assert champion["support"]["dont"] == "tell customers which segment they are in"
    assert guidance_for("../../pyproject", "champion") == champion
    assert guidance_for(ANY_AXIS, "champion") == champion


def test_a_changed_text_does_not_change_the_next_one() -> None:
    guidance_for("purchase_value", "whale")["marketing"]["do"] = "changed"
    assert guidance_for("purchase_value", "whale")["marketing"]["do"] != "changed"


@pytest.mark.parametrize(
    ("state", "rules", "reason", "expected"),
    [
        (
            "one_time_buyer",
            (Eligibility("n_orders", 2, "one_time_buyer"),),
            "ignored",
            "Fewer than 2 orders so far.",
        ),
        (
            "careful_buyer",
            (Eligibility("n_refunded_lines", 1, "careful_buyer"),),
            None,
            "No refunded lines so far.",
        ),
        (
            "small",
            (Eligibility("lifetime_value", 1000, "small"), Eligibility("n_orders", 3, "small")),
            None,
            "Lifetime value below 1,000, or not known, or fewer than 3 orders so far.",
        ),
        (
            "unavailable",
            (),
            "no refund in the input",
            "The axis has no answer: no refund in the input.",
        ),
        (
            "full_price_buyer",
            (
                Eligibility(
                    "n_discounted_orders",
                    1,
                    "full_price_buyer",
                    only=(Condition("n_orders", "at_least", 3),),
                ),
            ),
            None,
            "No discounted orders so far, with 3 or more orders.",
        ),
        (
            "no_value",
            (Eligibility("lifetime_value", 0.0001, "no_value"),),
            None,
            "No lifetime value above 0.",
        ),
        (
            "too_few_tickets",
            (),
            None,
            "Too few tickets so far: no name of the axis is sure enough.",
        ),
        ("other", (), None, "Not eligible on this axis."),
    ],
)
def test_a_state_is_described_by_what_its_customers_have_in_common(
    state: str, rules: tuple[Eligibility, ...], reason: str | None, expected: str
) -> None:
    assert describe_state(state, rules, MEASURES.__getitem__, reason) == expected


def test_every_measure_has_a_phrase_with_one_figure() -> None:
    assert set(PHRASES) == set(MEASURES)
    for phrase in PHRASES.values():
        assert phrase.count("{}") == 1
        assert phrase[0].islower()


@pytest.mark.parametrize(
    ("measure", "value", "expected"),
    [
        ("mean_gap_days", 21.4, "21"),
        ("mean_gap_days", 3.44, "3.4"),
        ("discounted_order_share", 0.004, "0.4%"),
        ("discounted_order_share", 0.404, "40%"),
        ("discounted_order_share", 0.996, "99.6%"),
        ("discounted_order_share", 0.0004, "<0.1%"),
        ("discounted_order_share", 0.0, "0%"),
        ("lifetime_value", 1204.4, "1,204"),
        ("lifetime_value", 64.5, "64.50"),
        ("lifetime_value", -0.001, "0"),
        ("orders_per_month", 0.03, "0.03"),
        ("gap_regularity", 0.744, "0.74"),
        ("order_rate_log_ratio", 0.3365, "1.40 times"),
        ("gap_trend", -0.04, "-4%"),
        ("order_value_trend", 0.03, "+3%"),
        ("satisfaction_mean", 3.84, "3.8"),
        ("n_orders", float("nan"), "unknown"),
    ],
)
def test_a_figure_is_formatted_by_its_unit(measure: str, value: float, expected: str) -> None:
    assert format_value(value, MEASURES[measure]) == expected


@pytest.mark.parametrize(
    ("value", "figure"),
    [(0.0, "0%"), (0.0001, "less than 1%"), (0.004, "less than 1%"), (0.04, "4%")],
)
def test_a_sentence_does_not_round_a_small_chance_to_nothing(value: float, figure: str) -> None:
    text = describe_value(value, MEASURES["discounted_order_share"])
    assert text == f"has a discount on {figure} of orders"
