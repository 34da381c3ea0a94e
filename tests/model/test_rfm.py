"""The RFM score as published: three digits by the axis's own priors, or nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from segpipe.axes import Condition, Eligibility
from segpipe.core.schema import FEATURE_METRICS, INPUTS, Reference
from segpipe.model.assign import Tally, assign_batches, batch_measures, needed_measures
from segpipe.model.document import AxisModel, Model
from segpipe.model.rfm import rfm_inputs, rfm_scores
from segpipe.model.rules import RuleList, SegmentRule
from segpipe.realtime import Assigned, assign_customers, customer_of, prepare_features
from tests.support.axis_models import PRIORS, axis_model, model_of

CUTS = {
    "recency": (-300.0, -100.0, -30.0, -7.0),
    "frequency": (2.0, 3.0, 5.0, 9.0),
    "monetary": (20.0, 50.0, 100.0, 400.0),
}
EVERYBODY = RuleList((SegmentRule(0, ((Condition("lifetime_value", "above", -1e9),),)),))
RFM = replace(axis_model("rfm", ("all",), EVERYBODY), priors=replace(PRIORS, scores=CUTS))
COLUMNS = {
    "recency_days": np.array([1.0, 400.0, 30.0, np.nan]),
    "n_occasions": np.array([9.0, 1.0, 3.0, 3.0]),
    "lifetime_value": np.array([500.0, -15.0, 50.0, 50.0]),
}
SCORES = ["555", "111", "433", None]
WITHOUT = {
    "another axis": replace(RFM, name="my_rfm"),
    "an unavailable axis": replace(RFM, segments=(), rules=None, verdict="unavailable"),
    "priors of an earlier version": replace(RFM, priors=PRIORS),
    "no priors": replace(RFM, priors=None),
}


def _batch(model: Model) -> pa.RecordBatch:
    numbers = {name: np.zeros(4) for name in (*FEATURE_METRICS, *batch_measures(model))}
    columns = {"customer_id": pa.array(list("abcd")), **(numbers | COLUMNS)}
    return pa.RecordBatch.from_pydict(columns)


def test_scores_are_three_digits_and_missing_where_a_figure_is() -> None:
    assert rfm_scores([RFM], COLUMNS, 4).to_pylist() == SCORES
    assert set(rfm_inputs([RFM])) == set(COLUMNS) <= set(needed_measures(model_of([RFM])))


@pytest.mark.parametrize("case", WITHOUT)
def test_without_scores_of_the_axis_there_is_none(case: str) -> None:
    assert rfm_inputs([WITHOUT[case]]) == ()
    found = rfm_scores([WITHOUT[case]], {}, 2)
    assert (found.type, found.to_pylist()) == (pa.string(), [None, None])


def test_a_batch_has_the_scores_of_the_axis_and_not_of_other_priors() -> None:
    other = replace(axis_model("other", ("all",), EVERYBODY), priors=PRIORS)
    for axes, expected in (((other, RFM), SCORES), ((other,), [None] * 4)):
        model = model_of(axes)
        (found,) = assign_batches([_batch(model)], model, Tally())
        assert found["rfm_score"].to_pylist() == expected


def _answer(axis: AxisModel) -> Assigned:
    reference = Reference(date(2025, 3, 1), {}, 20.0, (), 30.0)
    orders = [
        {"order_date": "2025-01-30", "total_price": Decimal(30)},
        {"order_date": "2025-02-27", "total_price": Decimal(30)},
    ]
    model = model_of([axis], INPUTS, reference)
    with prepare_features(model) as prepared:
        (found,) = assign_customers(
            prepared, model, [customer_of({"customer_id": "new", "orders": orders})]
        )
    assert isinstance(found, Assigned)
    return found


def test_a_request_has_the_score_unless_it_lacks_what_the_axis_needs() -> None:
    assert _answer(RFM).metrics["rfm_score"] == "523"
    rule = Eligibility("n_discounted_orders", 0, "no_discount_yet")
    lacking = _answer(replace(RFM, eligibility=(rule,)))
    assert lacking.segment_memberships == {"rfm": "unavailable"}
    assert lacking.metrics["rfm_score"] is None
    assert _answer(replace(RFM, name="my_rfm")).metrics["rfm_score"] is None
