"""Laws of the feature stage, and its measures at the edges."""

from __future__ import annotations

import math
import random
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segpipe.axes import AXES, MEASURES, RAW_MEASURES
from segpipe.core.errors import InputError
from segpipe.features import compute_features, features_statement
from segpipe.model.derived import inputs_of
from tests.support.features import ALL_INPUTS, AS_OF, Row, engine_of, features_of, fetched, line

FEW = settings(max_examples=3, deadline=None)  # each takes a second to plan
CENTS = st.integers(0, 90_000).map(lambda cents: Decimal(cents) / 100)
SOME_INPUTS = frozenset({"category", "channel", "refund"})


@st.composite
def order_lines(draw: st.DrawFn) -> list[Row]:
    """Lines whose order has one customer and one channel; returns may be lines of it, or all."""
    rows = []
    for order in range(draw(st.integers(1, 30))):
        customer = draw(st.sampled_from("abcdef"))
        month = draw(st.sampled_from(("2024-03", "2024-10", "2024-12", "2025-02")))
        returns = draw(st.sampled_from(((False,), (False,), (True,), (False, True))))
        channel = draw(st.sampled_from((None, "web", "pos", "phone", "kiosk")))
        rows += [
            line(
                customer,
                f"o{order}",
                f"{month}-{draw(st.integers(1, 28)):02} {draw(st.integers(0, 23)):02}:30",
                is_return=(is_return := draw(st.sampled_from(returns))),
                line_amount=0 if is_return else draw(CENTS),
                quantity=draw(st.integers(0, 3)),
                discount_amount=0 if is_return else draw(st.sampled_from((0, 1, "2.5"))),
                refund_amount=draw(CENTS) if is_return else draw(st.sampled_from((0, 0, 1))),
                product_id=draw(st.sampled_from((None, "p1", "p2", "p3"))),
                category=draw(st.sampled_from((None, "c1", "c2"))),
                channel=channel,
                unit_price=None if is_return else draw(st.sampled_from((0, 3, 7.1, 900))),
            )
            for _ in range(draw(st.integers(1, 4)))
        ]
    rows.append(line("z", "last", "2025-02-28 10:00"))
    return rows


@given(rows=order_lines(), seed=st.integers(0, 99))
@FEW
def test_order_of_rows_threads_and_later_lines_change_no_bit(rows: list[Row], seed: int) -> None:
    later = [line(who, "later", "2025-03-02 08:00", line_amount=999) for who in "az"]
    shuffled = random.Random(seed).sample([*rows, *later], len(rows) + 2)  # noqa: S311 - a shuffle
    found = features_of(rows, as_of=AS_OF, threads=1)
    assert features_of(shuffled, as_of=AS_OF, threads=2) == found
    assert list(found) == sorted(found)
    _assert_valid(rows, found)


def _assert_valid(rows: list[Row], found: dict[str, dict[str, Any]]) -> None:
    """No NaN, no share above 1, no amount lost."""
    shares = {name for name in RAW_MEASURES if MEASURES[name].unit == "share"}
    shares -= {"refund_amount_share"}  # more may be given back than was charged
    for customer in found.values():
        assert all(v is None or isinstance(v, str) or math.isfinite(v) for v in customer.values())
        assert all(customer[name] is None or 0 <= customer[name] <= 1 for name in shares)
        assert customer["n_occasions"] <= customer["n_orders"]
        halves = customer["n_earlier_occasions"] + customer["n_later_occasions"]
        assert halves == customer["n_occasions"] - 1
    charged = sum(
        Decimal(str(row["line_amount"])) - Decimal(str(row["refund_amount"]))
        for row in rows
        if row["customer_id"] in found
    )
    assert sum(c["lifetime_value"] for c in found.values()) == pytest.approx(float(charged))


def test_returns_without_an_order_change_no_time() -> None:
    orders = [line("a", f"o{day}", f"2024-0{day}-10 10:00") for day in (1, 2, 7, 9)]
    returns = [
        line("a", "r0", at, is_return=True, line_amount=0)
        for at in ("2022-12-20 09:00", "2023-12-20 09:00")
    ]
    returns.append(line("a", "o1", "2023-06-01 08:00", is_return=True, line_amount=0))
    alone = features_of(orders, as_of=AS_OF)["a"]
    times = [name for name in RAW_MEASURES if MEASURES[name].unit in {"days", "log ratio"}]
    times += ["order_rate_log_ratio", "gap_trend", "month_concentration", "recent_order_share"]
    for some in ([*returns, *orders], [*orders, *reversed(returns)]):
        found = features_of(some, as_of=AS_OF)["a"]
        assert {name: found[name] for name in times} == {name: alone[name] for name in times}
    # Tenure from 2024-01-10 to 2025-03-01: its middle is 2024-08-05, one of three follows it.
    assert alone["order_rate_log_ratio"] == pytest.approx(math.log((1 + 0.5) / (2 + 0.5)))


def _shop(n_customers: int) -> list[Row]:
    """Lines of many customers, with returns in orders and alone, and with missing cells."""
    draw = random.Random(11)  # noqa: S311 - made-up orders
    rows = []
    for order in range(n_customers * 4):
        customer = f"{draw.randrange(n_customers):06}"
        is_return = draw.random() < 0.15
        rows += [
            line(
                customer,
                f"o{order}",
                f"2024-{draw.randint(1, 12):02}-{draw.randint(1, 28):02} {draw.randrange(24)}:30",
                is_return=is_return or draw.random() < 0.05,
                line_amount=f"{draw.uniform(0, 99):.2f}",
                quantity=draw.choice((0, 1, 2.5)),
                discount_amount=draw.choice((0, 0, 1.25)),
                refund_amount=draw.choice((0, 0, 0, 3)),
                product_id=draw.choice((None, "p1", "p2", "p3", "p4")),
                category=draw.choice((None, "c1", "c2", "c3")),
                channel=draw.choice((None, "web", "pos", "phone")),
                unit_price=draw.choice((None, 0, 3, 7.1)),
            )
            for _ in range(draw.randint(1, 4))
        ]
    rows += [line("999998", "r", "2024-05-05 05:05", is_return=True, line_amount=0)]
    rows += [line("999999", "late", "2026-01-01 00:00")]
    return rows


def test_one_statement_with_ids_gives_the_same_as_tables_with_numbers() -> None:
    tickets = [
        {"customer_id": f"{n:06}", "created_at": "2024-06-01 10:00", "channel": "email"}
        for n in range(0, 150, 3)
    ]
    with engine_of(_shop(150), tickets) as engine:
        _, reference = compute_features(engine, ALL_INPUTS, AS_OF)
        wanted = fetched(engine)
        given = {name: f"SELECT * FROM memory.main.{name}" for name in ("order_lines", "tickets")}
        statement, parts = features_statement(ALL_INPUTS, reference, given, RAW_MEASURES)
        engine.execute(f"PREPARE one AS {statement}")
        rows = engine.execute(f"EXECUTE one(as_of := '{AS_OF}')").fetchall()
    found: dict[str, dict[str, Any]] = {}
    for place, customer, values in rows:
        found.setdefault(customer, {}).update(zip(parts[place], values, strict=True))
    assert found.keys() == wanted.keys()
    assert len(found) > 100
    for customer, own in wanted.items():
        assert {name: found[customer].get(name) for name in RAW_MEASURES} == {
            name: own[name] for name in RAW_MEASURES
        }


def test_row_order_and_threads_change_no_bit_of_a_large_table() -> None:
    draw = random.Random(7)  # noqa: S311 - made-up orders
    rows = [
        line(
            f"c{draw.randrange(900)}",
            f"o{i // 3}",
            f"2024-{1 + i % 12:02}-{1 + i % 28:02} {i % 24:02}:{i % 60:02}",
            line_amount=f"{draw.uniform(0, 999):.2f}",
            discount_amount=f"{draw.uniform(0, 9):.2f}",
            product_id=f"p{draw.randrange(60)}",
            category=f"c{draw.randrange(9)}",
            channel=draw.choice(("web", "pos", "phone")),
            unit_price=repr(draw.uniform(0.01, 999)),
        )
        for i in range(5_000)
    ]
    first = features_of(rows, threads=1)
    draw.shuffle(rows)
    assert features_of(rows, threads=2) == first


SCENES = [
    *(line("basket", "o1", "2025-01-01 12:00") for _ in range(4)),
    *(line(who, "shared", "2025-01-01 12:00") for who in ("twin_1", "twin_2")),
    *(line("regular", f"r{i}", f"2025-01-{1 + 3 * i:02} 10:00") for i in range(7)),
    *(line("moment", f"m{i}", "2025-01-01 10:00") for i in range(4)),
    *(line("unknown", "u1", "2025-01-01 10:00", product_id=None) for _ in range(3)),
    line("unknown", "u1", "2025-01-01 10:00", product_id="p1"),
    *(line("unknown", "u2", "2025-01-02 10:00", product_id=p) for p in ("p1", "p2", "p3")),
    line("unknown", "u3", "2025-01-03 10:00", product_id=None),
    *(line("free", f"f{i}", "2025-01-03 10:00", line_amount=0, unit_price=0) for i in range(3)),
]


@pytest.fixture(scope="module")
def scenes() -> dict[str, dict[str, Any]]:
    return features_of(SCENES, inputs=frozenset({"product"}))


def test_a_basket_of_four_lines_is_one_order(scenes: dict[str, dict[str, Any]]) -> None:
    found = scenes["basket"]
    assert (found["total_orders"], found["n_lines"]) == (1, 4)
    assert found["avg_order_value"] == found["largest_order_value"] == 40


def test_one_order_id_under_two_customers_is_two_orders(scenes: dict[str, dict[str, Any]]) -> None:
    assert [scenes[who]["total_orders"] for who in ("twin_1", "twin_2")] == [1, 1]


def test_equal_gaps_are_perfectly_regular(scenes: dict[str, dict[str, Any]]) -> None:
    assert scenes["regular"]["gap_regularity"] == 1
    assert scenes["regular"]["gap_trend"] == 0
    assert scenes["regular"]["order_value_trend"] == 0


def test_orders_at_one_moment_have_no_measures_per_gap(scenes: dict[str, dict[str, Any]]) -> None:
    found = scenes["moment"]
    assert found["mean_gap_days"] == 0
    assert found["gap_regularity"] is found["gap_trend"] is found["recency_over_gap"] is None


def test_lines_without_a_product_are_in_no_product_measure(
    scenes: dict[str, dict[str, Any]],
) -> None:
    found = scenes["unknown"]
    assert found["repeat_line_share"] == pytest.approx(1 / 3)  # p1 of p1, p2, p3
    assert found["products_per_line"] == pytest.approx(3 / 4)


def test_a_customer_who_paid_nothing_has_no_shares_of_spending(
    scenes: dict[str, dict[str, Any]],
) -> None:
    found = scenes["free"]
    assert found["lifetime_value"] == found["splurge_order_share"] == 0
    assert found["discount_amount_share"] is found["order_value_trend"] is None
    assert found["price_position"] is None


def test_orders_on_as_of_count_and_later_ones_do_not() -> None:
    rows = [
        line("a", "o1", "2025-01-01 12:00"),
        line("a", "o2", "2025-03-01 23:59"),
        line("a", "o3", "2025-03-02 00:00"),
        line("b", "o4", "2025-03-02 00:00"),
        line("r", "o5", "2025-01-01 00:00", is_return=True),
    ]
    with engine_of(rows) as engine:
        info, _ = compute_features(engine, frozenset(), AS_OF)
        found = fetched(engine)
    assert found["a"]["total_orders"] == 2
    assert found["a"]["recency_days"] == 0
    assert set(found) == {"a"}
    assert (info.n_future_lines, info.n_return_only_customers) == (2, 1)  # b is not return-only


def test_a_population_of_one_customer_with_one_order() -> None:
    found = features_of([line("a", "o1", "2025-01-01 12:00")], inputs=frozenset())["a"]
    assert found["customer_tenure_days"] == found["days_since_last_purchase"] == 1
    assert found["mean_gap_days"] is None
    assert found["recency_over_expected_gap"] == 1.0  # a day of an expected gap of a day
    assert (found["n_occasions"], found["n_recent_occasions"]) == (1, 1)


def test_all_customers_with_one_order() -> None:
    rows = [line(f"c{day}", "o", f"2025-01-{day:02} 10:00") for day in range(1, 29)]
    found = features_of(rows, inputs=frozenset({"product"}))
    assert len(found) == 28
    assert all(c["gap_trend"] is None and c["repeat_line_share"] is None for c in found.values())


@pytest.mark.parametrize("inputs", [frozenset(), SOME_INPUTS], ids=["none", "some"])
def test_measures_of_absent_inputs_are_columns_of_null(
    inputs: frozenset[str],
) -> None:
    found = features_of([line("a", "o1", "2025-01-01 10:00")], inputs=inputs)["a"]
    assert set(RAW_MEASURES) <= set(found)
    needs = {f.measure: f.needs for axis in AXES for f in axis.features}
    absent = {
        measure
        for measure, own in needs.items()
        if {*own} - inputs - {"discount", "refund", "time_of_day"}
    }
    assert absent
    absent.discard("expected_price_position")  # against the shop's median price
    raw = {measure: inputs_of((measure,)) for measure in absent}
    assert all(found[one] is None for measure, of in raw.items() for one in of if one == measure)
    assert all(any(found[one] is None for one in of) for of in raw.values())
    assert found["n_products"] is found["n_tickets"] is None
    assert (found["n_categories"] is None) == ("category" not in inputs)


@pytest.mark.parametrize("n_channels", [2, 4])
def test_shares_of_the_biggest_channels_exist_for_any_number_of_channels(n_channels: int) -> None:
    rows = [line("a", f"o{i}", "2025-01-01 10:00", channel=f"ch{i}") for i in range(n_channels)]
    found = features_of(rows, inputs=frozenset({"channel"}))["a"]
    shares = [found[f"channel_{rank}_share"] for rank in (1, 2, 3)]
    assert shares == ([1 / n_channels] * n_channels + [None] * 3)[:3]


def test_with_a_reference_nothing_is_learnt_from_the_population() -> None:
    rows = [line("a", "o1", "2025-01-01 10:00"), line("b", "o2", "2025-01-02 10:00", unit_price=40)]
    with engine_of(rows) as engine:
        _, learnt = compute_features(engine, frozenset({"category"}), AS_OF)
    assert learnt.category_prices == {"c1": 25.0}
    alone = features_of(rows[:1], inputs=frozenset({"category"}), as_of=AS_OF, reference=learnt)
    assert alone["a"]["price_position"] == pytest.approx(math.log(10 / 25), abs=1e-6)


@pytest.mark.parametrize(
    ("rows", "as_of", "message"),
    [
        ([line("a", "o1", "2025-01-01 10:00", is_return=True)], None, "returns only"),
        ([line("a", "o1", "2025-03-02 10:00")], AS_OF, "later --as-of"),
    ],
)
def test_a_population_without_orders_is_an_error(
    rows: list[Row], as_of: date | None, message: str
) -> None:
    with engine_of(rows) as engine, pytest.raises(InputError, match=message):
        compute_features(engine, frozenset(), as_of)


def test_only_the_features_and_days_stay_in_the_engine() -> None:
    with engine_of([line("a", "o1", "2025-01-01 10:00")]) as engine:
        compute_features(engine, SOME_INPUTS, None)
        tables: list[tuple[Any, ...]] = engine.execute("SHOW TABLES").fetchall()
    assert {name for (name,) in tables} == {
        "order_lines",
        "tickets",
        "customer_features",
        "customer_days",
    }
