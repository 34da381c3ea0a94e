"""Every measure of three customers against what was worked by hand.

tests/support/golden/expected.csv holds the arithmetic beside each value,
and nothing in it was made by segpipe.
"""

from __future__ import annotations

import ast
import csv
import math
import operator
from collections.abc import Callable
from typing import Any

import pytest

from segpipe.axes import RAW_MEASURES
from segpipe.core.report import FeatureInfo
from segpipe.core.schema import FEATURE_METRICS, Reference
from segpipe.features import compute_features
from tests.support.features import ALL_INPUTS, AS_OF, GOLDEN, fetched, golden_engine

with (GOLDEN / "expected.csv").open(encoding="utf-8", newline="") as _file:
    EXPECTED = list(csv.DictReader(_file))
CUSTOMERS = ("007", "7415378247935", "cleo")
Features = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def golden() -> tuple[Features, FeatureInfo, Reference]:
    with golden_engine() as engine:
        info, reference = compute_features(engine, ALL_INPUTS, AS_OF)
        return fetched(engine), info, reference


@pytest.mark.parametrize("row", EXPECTED, ids=lambda row: f"{row['customer']}-{row['measure']}")
def test_a_measure_is_as_calculated_by_hand(
    golden: tuple[Features, FeatureInfo, Reference], row: dict[str, str]
) -> None:
    found = golden[0][row["customer"]][row["measure"]]
    if row["value"] == "":
        assert row["worked"].startswith("missing: ")
        assert found is None
    else:
        # Logarithms and shares are summed in millionths, so that no order changes a bit.
        assert found == pytest.approx(float(row["value"]), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("customer", CUSTOMERS)
def test_every_measure_and_metric_is_calculated_for_each_customer(customer: str) -> None:
    worked = [row["measure"] for row in EXPECTED if row["customer"] == customer]
    assert sorted(worked) == sorted({*RAW_MEASURES, *FEATURE_METRICS})


def test_the_formula_of_each_value_gives_that_value() -> None:
    for row in EXPECTED:
        if row["value"]:
            assert _worked(row["worked"]) == pytest.approx(float(row["value"]), rel=1e-10)


def test_reference_figures(golden: tuple[Features, FeatureInfo, Reference]) -> None:
    reference = golden[2]
    assert reference.as_of == AS_OF
    assert reference.category_prices == {"Books": 150.0, "Kitchen": 17.5, "Tea": 10.0}
    assert reference.shop_price == 10.0
    assert reference.biggest_channels == ("web", "phone", "store")  # 4, 2 and 2: ties by name
    assert reference.median_gap_days == pytest.approx((34.266667 + 28.25) / 2)


def test_report_counts_returns_and_later_lines(
    golden: tuple[Features, FeatureInfo, Reference],
) -> None:
    assert golden[1] == FeatureInfo(
        as_of=AS_OF, n_customers=3, n_orders=9, n_return_only_customers=1, n_future_lines=1
    )
    assert set(golden[0]) == set(CUSTOMERS)  # dora only sent things back


_BINARY: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
_CALLS: dict[str, Callable[..., float]] = {
    "ln": math.log,
    "sqrt": math.sqrt,
    "min": min,
    "max": max,
}


def _worked(text: str) -> float:
    return _value(ast.parse(text, mode="eval").body)


def _value(node: ast.expr) -> float:
    """A pocket calculator: numbers, + - * / **, and four functions."""
    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return -_value(inner)
        case ast.BinOp(left=left, op=op, right=right):
            return _BINARY[type(op)](_value(left), _value(right))
        case ast.Call(func=ast.Name(id=name), args=args):
            return _CALLS[name](*map(_value, args))
    raise AssertionError(ast.dump(node))
