"""Axes by rules, tiers and groups in real time: the batch's bits, and what a request lacks."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from segpipe.api.request_models import CustomerIn
from segpipe.axes.needs import NEEDS
from segpipe.core.arrays import Floats
from segpipe.core.schema import INPUTS, Reference, strength_column
from segpipe.core.settings import RunSettings, SourceSettings
from segpipe.datasets.synthetic import generate_order_lines
from segpipe.engines.duckdb import open_engine
from segpipe.engines.duckdb_tables import DuckDbTables
from segpipe.features import compute_features
from segpipe.model.assign import Tally, as_published, assign_axis, needed_measures
from segpipe.model.document import AxisModel, Model, raw_measures_of
from segpipe.parity import documents, draw_customers
from segpipe.pipeline.memberships import assign_population
from segpipe.realtime import Assigned, Customer, assign_customers, customer_of, prepare_features
from segpipe.sources import read_order_lines
from tests.support.axis_models import AXES, EVERY_MEASURE, model_of

REFERENCE = Reference(date(2025, 3, 1), {}, 20.0, ("web", "store"), 30.0)


def _customer(body: dict[str, Any]) -> Customer:
    return customer_of(CustomerIn.model_validate(body).model_dump(exclude_unset=True))


def _answers(model: Model, customers: list[Customer]) -> list[Assigned]:
    with prepare_features(model) as prepared:
        found = assign_customers(prepared, model, customers)
    assert all(isinstance(answer, Assigned) for answer in found)
    return [answer for answer in found if isinstance(answer, Assigned)]


@pytest.mark.parametrize("has_tickets", [True, False])
def test_a_replayed_customer_has_the_batchs_answer(*, has_tickets: bool, tmp_path: Path) -> None:
    lines, tickets = tmp_path / "lines.csv", tmp_path / "tickets.csv"
    generate_order_lines(lines, 300, 3, tickets_path=tickets)
    source = SourceSettings(
        paths=(str(lines),),
        timezone="Europe/Berlin",
        tickets_path=tickets if has_tickets else None,
    )
    with open_engine(RunSettings().engine) as engine:
        inputs = read_order_lines(engine, source).inputs
        info, reference = compute_features(engine, inputs, None)
        axes = (*AXES, *(EVERY_MEASURE if has_tickets else _without_tickets()))
        model = model_of(axes, sorted(inputs), reference, "Europe/Berlin")
        batches = assign_population(DuckDbTables(engine), model, 100, Tally())
        rows = pa.Table.from_batches(batches).to_pylist()
        published = {row["customer_id"]: row for row in rows}
        ids = draw_customers(engine, info.as_of, 120, seed=1)
        bodies = list(documents(engine, inputs, "Europe/Berlin", info.as_of, ids))
    names: dict[str, set[str]] = {axis.name: set() for axis in model.axes}
    for answer in _answers(model, [_customer(body) for body in bodies]):
        wanted = published[answer.customer_id]
        for axis in model.axes:
            names[axis.name].add(answer.segment_memberships[axis.name])
            assert answer.segment_memberships[axis.name] == wanted[axis.name]
            strength = float(as_published(np.array(wanted[strength_column(axis.name)])))
            assert answer.membership_strengths[axis.name] == strength
        assert not answer.unavailable
    assert all(len(names[axis.name]) > 1 for axis in AXES)


def _without_tickets() -> list[AxisModel]:
    return [
        axis
        for axis in EVERY_MEASURE
        if "tickets" not in {NEEDS.get(m) for m in raw_measures_of([axis])}
    ]


def _population(seed: int, n: int) -> dict[str, Floats]:
    """Counts, days and shares at random, some missing."""
    rng = np.random.default_rng(seed)
    names = needed_measures(model_of((*AXES, *EVERY_MEASURE)))
    columns = {name: rng.integers(0, 60, n).astype(np.float64) for name in names}
    for name in names:
        if name.endswith("_share") or name == "price_position":
            columns[name] = rng.uniform(0, 1, n)
        columns[name][rng.random(n) < 0.1] = np.nan
    return columns


@pytest.mark.parametrize("seed", range(5))
def test_one_customer_has_the_bits_that_they_have_among_others(seed: int) -> None:
    columns = _population(seed, 37)
    with np.errstate(all="ignore"):  # made-up figures contradict each other
        for axis in (*AXES, *EVERY_MEASURE):
            codes, strengths = assign_axis(axis, columns, 37, Tally())
            for row in range(37):
                alone = {name: values[[row]] for name, values in columns.items()}
                code, strength = assign_axis(axis, alone, 1, Tally())
                assert code[0] == codes[row]
                assert strength.tobytes() == strengths[[row]].tobytes()


@pytest.fixture(scope="module")
def lacking() -> dict[str, Assigned]:
    """Answers to requests with fewer and fewer inputs than the model had."""
    orders = [
        {"order_date": f"2024-{month:02}-03", "total_price": Decimal(40)} for month in range(1, 9)
    ]
    items = [{"product_id": "p", "quantity": Decimal(1), "order_id": "o1"}]
    known = [{**order, "order_id": f"o{i}"} for i, order in enumerate(orders)]
    bodies = {
        "dates and totals": {"orders": orders},
        "a discount of null": {"orders": [{**o, "discount_amount": None} for o in orders]},
        "products": {"orders": known, "items": items},
    }
    model = model_of(AXES, INPUTS, REFERENCE)
    customers = [customer_of({"customer_id": name, **body}) for name, body in bodies.items()]
    return {answer.customer_id: answer for answer in _answers(model, customers)}


def test_an_axis_without_its_main_measure_is_unavailable(lacking: dict[str, Assigned]) -> None:
    bare = lacking["dates and totals"]
    assert bare.unavailable == {
        "price_sensitivity": ("discount",),
        "category_exploration": ("category",),
        "repurchase_behavior": ("product",),
    }
    for axis in bare.unavailable:
        assert bare.segment_memberships[axis] == "unavailable"
        assert bare.membership_strengths[axis] == 0.0
    assert bare.segment_memberships["purchase_value"] == "mid_tier"
    assert bare.segment_memberships["loyalty_trajectory"] == "lapsed"


def test_half_of_the_measures_is_enough_of_rules_and_groups(lacking: dict[str, Assigned]) -> None:
    bare = lacking["dates and totals"]
    assert bare.segment_memberships["purchase_cadence"] == "year_round"
    assert bare.filled == {"purchase_cadence": ("mostly_business_hours_chance",)}
    assert "repurchase_behavior" not in lacking["products"].unavailable


def test_an_input_that_is_null_is_there(lacking: dict[str, Assigned]) -> None:
    known = lacking["a discount of null"]
    assert known.segment_memberships["price_sensitivity"] == "full_price_buyer"
