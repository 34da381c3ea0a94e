"""Recency, frequency and value as the service answers them: as the batch does, or in words."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from statistics import mean, median
from typing import Any

import pytest

from segpipe import postgres, runs
from segpipe.answers.rfm import NoRfmError, assign_rfm, rfm_of_customer, rfm_stats
from segpipe.axes import Eligibility
from segpipe.clustering.centroids import CentroidPartition
from segpipe.core.schema import Reference
from segpipe.model.document import AxisModel, Model, Segment, model_of
from segpipe.model.preprocessing import FeatureScale
from segpipe.postgres import Connection
from tests.support.commands import FEW_KS, call, profiles, shop_lines, write_shop
from tests.support.moving_customers import MARCH, Customer, Shop

COLUMNS = {
    "recency": "days_since_last_purchase",
    "frequency": "total_orders",
    "monetary": "lifetime_value",
}
REFERENCE = Reference(date(2025, 3, 1), {}, 1.0, (), 30.0)


def _scale(measure: str) -> FeatureScale:
    """Plain figures: nothing is transformed or clipped, and one unit is one deviation."""
    return FeatureScale(measure, "identity", 0.0, -1e9, 1e9, 0.0, 1.0)


def _segment(segment_id: int, name: str) -> Segment:
    return Segment(segment_id, name, "", (), "", {}, 0.5)


AXIS = AxisModel(
    name="rfm",
    group="marketing",
    verdict="clustered",
    reason=None,
    silhouette=0.6,
    eligibility=(),
    scales=(_scale("recency_days"), _scale("n_orders"), _scale("lifetime_value")),
    segments=(_segment(7, "champions"), _segment(3, "lost")),
    default_state="no_structure",
    partition=CentroidPartition(((0.0, 10.0, 100.0), (30.0, 10.0, 60.0))),
)


def _model(*axes: AxisModel) -> Model:
    return Model(1, (), "UTC", REFERENCE, axes)


def test_three_values_give_a_segment_strength_and_distance() -> None:
    """Of (3, 14, 100): 25 squared from champions, 27² + 4² + 40² = 2345 from lost."""
    assert assign_rfm(_model(AXIS), 3, 14, 100) == {
        "segment_id": 7,
        "segment_name": "champions",
        "confidence": 0.9895,  # 2345 / 2370
        "distance_to_center": 5.0,
        "recency": 3,
        "frequency": 14,
        "monetary": 100,
    }
    assert assign_rfm(_model(AXIS), 30, 10, 60)["confidence"] == 1.0


def test_a_state_has_a_number_below_zero_and_no_centre() -> None:
    rule = Eligibility("n_orders", 2, "single_order")
    answer = assign_rfm(_model(replace(AXIS, eligibility=(rule,))), 3, 1, 100)
    assert (answer["segment_id"], answer["segment_name"]) == (-1, "single_order")
    assert (answer["confidence"], answer["distance_to_center"]) == (1.0, None)
    answer = assign_rfm(_model(replace(AXIS, segments=(), partition=None)), 3, 1, 100)
    assert (answer["segment_id"], answer["segment_name"]) == (-1, "no_structure")
    assert (answer["confidence"], answer["distance_to_center"]) == (0.0, None)


def test_a_model_without_the_axis_says_what_to_run(database: Connection) -> None:
    model = _model(replace(AXIS, name="purchase_value"))
    with pytest.raises(NoRfmError, match=r"no axis rfm; .* segpipe run .* --axis-file rfm"):
        assign_rfm(model, 1, 1, 1)
    with pytest.raises(NoRfmError, match="no axis rfm"):
        rfm_of_customer(database, "default", model, "a")


def test_an_axis_with_more_than_the_three_measures_is_refused() -> None:
    axis = replace(AXIS, scales=(*AXIS.scales[:2], _scale("tenure_days")))
    with pytest.raises(NoRfmError, match="also looks at tenure_days"):
        assign_rfm(_model(axis), 1, 1, 1)


def _published(capsys: pytest.CaptureFixture[str], path: Path, url: str) -> None:
    options = ("--axis-file", "rfm", *FEW_KS, "--quiet", "--database-url", url)
    done = call(capsys, "run", "--csv-path", path, *options)
    assert done.status == 0, done.err


def test_the_answer_for_every_customer_agrees_with_the_profile(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, database_url: str
) -> None:
    lines = [*shop_lines(), "back,b1,2024-02-01T10:00:00,10,1,0,25,p1,cat1,web"]  # worth -15
    _published(capsys, write_shop(tmp_path / "shop.csv", lines), database_url)
    found = profiles(database_url)
    assert min(row["lifetime_value"] for row in found) == -15
    with postgres.connect(database_url) as connection:
        model = model_of(runs.read_model(connection, 1))
        numbers = {s.name: s.segment_id for s in model.axes[-1].segments}
        for row in found:
            answer = assign_rfm(model, *(row[column] for column in COLUMNS.values()))
            assert answer["segment_name"] == row["segment_memberships"]["rfm"]
            assert answer["segment_id"] == numbers[answer["segment_name"]]
            assert answer["confidence"] == row["membership_strengths"]["rfm"]
            own = rfm_of_customer(connection, "default", model, row["customer_id"])
            assert own
            assert own.pop("run")["run_id"] == 1
            of_row = {key: row[key] for key in ("customer_id", "store_id")}
            assert own == {**of_row, "written_by_run_id": 1, "is_absent": False, **answer}
        assert rfm_of_customer(connection, "default", model, "nobody") is None
        assert rfm_of_customer(connection, "elsewhere", model, "c0001") is None
        _assert_stats(rfm_stats(connection, "default", 1), found)


def _assert_stats(stats: dict[str, Any], found: list[dict[str, Any]]) -> None:
    names = {row["segment_memberships"]["rfm"] for row in found}
    assert set(stats) == names
    for name in names:
        mine = [row for row in found if row["segment_memberships"]["rfm"] == name]
        assert stats[name]["n_customers"] == len(mine)
        for figure, column in COLUMNS.items():
            values = [float(row[column]) for row in mine]
            summary = stats[name][figure]
            assert (summary["min"], summary["max"]) == (min(values), max(values))
            assert summary["mean"] == pytest.approx(mean(values))
            assert summary["median"] == pytest.approx(median(values))


def _with_rfm(database: Connection, store_id: str = "default") -> Shop:
    return Shop(database, axes=("purchase_value", "rfm"), store_id=store_id)


def test_stats_are_of_one_run_without_absent_customers(database: Connection) -> None:
    shop = _with_rfm(database)
    shop.publish({"a": Customer(value=10), "b": Customer(value=30), "c": Customer(value=5)}, MARCH)
    assert rfm_stats(database, "default", 1)["new"]["monetary"] == {
        "mean": 15.0,
        "median": 10.0,
        "min": 5.0,
        "max": 30.0,
    }
    _with_rfm(database, "other").publish({"a": Customer(value=99)}, MARCH)
    shop.publish({"a": Customer(value=10), "b": Customer(value=40)}, MARCH)
    assert rfm_stats(database, "default", 1) == {}
    stats = rfm_stats(database, "default", 3)
    assert stats["new"]["n_customers"] == 2
    assert stats["new"]["monetary"] == {"mean": 25.0, "median": 25.0, "min": 10.0, "max": 40.0}
    assert stats["new"]["frequency"] == {"mean": 4.0, "median": 4.0, "min": 4.0, "max": 4.0}
    assert rfm_stats(database, "default", 2) == {}
    assert rfm_stats(database, "nowhere", 3) == {}


def test_an_absent_customer_keeps_the_segment_of_the_older_run(database: Connection) -> None:
    shop = _with_rfm(database)
    shop.publish({"a": Customer(), "b": Customer()}, MARCH)
    shop.publish({"a": Customer()}, MARCH)
    gone = rfm_of_customer(database, "default", _model(AXIS), "b")
    assert gone
    assert (gone["run"]["run_id"], gone["written_by_run_id"], gone["is_absent"]) == (2, 1, True)
    assert (gone["segment_name"], gone["confidence"]) == ("new", 0.5)
    assert (gone["segment_id"], gone["distance_to_center"]) == (None, None)  # the model has no such


def test_an_absent_customer_without_the_axis_is_an_error(database: Connection) -> None:
    Shop(database, axes=("purchase_value",)).publish({"a": Customer(), "b": Customer()}, MARCH)
    _with_rfm(database).publish({"a": Customer()}, MARCH)
    with pytest.raises(NoRfmError, match="is of run 1, which had no axis rfm; it comes with the"):
        rfm_of_customer(database, "default", _model(AXIS), "b")
