"""The current segments are replaced where the user, the settings or the inputs ask for it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from segpipe.axes import AXES
from segpipe.core import decisions
from segpipe.discovery.sampling import Sample
from tests.support.months import (
    KEPT,
    MONTHS,
    NOTHING,
    VALUE,
    cause_of,
    cloud,
    names_of,
    run_month,
    values_of,
)
from tests.support.samples import sample_of

CATEGORY = {axis.name: axis for axis in AXES}["category_exploration"]


def test_the_user_may_ask_for_new_segments_of_all_axes_or_of_one() -> None:
    first = run_month(values_of(cloud()))
    for asked, cause in (((), decisions.ASKED), (("purchase_value",), decisions.ASKED)):
        found = run_month(values_of(cloud()), first, 1, rediscover=asked)
        assert cause_of(found) == ("replaced", cause, None)
        assert found.model.made_on == MONTHS[1]
        assert names_of(found) == names_of(first)
    assert cause_of(run_month(values_of(cloud()), first, 1, rediscover=("other",))) == KEPT


def test_another_method_or_a_changed_axis_file_is_a_cause() -> None:
    first = run_month(values_of(cloud()))
    found = run_month(values_of(cloud()), first, 1, method="kmeans")
    assert cause_of(found) == ("replaced", decisions.METHOD, None)
    quantiles = replace(VALUE, cuts="quantiles")
    assert cause_of(run_month(values_of(cloud()), first, 1, axis=quantiles))[1] == decisions.METHOD
    words = replace(
        VALUE, question="And now?", tiers=tuple(replace(t, meaning="!") for t in VALUE.tiers)
    )
    kept = run_month(values_of(cloud()), first, 1, axis=words)
    assert cause_of(kept) == KEPT


def test_a_model_of_an_earlier_version_is_replaced_once() -> None:
    first = run_month(values_of(cloud()))
    old = replace(first.model, definition="")
    found = run_month(values_of(cloud()), old, 1)
    assert cause_of(found) == ("replaced", decisions.EARLIER_VERSION, None)
    assert names_of(found) == names_of(first)
    assert cause_of(run_month(values_of(cloud()), found, 2)) == KEPT


def _shelves(n: int = 600) -> Sample:
    draw = np.random.default_rng(6)
    lines = draw.poisson(20, n) + 2.0
    width = np.minimum(draw.poisson(5, n) + 1.0, lines)
    top = np.maximum(np.floor(lines * draw.uniform(0.1, 0.9, n)), 1.0)
    columns = {"n_lines": lines, "n_category_lines": lines, "n_categories": width}
    columns["n_products"] = np.minimum(width * 2, lines)
    columns |= {"n_top_category_lines": top, "top_category_share": top / lines}
    return sample_of(columns)


def test_an_input_that_comes_or_goes_is_a_cause() -> None:
    with_category = frozenset({"category", "product"})
    only_product = frozenset({"product"})
    sample = _shelves()
    first = run_month(sample, axis=CATEGORY, inputs=(with_category, with_category))
    assert "multi_category" in names_of(first).values()
    found = run_month(sample, first, 1, axis=CATEGORY, inputs=(with_category, only_product))
    assert cause_of(found) == ("replaced", decisions.INPUTS, None)
    assert "category" in found.decision.text
    assert "multi_category" not in names_of(found).values()
    other = frozenset({*with_category, "refund"})
    kept = run_month(sample, first, 1, axis=CATEGORY, inputs=(with_category, other))
    assert cause_of(kept) == KEPT


def test_an_axis_whose_input_is_gone_is_unavailable_and_has_its_ids_again() -> None:
    product, sample = frozenset({"product"}), _shelves()
    first = run_month(sample, axis=CATEGORY, inputs=(product, product))
    gone = run_month(sample, first, 1, axis=CATEGORY, inputs=(product, NOTHING))
    assert (gone.model.verdict, *cause_of(gone)) == (
        "unavailable",
        "replaced",
        decisions.INPUTS,
        None,
    )
    assert {event.kind for event in gone.events} == {"died"}
    still = run_month(sample, gone, 2, axis=CATEGORY)
    assert still.model.verdict == "unavailable"
    assert cause_of(still) == KEPT
    assert still.events == ()
    back = run_month(sample, still, 3, axis=CATEGORY, inputs=(NOTHING, product))
    assert (back.model.verdict, *cause_of(back)) == ("tiers", "replaced", decisions.INPUTS, None)
    assert set(names_of(back)).isdisjoint(names_of(first))  # without the ledger's ids


def test_customers_who_come_to_differ_make_an_axis_available() -> None:
    alike = sample_of({"lifetime_value": np.full(400, 50.0)})
    first = run_month(alike)
    assert first.model.verdict == "unavailable"
    same = run_month(alike, first, 1)
    assert (same.model.verdict, *cause_of(same)) == ("unavailable", *KEPT)
    found = run_month(values_of(cloud()), same, 2)
    assert (found.model.verdict, *cause_of(found)) == ("tiers", "replaced", decisions.DIFFER, None)


def test_current_tiers_stay_where_nobody_differs_today() -> None:
    first = run_month(values_of(cloud()))
    for value in (np.median(np.exp(cloud())), 1e6):
        alike = sample_of({"lifetime_value": np.full(400, value)})
        found = run_month(alike, first, 1)
        assert cause_of(found) == KEPT
        assert found.decision.text
        assert names_of(found) == names_of(first)
        assert found.model.rules == first.model.rules


def test_current_tiers_stay_where_nobody_is_eligible_today() -> None:
    first = run_month(values_of(cloud()))
    nobody = run_month(sample_of({"lifetime_value": np.zeros(400)}), first, 1)
    assert cause_of(nobody) == KEPT
    assert nobody.decision.text == "everybody is no_value"
    assert nobody.model == first.model
    back = run_month(values_of(cloud()), nobody, 2)
    assert cause_of(back) == KEPT
    assert back.model.rules == first.model.rules
