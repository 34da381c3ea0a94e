"""Recency, frequency and value as the service answers them: as the batch does, or in words."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from statistics import mean, median
from typing import Any

import pyarrow as pa
import pytest

from segpipe import postgres, runs
from segpipe.answers.rfm import NoRfmError, assign_rfm, rfm_of_customer, rfm_stats
from segpipe.axes import Eligibility
from segpipe.axes.catalogue import read_axis
from segpipe.clustering.centroids import CentroidPartition
from segpipe.core.schema import Reference
from segpipe.model.document import AxisModel, Model, Segment, model_of
from segpipe.model.preprocessing import FeatureScale
from segpipe.model.rules import RuleList, SegmentRule
from segpipe.postgres import Connection
from tests.support.axis_models import PRIORS, axis_model
from tests.support.commands import FEW_KS, call, profiles, shop_lines, write_shop
from tests.support.moving_customers import MARCH, Customer, Shop, measures_of

COLUMNS = {
    "recency": "days_since_last_purchase",
    "frequency": "n_occasions",
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
    verdict="k-means",
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
        "scores": None,
        "recency": 3,
        "frequency": 14,
        "monetary": 100,
        "tenure": None,
    }
    assert assign_rfm(_model(AXIS), 30, 10, 60)["confidence"] == 1.0


CUTS = {  # of the scores 2 to 5
    "recency": (-200.0, -100.0, -50.0, -20.0),
    "frequency": (1.5, 2.5, 4.5, 9.5),
    "monetary": (50.0, 100.0, 200.0, 400.0),
}


def _by_rules() -> AxisModel:
    """The shipped axis on a made shop."""
    shipped = read_axis(Path("rfm"))
    rules = tuple(SegmentRule(i, rule.any_of) for i, rule in enumerate(shipped.rules))
    names = [rule.name for rule in shipped.rules]
    axis = axis_model("rfm", names, RuleList(rules), shipped.eligibility)
    return replace(axis, priors=replace(PRIORS, scores=CUTS))


@pytest.mark.parametrize(
    ("figures", "name", "scores"),
    [
        ((10, 12, 500), "champions", "555"),
        ((30, 6, 250), "loyal", "444"),
        ((250, 12, 500), "cannot_lose", "155"),
        ((10, 1, 60), "new_customers", "512"),  # one day with an order: the last is the first
        ((10, 1, 60, 10), "new_customers", "512"),
        ((60, 1, 300), "new_customers", "314"),
        ((30, 3, 60), "potential_loyalist", "432"),
        ((70, 3, 120), "needs_attention", "333"),
        ((120, 1, 60), "hibernating", "212"),
        ((300, 1, 10), "lost", "111"),
    ],
)
def test_the_shipped_rules_name_by_scores(
    figures: tuple[float, ...], name: str, scores: str
) -> None:
    answer = assign_rfm(_model(_by_rules()), *figures)
    assert (answer["segment_name"], answer["scores"]) == (name, scores)
    assert (answer["confidence"], answer["distance_to_center"]) == (1.0, None)


def test_of_several_days_with_an_order_the_first_may_be_unknown() -> None:
    known = assign_rfm(_model(_by_rules()), 10, 2, 60, 30)
    unknown = assign_rfm(_model(_by_rules()), 10, 2, 60)
    assert (known["tenure"], unknown["tenure"]) == (30, None)
    assert known["segment_name"] == unknown["segment_name"] == "potential_loyalist"


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
    axis = replace(AXIS, scales=(*AXIS.scales[:2], _scale("n_products")))
    with pytest.raises(NoRfmError, match="also looks at n_products"):
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
            measures = runs.read_measures(connection, "default", 1, row["customer_id"])
            assert measures
            answer = assign_rfm(
                model,
                row["days_since_last_purchase"],
                measures["n_occasions"] or 0,
                row["lifetime_value"],
                row["customer_tenure_days"],
            )
            assert answer["segment_name"] == row["segment_memberships"]["rfm"]
            assert answer["scores"] == row["rfm_score"]
            assert answer["segment_id"] == numbers[answer["segment_name"]]
            assert answer["confidence"] == row["membership_strengths"]["rfm"]
            own = rfm_of_customer(connection, "default", model, row["customer_id"])
            assert own
            assert own.pop("run")["run_id"] == 1
            of_row = {key: row[key] for key in ("customer_id", "store_id")}
            assert own == {**of_row, "written_by_run_id": 1, "is_absent": False, **answer}
        assert rfm_of_customer(connection, "default", model, "nobody") is None
        assert rfm_of_customer(connection, "elsewhere", model, "c0001") is None
        for row in found:
            measures = runs.read_measures(connection, "default", 1, row["customer_id"]) or {}
            row["n_occasions"] = measures["n_occasions"]
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


def test_frequency_is_days_with_an_order_where_the_run_kept_them(database: Connection) -> None:
    customers = {"a": Customer(n_orders=9), "b": Customer(n_orders=9)}
    days = pa.array([2.0, 5.0])
    measures = measures_of(customers).append_column("n_occasions", days)
    _with_rfm(database).publish(customers, MARCH, measures=[measures])
    stats = rfm_stats(database, "default", 1)["new"]
    assert stats["frequency"] == {"mean": 3.5, "median": 3.5, "min": 2.0, "max": 5.0}
    found = rfm_of_customer(database, "default", _model(_by_rules()), "b")
    assert found
    assert found["frequency"] == 5


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
