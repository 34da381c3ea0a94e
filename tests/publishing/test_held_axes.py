"""An axis that a run holds back: its customers keep their segments, on a real database."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from segpipe.core.report import LoadInfo
from segpipe.postgres import Connection
from segpipe.runs import HeldBefore
from tests.support.moving_customers import APRIL, AXES, MARCH, MAY, TREND, VALUE, Customer, Shop


@pytest.fixture
def shop(database: Connection) -> Shop:
    return Shop(database)


def _segments(database: Connection, axis: str) -> dict[str, tuple[str, float]]:
    rows = database.execute(
        "SELECT customer_id, segment_memberships->>%s, membership_strengths->>%s"
        " FROM current_profiles",
        [axis, axis],
    ).fetchall()
    return {customer: (segment, float(strength)) for customer, segment, strength in rows}


@pytest.mark.parametrize("is_repeated", [False, True])
def test_customers_keep_the_segment_that_they_have_and_new_ones_get_the_models(
    shop: Shop, database: Connection, *, is_repeated: bool
) -> None:
    shop.publish({"a": Customer("mid_tier"), "b": Customer("whale")}, MARCH)
    database.execute(
        "UPDATE customer_profiles SET membership_strengths = membership_strengths || %s::jsonb",
        [f'{{"{VALUE}": 0.25}}'],
    )
    now = {
        "a": Customer("whale", "declining", n_orders=9),
        "b": Customer("low_value", n_orders=9),
        "new": Customer("low_value"),
    }
    found = shop.publish(now, APRIL, is_repeated=is_repeated, kept_axes=(VALUE,), held_axes=[VALUE])
    assert _segments(database, VALUE) == {
        "a": ("mid_tier", 0.25),
        "b": ("whale", 0.25),
        "new": ("low_value", 0.5),
    }
    assert {customer: s for customer, (s, _) in _segments(database, TREND).items()} == {
        "a": "declining",
        "b": "steady",
        "new": "steady",
    }
    assert [(t.axis, t.to_segment) for t in found.transitions] == [(TREND, "declining")]
    counts = database.execute(
        "SELECT segment, n_customers FROM segment_counts WHERE run_id = %s AND axis = %s",
        [found.run_id, VALUE],
    ).fetchall()
    assert sorted(counts) == [("low_value", 1), ("mid_tier", 1), ("whale", 1)]
    assert shop.remembered("a")[0] == {TREND: "steady"}


def test_profiles_are_read_in_pieces(
    shop: Shop, database: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("segpipe.publishing.copied_columns._PIECE_BYTES", 100)
    names = ("low_value", "mid_tier", "whale")
    before = {f'"{n}",\n': Customer(names[n % 3]) for n in range(50)}
    shop.publish(before, MARCH)
    now = dict.fromkeys([*before, "new"], Customer("high_value", n_orders=9))
    shop.publish(now, APRIL, kept_axes=(VALUE,), held_axes=[VALUE])
    found = {customer: segment for customer, (segment, _) in _segments(database, VALUE).items()}
    assert found == {**{c: row.segment for c, row in before.items()}, "new": "high_value"}


HELD_SINCE_MARCH = HeldBefore(frozenset({VALUE}), MARCH)


def _causes(found: LoadInfo) -> dict[tuple[str, str], str]:
    return {(t.axis, t.to_segment): t.cause for t in found.transitions}


def test_the_moves_come_with_the_next_run(shop: Shop, database: Connection) -> None:
    shop.publish({"a": Customer("mid_tier")}, MARCH)
    moved = {"a": Customer("whale", n_orders=9, last_order=date(2025, 3, 20))}
    shop.publish(moved, APRIL, kept_axes=(VALUE,), held_axes=[VALUE])
    found = shop.publish(moved, MAY, kept_axes=(VALUE,), held_before=HELD_SINCE_MARCH)
    (transition,) = found.transitions
    assert (transition.from_segment, transition.to_segment) == ("mid_tier", "whale")
    assert transition.cause == "behaviour"
    assert _segments(database, VALUE) == {"a": ("whale", 0.5)}


def test_a_move_that_was_held_back_is_by_time_without_an_order_or_ticket(shop: Shop) -> None:
    shop.publish({"a": Customer(), "b": Customer(), "c": Customer()}, MARCH)
    moved = {
        "a": Customer("whale"),
        "b": Customer("low_value"),
        "c": Customer("high_value", n_orders=5),  # entered late, for a day before March
    }
    shop.publish({**moved, "c": Customer()}, APRIL, kept_axes=(VALUE,), held_axes=[VALUE])
    held_before = replace(HELD_SINCE_MARCH, with_ticket=frozenset({"b"}))
    found = shop.publish(moved, MAY, kept_axes=(VALUE,), held_before=held_before)
    assert _causes(found) == {
        (VALUE, "whale"): "time",
        (VALUE, "low_value"): "behaviour",
        (VALUE, "high_value"): "behaviour",
    }


def test_only_the_axes_that_were_held_back_look_back_further(shop: Shop) -> None:
    shop.publish({"a": Customer(last_order=date(2025, 2, 1))}, MARCH)
    ordered = Customer("whale", n_orders=5, last_order=date(2025, 3, 20))
    shop.publish({"a": ordered}, APRIL, kept_axes=AXES, held_axes=[VALUE])
    later = {"a": replace(ordered, trend="declining")}
    found = shop.publish(later, MAY, kept_axes=AXES, held_before=HELD_SINCE_MARCH)
    assert _causes(found) == {(VALUE, "whale"): "behaviour", (TREND, "declining"): "time"}


def test_a_customer_who_was_new_while_the_axis_was_held_back_had_the_models_segment(
    shop: Shop,
) -> None:
    shop.publish({"a": Customer()}, MARCH)
    new = Customer(last_order=date(2025, 3, 20))
    shop.publish({"a": Customer(), "new": new}, APRIL, kept_axes=AXES, held_axes=[VALUE])
    later = {"a": Customer(), "new": replace(new, segment="low_value")}
    found = shop.publish(later, MAY, kept_axes=AXES, held_before=HELD_SINCE_MARCH)
    assert _causes(found) == {(VALUE, "low_value"): "time"}


def test_the_same_date_again_counts_the_time_since_the_run_before(shop: Shop) -> None:
    shop.publish({"a": Customer()}, MARCH)
    moved = {"a": Customer("whale")}
    shop.publish(moved, APRIL, kept_axes=AXES, held_axes=[VALUE])
    found = shop.publish(
        moved, APRIL, is_repeated=True, kept_axes=AXES, held_before=HELD_SINCE_MARCH
    )
    assert _causes(found) == {(VALUE, "whale"): "time"}


def test_a_store_without_profiles_has_nothing_to_hold(shop: Shop, database: Connection) -> None:
    shop.publish({"a": Customer("whale")}, MARCH, held_axes=[VALUE])
    assert _segments(database, VALUE) == {"a": ("whale", 0.5)}


def test_the_score_is_held_back_with_the_axis_rfm_alone(database: Connection) -> None:
    shop = Shop(database, axes=(VALUE, "rfm"))
    shop.publish({"a": Customer(rfm_score="543"), "b": Customer()}, MARCH)
    now = {name: Customer(n_orders=9, rfm_score="111") for name in ("a", "b", "new")}
    for held, expected in (("rfm", ("543", None, "111")), (VALUE, ("111", "111", "111"))):
        shop.publish(now, APRIL, kept_axes=(held,), held_axes=[held])
        rows = database.execute(
            "SELECT rfm_score FROM current_profiles ORDER BY customer_id"
        ).fetchall()
        assert tuple(score for (score,) in rows) == expected
