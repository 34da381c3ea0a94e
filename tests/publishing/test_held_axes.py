"""An axis that a run holds back: its customers keep their segments, on a real database."""

from __future__ import annotations

import pytest

from segpipe.postgres import Connection
from tests.support.moving_customers import APRIL, MARCH, MAY, TREND, VALUE, Customer, Shop


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


def test_the_moves_come_with_the_next_run(shop: Shop, database: Connection) -> None:
    shop.publish({"a": Customer("mid_tier")}, MARCH)
    moved = {"a": Customer("whale", n_orders=9)}
    shop.publish(moved, APRIL, kept_axes=(VALUE,), held_axes=[VALUE])
    (transition,) = shop.publish(moved, MAY, kept_axes=(VALUE,)).transitions
    assert (transition.from_segment, transition.to_segment) == ("mid_tier", "whale")
    assert _segments(database, VALUE) == {"a": ("whale", 0.5)}


def test_a_store_without_profiles_has_nothing_to_hold(shop: Shop, database: Connection) -> None:
    shop.publish({"a": Customer("whale")}, MARCH, held_axes=[VALUE])
    assert _segments(database, VALUE) == {"a": ("whale", 0.5)}
