"""The health of each axis: available, degraded or unavailable, with the reason and the fix.

Takes customer_features; asks what the discovery stage would ask, of the same sample, with its own
functions: which features are live, who is eligible, which features vary.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from segpipe.axes import MEASURES, Axis, Eligibility, axes_for
from segpipe.clustering.choose_k import MIN_SPLIT
from segpipe.core.arrays import Floats
from segpipe.core.report import SourceInfo
from segpipe.core.schema import CUSTOMER_FEATURES
from segpipe.core.settings import RunSettings
from segpipe.core.text import percent_of
from segpipe.discovery.sampling import draw_sample
from segpipe.doctor.columns import INPUT_WORDS, advice_for, column_of
from segpipe.doctor.record import AxisHealth
from segpipe.engines.duckdb import Connection, quote
from segpipe.model.preprocessing import eligible_rows, fit_scales
from segpipe.sources.read import Part

Fault = tuple[tuple[str, ...], tuple[str, ...]]  # reasons and advice, empty where all is well
FEW_ELIGIBLE = 0.05  # share of the customers
_NOBODY = {  # measure of an eligibility → what to do where nobody has it
    "n_orders": "Does a customer keep one id from order to order? Or export further back.",
    "n_lines": "Export every line of an order, not its total.",
    "n_discounted_orders": "If the shop gives discounts, fill the column {discount}.",
    "n_refunded_lines": "If goods come back, fill the column {refund}, or export returns too.",
    "n_tickets": "Do orders and tickets name customers by the same id?",
}


@dataclass(frozen=True)
class SampledPopulation:
    """What every axis is held against; the sample is the one that the run would draw."""

    engine: Connection
    columns: dict[str, Floats]  # measure → sampled customers
    weights: Floats
    inputs: frozenset[str]
    parts: tuple[Part, ...]


def axis_healths(
    engine: Connection, settings: RunSettings, source: SourceInfo, parts: tuple[Part, ...]
) -> tuple[AxisHealth, ...]:
    """The health of every axis of the run, in its order."""
    sample, _ = draw_sample(engine, settings.sample)
    customers = sample.customers.drop_columns(["customer_id"])
    columns = {
        name: column.to_numpy().astype(np.float64)
        for name, column in zip(customers.column_names, customers.columns, strict=True)
    }
    shop = SampledPopulation(engine, columns, sample.weights, source.inputs, parts)
    axes = axes_for(source.inputs, settings.features.axis_paths)
    return tuple(_health(axis, shop) for axis in axes)


def _health(axis: Axis, shop: SampledPopulation) -> AxisHealth:
    features = axis.live_features(shop.inputs)
    if not features:
        missing = axis.missing_inputs(shop.inputs)
        told = f"no {' or '.join(INPUT_WORDS[name] for name in missing)} in the input"
        return _unavailable(axis, told, tuple(advice_for(name, shop.parts) for name in missing))
    rules = tuple(rule for rule in axis.eligibility if shop.inputs.issuperset(rule.needs))
    eligible = eligible_rows(shop.columns, rules)
    if not eligible.any():
        advice = _advice_where_nobody(rules[0], shop.parts)
        return _unavailable(axis, f"everybody is {rules[0].state}", advice)
    own = {feature.measure: shop.columns[feature.measure][eligible] for feature in features}
    scales, dropped = fit_scales(own, shop.weights[eligible], features)
    labels = ", ".join(MEASURES[name].label for name in dropped)
    if not scales:
        return _unavailable(axis, f"the same for everybody: {labels}", ())
    n_eligible, n_customers = _count_eligible(shop.engine, rules)
    faults = [_lacking(axis, shop), _few(int(eligible.sum()), n_eligible, n_customers, rules)]
    if dropped:
        faults.append(((f"the same for everybody, left out: {labels}",), ()))
    reasons = tuple(reason for told, _ in faults for reason in told)
    advice = tuple(item for _, fixes in faults for item in fixes)
    state = "degraded" if reasons else "available"
    eligible_share = n_eligible / n_customers
    return AxisHealth(axis.name, axis.group, state, n_eligible, eligible_share, reasons, advice)


def _unavailable(axis: Axis, reason: str, advice: tuple[str, ...]) -> AxisHealth:
    return AxisHealth(axis.name, axis.group, "unavailable", 0, 0.0, (reason,), advice)


def _advice_where_nobody(rule: Eligibility, parts: tuple[Part, ...]) -> tuple[str, ...]:
    columns = {name: column_of(name, parts) for name in ("discount", "refund")}
    advice = _NOBODY.get(rule.measure, "").format(**columns)
    return (advice,) if advice else ()


def _count_eligible(engine: Connection, rules: tuple[Eligibility, ...]) -> tuple[int, int]:
    """Eligible customers and all; the state of an axis is judged on the sample, as in the run."""
    asked = " AND ".join(f"{quote(rule.measure)} >= {rule.at_least}" for rule in rules)
    n_eligible, n_customers = engine.execute(
        f"SELECT count(*) FILTER ({asked or 'true'}), count(*) FROM {CUSTOMER_FEATURES.name}"
    ).fetchall()[0]
    return int(n_eligible), int(n_customers)


def _lacking(axis: Axis, shop: SampledPopulation) -> Fault:
    """Features that this input cannot feed; those that only tickets give are not missed."""
    inputs = shop.inputs
    wanted = [
        feature
        for feature in axis.features
        if inputs.isdisjoint(feature.unless) and "tickets" not in set(feature.needs) - inputs
    ]
    missing = [feature for feature in wanted if not inputs.issuperset(feature.needs)]
    if not missing:
        return (), ()
    needs = dict.fromkeys(n for feature in missing for n in feature.needs if n not in inputs)
    words = " or ".join(INPUT_WORDS[name] for name in needs)
    told = f"no {words} in the input, {len(missing)} of {len(wanted)} features missing"
    return (told,), tuple(advice_for(name, shop.parts) for name in needs)


def _few(
    n_sampled: int, n_eligible: int, n_customers: int, rules: tuple[Eligibility, ...]
) -> Fault:
    """Too few eligible customers to be sure of, or to be of use."""
    states = " or ".join(rule.state for rule in rules)
    if n_eligible < MIN_SPLIT:
        told = f"under {MIN_SPLIT} eligible customers, too few to check segments"
        return (told,), ("Take segments of few customers as a hint.",)
    if n_sampled < MIN_SPLIT:
        told = f"under {MIN_SPLIT} eligible customers in the sample ({n_sampled:,})"
        return (told,), ("Raise --sample-size.",)
    if n_eligible < FEW_ELIGIBLE * n_customers:
        told = f"{percent_of(n_eligible, n_customers)} of the customers are eligible"
        return (f"{told}, the others {states}",), ("Nothing, if the shop is like that.",)
    return (), ()
