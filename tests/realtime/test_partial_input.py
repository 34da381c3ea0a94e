"""Answers to requests with fewer inputs than the file had, or with unusable ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from segpipe.core.progress import Quiet
from segpipe.core.settings import ClusterSettings, RunSettings, SampleSettings, SourceSettings
from segpipe.datasets.synthetic import generate_order_lines
from segpipe.model.document import Model, read_model
from segpipe.pipeline.run import run
from segpipe.realtime import (
    Assigned,
    PreparedFeatures,
    Refused,
    assign_customers,
    customer_of,
    prepare_features,
)
from segpipe.realtime.assign import observation_date

Served = tuple[Model, PreparedFeatures]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("shop")
    generate_order_lines(folder / "lines.csv", 400, 3)
    settings = RunSettings(
        source=SourceSettings(paths=(str(folder / "lines.csv"),), timezone="Europe/Berlin"),
        sample=SampleSettings(size=300),
        cluster=ClusterSettings(max_k=3, restarts=2),
        model_out_path=folder / "model.json",
        is_dry_run=True,
    )
    run(settings, Quiet())
    model = read_model(folder / "model.json")
    with prepare_features(model) as prepared:
        yield model, prepared


def _orders(model: Model, n: int, **more: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - cells
    day = model.reference.as_of - timedelta(days=200)
    return [
        {
            "order_date": (day + timedelta(days=20 * i)).isoformat(),
            "total_price": Decimal(40),
            **more,
        }
        for i in range(n)
    ]


def _answer(served: Served, **body: Any) -> Assigned | Refused:  # noqa: ANN401 - a body
    model, prepared = served
    [answer] = assign_customers(prepared, model, [customer_of({"customer_id": "new", **body})])
    return answer


def _assigned(served: Served, **body: Any) -> Assigned:  # noqa: ANN401 - a body
    answer = _answer(served, **body)
    assert isinstance(answer, Assigned), answer
    return answer


def test_dates_and_totals_suffice_and_axes_without_input_are_unavailable(served: Served) -> None:
    answer = _assigned(served, orders=_orders(served[0], 5))
    assert answer.metrics["lifetime_value"] == 200
    assert answer.metrics["total_orders"] == 5
    silent = {
        "category_exploration": ("category",),
        "price_sensitivity": ("discount",),
        "purchase_cadence": ("time_of_day",),  # of groups by weekend, working hours and evening
        "repurchase_behavior": ("product",),
        "return_behavior": ("refund",),
        "communication_preference": ("channel",),
        "problem_complexity_profile": ("product",),
        "product_knowledge": ("category",),
        "value_sophistication": ("items",),
    }
    assert answer.unavailable == silent
    for axis, name in answer.segment_memberships.items():
        assert (name == "unavailable") == (axis in silent)
        assert (answer.membership_strengths[axis] == 0) == (axis in silent)
    assert answer.filled == {}


def test_a_null_key_is_a_blank_cell_not_a_missing_column(served: Served) -> None:
    more = {"discount_amount": None, "refund_amount": Decimal(0)}
    answer = _assigned(served, orders=_orders(served[0], 5, **more))
    assert answer.segment_memberships["price_sensitivity"] == "full_price_buyer"
    assert answer.segment_memberships["return_behavior"] == "careful_buyer"
    assert answer.segment_memberships["repurchase_behavior"] == "unavailable"


def test_one_order_gives_the_named_states(served: Served) -> None:
    answer = _assigned(served, orders=_orders(served[0], 1))
    assert answer.segment_memberships["purchase_frequency"] == "one_time_buyer"
    assert answer.segment_memberships["loyalty_trajectory"] == "too_early_to_tell"
    assert answer.membership_strengths["purchase_frequency"] == 1.0


def test_the_observation_date_is_the_runs_or_the_day_after_a_newer_order(
    served: Served,
) -> None:
    model, _ = served
    as_of = model.reference.as_of
    assert _assigned(served, orders=_orders(model, 2)).as_of == as_of
    late = f"{as_of + timedelta(days=9)}T23:30:00Z"  # the next day in Berlin
    newer = [{"order_date": late, "total_price": Decimal(1)}]
    answer = _assigned(served, orders=newer)
    assert answer.as_of == as_of + timedelta(days=11)
    assert answer.metrics["days_since_last_purchase"] == 1
    sent_back = [*_orders(model, 1), {"order_date": late, "total_price": Decimal(-1)}]
    assert _assigned(served, orders=sent_back).as_of == as_of
    named = customer_of({"customer_id": "c", "orders": newer, "as_of": date(2030, 1, 1)})
    assert observation_date(model, named) == date(2030, 1, 1)


def test_a_later_item_moves_the_day_unless_it_is_returned(
    served: Served,
) -> None:
    model, _ = served
    late = (model.reference.as_of + timedelta(days=5)).isoformat()
    orders = _orders(model, 1, order_id="o1")
    bought = {"quantity": Decimal(1), "order_id": "o1", "order_date": late}
    answer = _assigned(served, orders=orders, items=[bought])
    assert answer.metrics["lifetime_value"] == 40
    back = {**bought, "total_price": Decimal(-40)}
    answer = _assigned(served, orders=orders, items=[back])
    assert answer.as_of == model.reference.as_of
    assert "return_behavior" not in answer.unavailable


def test_customers_of_several_days_are_answered_in_order(served: Served) -> None:
    model, prepared = served
    one = customer_of({"customer_id": "a", "orders": _orders(model, 2)})
    later = replace(one, customer_id="b", as_of=model.reference.as_of + timedelta(days=30))
    bad = customer_of(
        {"customer_id": "c", "orders": [{"order_date": "x", "total_price": Decimal(1)}]}
    )
    found = assign_customers(prepared, model, [one, bad, later, one])
    assert [getattr(answer, "customer_id", None) for answer in found] == ["a", None, "b", "a"]
    assert isinstance(found[1], Refused)
    assert found[1].field == "orders.0.order_date"
    first, last = found[0], found[2]
    assert isinstance(first, Assigned)
    assert isinstance(last, Assigned)
    gap = last.metrics["days_since_last_purchase"] - first.metrics["days_since_last_purchase"]
    assert gap == 30


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (
            {"orders": [{"order_date": "2025-02-30", "total_price": Decimal(1)}]},
            "orders.0.order_date",
        ),
        (
            {"orders": [{"order_date": "1969-12-31", "total_price": Decimal(1)}]},
            "orders.0.order_date",
        ),
        (
            {"orders": [{"order_date": "20250105", "total_price": Decimal(1)}]},
            "orders.0.order_date",
        ),
        (
            {"orders": [{"order_date": "2025-W05-1", "total_price": Decimal(1)}]},
            "orders.0.order_date",
        ),
        ({"orders": [{"order_date": "2024-05-05", "total_price": Decimal(-1)}]}, "orders"),
        (
            {
                "orders": [{"order_date": "2024-05-05", "total_price": Decimal(1)}],
                "as_of": date(2024, 5, 4),
            },
            "orders",
        ),
    ],
)
def test_an_unusable_field_is_refused_by_its_place(
    served: Served, body: dict[str, Any], field: str
) -> None:
    answer = _answer(served, **body)
    assert isinstance(answer, Refused), answer
    assert answer.field == field


def test_a_text_cannot_leave_its_cell(served: Served) -> None:
    order = {
        "order_date": "2025-01-05",
        "total_price": Decimal(3),
        "source": "w'); DROP TABLE x; --",
    }
    item = {"quantity": Decimal(1), "product_title": 'O\'Neill "lamp" \\ ; $1', "category": "'"}
    answer = _assigned(served, orders=[order], items=[item])
    assert answer.metrics["lifetime_value"] == 3


def test_items_without_an_order_are_noted(served: Served) -> None:
    orders = _orders(served[0], 3)
    items = [
        {"quantity": Decimal(1), "product_id": "p"},
        {"quantity": Decimal(2), "product_id": "q"},
    ]
    answer = _assigned(served, orders=orders, items=items)
    assert answer.notes == ("2 items name no order and are counted with the newest one.",)
    assert not _assigned(served, orders=orders[:1], items=items).notes
