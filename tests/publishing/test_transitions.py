"""Who moved, why, and the history of a profile: by hand on few customers, and against SQL."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

from segpipe import publishing, runs
from segpipe.core.errors import DatabaseError
from segpipe.core.report import TransitionInfo
from segpipe.postgres import Connection, Jsonb
from segpipe.runs import PreviousRun
from tests.support.moving_customers import (
    APRIL,
    AXES,
    MARCH,
    MAY,
    TREND,
    VALUE,
    Customer,
    Shop,
    batch_of,
)


@pytest.fixture
def shop(database: Connection) -> Shop:
    return Shop(database)


def test_each_move_has_its_cause_and_lifetime_value(shop: Shop, database: Connection) -> None:
    still = Customer()
    first = shop.publish(
        dict.fromkeys(("buyer", "asker", "sleeper", "judged", "stays"), still), MARCH
    )
    assert (first.previous_run_id, first.transitions) == (None, ())
    second = shop.publish(
        {
            "buyer": Customer("whale", value=900.0, n_orders=6, rescored="whale"),
            "asker": Customer("whale", value=100.0, rescored="whale", has_new_ticket=True),
            "sleeper": Customer("low_value", rescored="low_value"),
            "judged": Customer("low_value", value=100.0, rescored="mid_tier"),
            "stays": Customer(value=500.0, rescored="whale"),
            "comes": Customer("whale", rescored="whale"),
        },
        APRIL,
    )
    expected = (
        TransitionInfo(VALUE, "mid_tier", "whale", "behaviour", 2, 1000.0),
        TransitionInfo(VALUE, "mid_tier", "low_value", "model", 1, 100.0),
        TransitionInfo(VALUE, "mid_tier", "low_value", "time", 1, 100.0),
    )
    assert (second.previous_run_id, second.transitions) == (first.run_id, expected)
    stored = database.execute(
        "SELECT axis, from_segment, to_segment, cause, n_customers, lifetime_value"
        " FROM segment_transitions WHERE store_id = 'default' AND run_id = %s"
        " ORDER BY n_customers DESC, cause",
        [second.run_id],
    ).fetchall()
    assert [TransitionInfo(*row) for row in stored] == list(expected)
    moved = ({VALUE: "mid_tier"}, {VALUE: "2025-04-01"}, "2025-03-01")
    assert shop.remembered("buyer") == shop.remembered("judged") == moved
    assert shop.remembered("stays") == ({}, {}, "2025-03-01")
    assert shop.remembered("comes") == ({}, {}, "2025-04-01")


@pytest.mark.parametrize(
    "changed",
    [
        {"n_orders": 5},
        {"value": 99.0},  # they sent something back
        {"last_order": date(2025, 3, 20)},
        {"has_new_ticket": True},
    ],
)
def test_anything_a_customer_does_is_behaviour(shop: Shop, changed: dict[str, Any]) -> None:
    shop.publish({"a": Customer()}, MARCH)
    moved = replace(Customer("low_value", rescored="low_value"), **changed)
    (transition,) = shop.publish({"a": moved}, APRIL).transitions
    assert transition.cause == "behaviour"


def test_without_a_previous_model_the_cause_is_model(shop: Shop) -> None:
    shop.publish({"a": Customer()}, MARCH)
    (transition,) = shop.publish({"a": Customer("whale", n_orders=9)}, APRIL).transitions
    assert transition.cause == "model"


def test_on_an_axis_that_was_kept_nobody_moves_by_the_model(shop: Shop) -> None:
    shop.publish(dict.fromkeys(("buyer", "asker", "sleeper", "stays"), Customer()), MARCH)
    later = {
        "buyer": Customer("whale", n_orders=9),
        "asker": Customer("whale", rescored="whale", has_new_ticket=True),
        "sleeper": Customer("low_value"),
        "stays": Customer(),
    }
    moved = shop.publish(later, APRIL, kept_axes=AXES).transitions
    assert [(t.to_segment, t.cause, t.n_customers) for t in moved] == [
        ("whale", "behaviour", 2),
        ("low_value", "time", 1),
    ]
    corrected = {**later, "stays": Customer("whale")}
    (again,) = shop.publish(corrected, APRIL, kept_axes=AXES).transitions
    assert (again.to_segment, again.cause) == ("whale", "behaviour")


def test_a_rename_is_no_move(shop: Shop) -> None:
    shop.publish({"a": Customer("mid_tier"), "b": Customer("whale")}, MARCH)
    now = {"a": Customer("middling", rescored="mid_tier"), "b": Customer("middling", rescored="x")}
    second = shop.publish(now, APRIL, {VALUE: {"mid_tier": "middling", "whale": "whale"}})
    assert [(t.from_segment, t.to_segment, t.n_customers) for t in second.transitions] == [
        ("whale", "middling", 1)
    ]
    assert shop.remembered("a") == ({}, {}, "2025-03-01")
    shop.publish({"a": Customer("whale", rescored="whale")}, MAY)
    assert shop.remembered("a")[0] == {VALUE: "middling"}


def test_a_new_segment_with_the_name_of_a_former_one_is_another_segment(shop: Shop) -> None:
    shop.publish({"a": Customer("whale"), "b": Customer("whale")}, MARCH)
    now = {"a": Customer("whale", rescored="whale"), "b": Customer("whale", rescored="mid_tier")}
    second = shop.publish(now, APRIL, {VALUE: {"whale": None, "mid_tier": "mid_tier"}})
    assert [(t.from_segment, t.to_segment, t.cause) for t in second.transitions] == [
        ("whale", "whale", "model"),
        ("whale", "whale", "time"),
    ]
    assert shop.remembered("a") == ({VALUE: "whale"}, {VALUE: "2025-04-01"}, "2025-03-01")


def test_a_customer_who_returns_is_compared_with_their_kept_row(shop: Shop) -> None:
    shop.publish({"goes": Customer(), "idles": Customer(), "stays": Customer()}, MARCH)
    kept = shop.publish({"stays": Customer("whale", rescored="whale")}, APRIL)
    assert (kept.n_absent_kept, len(kept.transitions)) == (2, 1)
    assert shop.remembered("goes") == ({}, {}, "2025-03-01")
    back = {
        "goes": Customer("whale", n_orders=5, rescored="whale"),
        "idles": Customer("low_value", rescored="low_value"),
        "stays": Customer("whale", rescored="whale"),
    }
    third = shop.publish(back, MAY)
    assert [(t.to_segment, t.cause) for t in third.transitions] == [
        ("low_value", "time"),
        ("whale", "behaviour"),
    ]
    assert shop.remembered("goes") == ({VALUE: "mid_tier"}, {VALUE: "2025-05-01"}, "2025-03-01")
    assert shop.remembered("stays")[1:] == ({VALUE: "2025-04-01"}, "2025-03-01")


def test_the_previous_segment_stays_until_the_next_move(shop: Shop) -> None:
    for as_of, segment in zip((MARCH, APRIL, MAY), ("mid_tier", "whale", "whale"), strict=True):
        shop.publish({"a": Customer(segment, rescored="x")}, as_of)
    assert shop.remembered("a") == ({VALUE: "mid_tier"}, {VALUE: "2025-04-01"}, "2025-03-01")
    june = MAY + timedelta(31)
    shop.publish({"a": Customer("low_value", "declining", rescored="x")}, june)
    before = {VALUE: "whale", TREND: "steady"}
    in_june = dict.fromkeys(AXES, june.isoformat())
    assert shop.remembered("a") == (before, in_june, "2025-03-01")


def test_a_new_axis_moves_nobody(shop: Shop) -> None:
    shop.publish({"a": Customer()}, MARCH)
    shop.axes = (*AXES, "support_history")
    assert shop.publish({"a": Customer(rescored="mid_tier")}, APRIL).transitions == ()
    assert shop.remembered("a") == ({}, {"support_history": "2025-04-01"}, "2025-03-01")
    shop.axes = AXES
    assert shop.publish({"a": Customer(rescored="mid_tier")}, MAY).transitions == ()
    assert shop.remembered("a") == ({}, {}, "2025-03-01")


def test_without_moves_the_profiles_stay_the_same_to_the_byte(
    shop: Shop, database: Connection
) -> None:
    def texts() -> list[tuple[Any, ...]]:
        return database.execute(
            "SELECT customer_id, previous_segments::text, segment_since::text"
            " FROM customer_profiles ORDER BY 1"
        ).fetchall()

    customers = {f"c{n}": Customer(("whale", "mid_tier")[n % 2]) for n in range(20)}
    shop.publish(customers, MARCH)
    customers["c3"] = Customer("low_value", "declining")
    shop.publish(customers, APRIL)
    before = texts()
    info = shop.publish(customers, MAY)
    assert info.transitions == ()
    assert texts() == before


def test_the_sums_are_those_of_the_profiles(shop: Shop, database: Connection) -> None:
    draw = np.random.default_rng(4)
    names, trends = ("whale", "mid_tier", "modest", "low"), ("steady", "growing", "declining")

    def population(start: int) -> dict[str, Customer]:
        return {
            f"c{n}": Customer(
                str(draw.choice(names)),
                str(draw.choice(trends)),
                round(float(draw.lognormal(3, 1)), 2),
                int(draw.integers(1, 4)),
                rescored=str(draw.choice(names)),
            )
            for n in range(start, start + 400)
        }

    shop.publish(population(0), MARCH)
    database.execute(b"CREATE TABLE before AS SELECT * FROM customer_profiles")
    info = shop.publish(population(50), APRIL)
    found = database.execute(
        """
        SELECT axis, b.segment_memberships->>axis, n.segment_memberships->>axis,
            count(*), round(sum(n.lifetime_value)::numeric, 2)::float
        FROM customer_profiles AS n JOIN before AS b USING (store_id, customer_id),
            unnest(%s::text[]) AS axis
        WHERE b.segment_memberships->>axis <> n.segment_memberships->>axis
        GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
        """,
        [list(AXES)],
    ).fetchall()
    read = runs.read_transitions(database, info.run_id).transitions
    stored = [(t.axis, t.from_segment, t.to_segment, t.n_customers) for t in read]
    assert sorted(stored) == [row[:4] for row in found]
    values = {row[:3]: row[4] for row in found}
    for t in read:
        value = values[t.axis, t.from_segment, t.to_segment]
        assert t.lifetime_value == pytest.approx(value, abs=0.02)
        assert sum(t.causes.values()) == t.n_customers
    assert {t.cause for t in info.transitions} == {"behaviour", "model"}
    moved = database.execute(
        b"SELECT count(*) FROM customer_profiles WHERE segment_since->>'purchase_value' ="
        b" '2025-04-01' AND previous_segments ? 'purchase_value'"
    ).fetchall()
    assert moved == [(sum(t.n_customers for t in read if t.axis == VALUE),)]


def test_a_row_of_an_earlier_version_keeps_its_history(shop: Shop, database: Connection) -> None:
    shop.publish({"a": Customer(), "b": Customer()}, MARCH)
    whole = Jsonb(dict.fromkeys(AXES, "2024-12-24"))  # as earlier versions wrote it
    database.execute(b"UPDATE customer_profiles SET content_hash = 0, segment_since = %s", [whole])
    shop.publish({"a": Customer(), "b": Customer("whale", rescored="whale")}, APRIL)
    assert shop.remembered("a") == ({}, dict.fromkeys(AXES, "2024-12-24"), "2025-03-01")
    assert shop.remembered("b")[1] == {VALUE: "2025-04-01", TREND: "2024-12-24"}


def test_rows_read_in_several_pieces_are_joined(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("segpipe.publishing.copied_columns._PIECE_BYTES", 300)
    ids = [f"c{n}" for n in range(50)]
    for as_of, k in ((MARCH, 3), (APRIL, 5)):
        info = shop.publish({c: Customer(f"s{n % k}") for n, c in enumerate(ids)}, as_of)
    assert sum(t.n_customers for t in info.transitions) == sum(n % 3 != n % 5 for n in range(50))
    for n, customer in enumerate(ids):
        previous, since, _ = shop.remembered(customer)
        has_moved = n % 3 != n % 5
        assert previous == ({VALUE: f"s{n % 3}"} if has_moved else {})
        assert since == ({VALUE: "2025-04-01"} if has_moved else {})


@pytest.mark.parametrize("name", ['say "hi"', "back\\slash\\n", "line\nfeed\r", "ünï, {}", "NULL"])
def test_any_former_name_is_stored_unchanged(shop: Shop, name: str) -> None:
    for as_of, segment in zip((MARCH, APRIL, MAY), (name, "whale", "whale"), strict=True):
        shop.publish({"a": Customer(segment), "b": Customer(name)}, as_of)
    assert shop.remembered("a")[0] == {VALUE: name}
    assert shop.remembered("b") == ({}, {}, "2025-03-01")


def test_rows_updated_in_place_have_their_history_too(shop: Shop, database: Connection) -> None:
    shop.publish({"a": Customer(), "b": Customer()}, MARCH)
    database.execute(b"ALTER TABLE customer_profiles ADD note text DEFAULT 'x'")
    second = shop.publish({"a": Customer("whale", rescored="whale")}, APRIL)
    assert second.notes
    assert len(second.transitions) == 1
    assert shop.remembered("a")[0] == {VALUE: "mid_tier"}
    assert shop.remembered("b") == ({}, {}, "2025-03-01")


def test_a_run_fails_if_another_was_published_meanwhile(shop: Shop, database: Connection) -> None:
    first = shop.publish({"a": Customer()}, MARCH)
    late = runs.start_run(database, "default")
    second = shop.publish({"a": Customer("whale")}, APRIL)
    for previous in (PreviousRun(first.run_id, {}), None):
        with pytest.raises(
            DatabaseError, match=f"run {second.run_id} is current now.*run it again"
        ):
            publishing.publish(
                database,
                publishing.Publication(
                    late,
                    "default",
                    [batch_of({"a": Customer("low_value")}, APRIL)],
                    axes=AXES,
                    previous=previous,
                ),
            )
    profile = runs.show_customer(database, "default", "a")
    assert profile
    assert profile["segment_memberships"][VALUE] == "whale"
    assert runs.latest_published(database, "default") == second.run_id
