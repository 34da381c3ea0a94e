"""Customers stored one by one in a small shop, and checks of the counts after each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import pytest

from segpipe import runs
from segpipe.core.assigned import Assigned
from segpipe.core.schema import METRICS
from segpipe.postgres import Connection, fetch_dicts
from segpipe.publishing import persist
from segpipe.runs import SegmentDefinition
from tests.support.moving_customers import (
    AXES,
    MARCH,
    TREND,
    VALUE,
    Customer,
    Shop,
    batch_of,
    measures_of,
)

KINDS = {VALUE: ("whale", "mid_tier", "low_value"), TREND: ("steady", "declining", "too_early")}


@pytest.fixture
def shop(database: Connection) -> Shop:
    return Shop(database)


def assigned(
    customer_id: str, customer: Customer, as_of: date = MARCH, axes: Sequence[str] = AXES
) -> Assigned:
    """The customer as the service would have assigned them."""
    batch = batch_of({customer_id: customer}, as_of, axes)
    row = batch.to_pylist()[0]
    return Assigned(
        customer_id=customer_id,
        as_of=as_of,
        segment_memberships={axis: row[axis] for axis in axes},
        membership_strengths=dict.fromkeys(axes, 0.5),
        metrics={metric: row[metric] for metric in METRICS},
        unavailable={},
        filled={},
        notes=(),
        measures=measures_of({customer_id: customer}).drop_columns("customer_id").to_pylist()[0],
    )


def define(shop: Shop) -> None:
    """Write the segment definitions of the current run, which `Shop` does not."""
    run_id = runs.latest_published(shop.database, shop.store_id)
    rows = [
        SegmentDefinition(axis, number, name, "segment", name)
        for axis, names in KINDS.items()
        for number, name in enumerate(names, start=1)
    ]
    for row in rows:
        shop.database.execute(
            "INSERT INTO segment_definitions (store_id, run_id, axis, segment_id, segment, kind,"
            " description, n_customers, share, lifetime_value)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, 0, 0, 0)",
            [shop.store_id, run_id, row.axis, row.segment_id, row.segment, row.kind, ""],
        )


def store(shop: Shop, customer_id: str, customer: Customer, as_of: date = MARCH) -> None:
    run_id = runs.latest_published(shop.database, shop.store_id)
    assert run_id
    persist(shop.database, shop.store_id, run_id, assigned(customer_id, customer, as_of))


def profile(shop: Shop, customer_id: str) -> dict[str, Any]:
    found = runs.show_customer(shop.database, shop.store_id, customer_id)
    assert found
    return found


def _recounted(database: Connection) -> dict[tuple[str, str], tuple[int, float]]:
    rows = database.execute(
        "SELECT key, value, count(*), sum(lifetime_value)"
        " FROM current_profiles, jsonb_each_text(segment_memberships) GROUP BY key, value"
    ).fetchall()
    return {(axis, name): (n, value) for axis, name, n, value in rows}


def assert_counts_are_true(database: Connection, store_id: str = "default") -> None:
    run_id = runs.latest_published(database, store_id)
    rows = database.execute(
        "SELECT axis, segment, n_customers, lifetime_value FROM segment_counts WHERE run_id = %s",
        [run_id],
    ).fetchall()
    counted = {(axis, name): (n, value) for axis, name, n, value in rows}
    recounted = _recounted(database)
    assert counted.keys() == recounted.keys()
    for key, (n, value) in recounted.items():
        assert counted[key] == (n, pytest.approx(value, abs=0.0051))
    n_all = database.execute("SELECT count(*) FROM current_profiles").fetchone()
    of_run = "SELECT n_customers FROM segmentation_runs WHERE run_id = %s"
    assert database.execute(of_run.encode(), [run_id]).fetchone() == n_all
    for row in fetch_dicts(
        database, "SELECT * FROM segment_definitions WHERE run_id = %s", [run_id]
    ):
        own = {key: size for key, size in recounted.items() if key[0] == row["axis"]}
        n, value = own.get((row["axis"], row["segment"]), (0, 0.0))
        n_total, total = (sum(part) for part in zip(*own.values(), strict=True))
        assert row["n_customers"] == n
        assert row["share"] == pytest.approx(n / n_total)
        assert row["lifetime_value"] == pytest.approx(value, abs=0.0101)
        assert row["value_share"] == pytest.approx(value / total, abs=1e-3)
