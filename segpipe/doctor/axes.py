"""The health of each axis: available, degraded or unavailable, with the reason and the fix.

Takes customer_features; makes the checks of the discovery stage, on the same sample, with the same
functions: which measures are live, who is eligible, and whether customers differ beyond chance.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from segpipe.axes import MEASURES, Axis, Eligibility, axes_for
from segpipe.axes.own_figures import own_figure
from segpipe.clustering.choose_k import MIN_SPLIT
from segpipe.core.arrays import Flags
from segpipe.core.report import SourceInfo
from segpipe.core.schema import CUSTOMER_FEATURES
from segpipe.core.settings import RunSettings
from segpipe.core.text import percent_of
from segpipe.discovery.priors import estimate_priors
from segpipe.discovery.sampling import draw_sample
from segpipe.discovery.shop import AxisParts, Shop, find_likeness, is_by_k_means, is_fed, live_parts
from segpipe.doctor.columns import INPUT_WORDS, advice_for, column_of
from segpipe.doctor.record import AxisHealth
from segpipe.engines.duckdb import Connection, quote
from segpipe.engines.duckdb_tables import DuckDbTables
from segpipe.model.derived import DERIVED_MEASURES, customers_differ, derive
from segpipe.model.preprocessing import FeatureScale, eligible_rows, fit_scales
from segpipe.sources.read import Part

Fault = tuple[tuple[str, ...], tuple[str, ...]]  # reasons and advice, empty where there is none
FEW_ELIGIBLE = 0.05  # share of the customers
_ADVICE = {  # measure of an eligibility → what to do where nobody is eligible
    "n_orders": "Check that customers keep one id from order to order, or export further back.",
    "n_lines": "Export every line of an order, not its total.",
    "n_discounted_orders": "If the shop gives discounts, fill the column {discount}.",
    "n_refunded_lines": "If goods are returned, fill the column {refund}, or export returns too.",
    "n_tickets": "Check that orders and tickets use the same customer ids.",
}


@dataclass(frozen=True)
class SampledPopulation:
    """What every axis is checked against; the sample is the one that the run would draw."""

    engine: Connection
    shop: Shop  # the sampled customers, as the run looks at them
    parts: tuple[Part, ...]


def axis_healths(
    engine: Connection,
    settings: RunSettings,
    source: SourceInfo,
    parts: tuple[Part, ...],
    as_of: date,
) -> tuple[AxisHealth, ...]:
    """The health of every axis of the run, in its order."""
    sample, _ = draw_sample(DuckDbTables(engine), settings.sample)
    customers = sample.customers.drop_columns(["customer_id"])
    columns = {
        name: column.to_numpy().astype(np.float64)
        for name, column in zip(customers.column_names, customers.columns, strict=True)
    }
    priors = estimate_priors(columns, sample.weights, source.inputs)
    columns |= derive(columns, DERIVED_MEASURES, priors)
    shop = Shop(
        columns,
        sample.weights,
        source.inputs,
        priors,
        settings.cluster,
        settings.sample.seed,
        as_of,
    )
    population = SampledPopulation(engine, shop, parts)
    axes = axes_for(source.inputs, settings.features.axis_paths)
    return tuple(_health(axis, population) for axis in axes)


def _health(axis: Axis, population: SampledPopulation) -> AxisHealth:
    shop = population.shop
    parts = live_parts(axis, shop)
    if not is_fed(axis, parts, shop):
        missing = axis.missing_inputs(shop.inputs)
        reason = f"no {' or '.join(INPUT_WORDS[name] for name in missing)} in the input"
        return _unavailable(
            axis, reason, tuple(advice_for(name, population.parts) for name in missing)
        )
    rules = tuple(rule for rule in axis.eligibility if shop.inputs.issuperset(rule.needs))
    eligible = eligible_rows(shop.columns, rules)
    if not eligible.any():
        advice = _advice_where_nobody(rules[0], population.parts)
        return _unavailable(axis, f"everybody is {rules[0].state}", advice)
    if alike := find_likeness(axis, parts, shop) or _find_sameness(axis, parts, shop, eligible):
        return _unavailable(axis, alike, ())
    n_eligible, n_customers = _count_eligible(population.engine, rules)
    faults = [
        _lacking(axis, population),
        _few(int(eligible.sum()), n_eligible, n_customers, rules),
        (_idle(axis, parts, shop, eligible), ()),
    ]
    reasons = tuple(reason for found, _ in faults for reason in found)
    advice = tuple(item for _, fixes in faults for item in fixes)
    state = "degraded" if reasons else "available"
    eligible_share = n_eligible / n_customers
    return AxisHealth(axis.name, axis.group, state, n_eligible, eligible_share, reasons, advice)


def _find_sameness(axis: Axis, parts: AxisParts, shop: Shop, eligible: Flags) -> str | None:
    """Why the eligible cannot be divided, as far as it shows in the sample; None where they can."""
    if not is_by_k_means(axis, shop):
        if not (parts.main and parts.tiers):
            return None
        values = shop.columns[parts.main.measure][eligible]
        known = values[~np.isnan(values)]
        if len(known) and known.min() < known.max():
            return None
        return f"all customers are alike in {MEASURES[own_figure(parts.main.measure)].label}"
    scales, dropped = _scales(parts, shop, eligible)
    if scales:
        return None
    return f"all customers are alike in {_labels(dropped)}"


def _idle(axis: Axis, parts: AxisParts, shop: Shop, eligible: Flags) -> tuple[str, ...]:
    """Features and rules that divide nobody."""
    if is_by_k_means(axis, shop):
        _, dropped = _scales(parts, shop, eligible)
        return (f"the same for everybody, left out: {_labels(dropped)}",) if dropped else ()
    idle = [
        rule.name
        for rule in parts.rules
        if rule.chance and not customers_differ(rule.chance, shop.priors)
    ]
    return (f"no difference beyond chance, so nobody is {' or '.join(idle)}",) if idle else ()


def _scales(
    parts: AxisParts, shop: Shop, eligible: Flags
) -> tuple[tuple[FeatureScale, ...], tuple[str, ...]]:
    own = {item.measure: shop.columns[item.measure][eligible] for item in parts.features}
    return fit_scales(own, shop.weights[eligible], parts.features)


def _labels(measures: tuple[str, ...]) -> str:
    return ", ".join(MEASURES[own_figure(name)].label for name in measures)


def _unavailable(axis: Axis, reason: str, advice: tuple[str, ...]) -> AxisHealth:
    return AxisHealth(axis.name, axis.group, "unavailable", 0, 0.0, (reason,), advice)


def _advice_where_nobody(rule: Eligibility, parts: tuple[Part, ...]) -> tuple[str, ...]:
    columns = {name: column_of(name, parts) for name in ("discount", "refund")}
    advice = _ADVICE.get(rule.measure, "").format(**columns)
    return (advice,) if advice else ()


def _count_eligible(engine: Connection, rules: tuple[Eligibility, ...]) -> tuple[int, int]:
    """Eligible customers and all, of the population."""
    condition = " AND ".join(f"{quote(rule.measure)} >= {rule.at_least}" for rule in rules)
    n_eligible, n_customers = engine.execute(
        f"SELECT count(*) FILTER ({condition or 'true'}), count(*) FROM {CUSTOMER_FEATURES.name}"
    ).fetchall()[0]
    return int(n_eligible), int(n_customers)


def _lacking(axis: Axis, population: SampledPopulation) -> Fault:
    """Features that lack their input; those that only tickets would give do not count."""
    inputs = population.shop.inputs
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
    reason = f"no {words} in the input, {len(missing)} of {len(wanted)} features missing"
    return (reason,), tuple(advice_for(name, population.parts) for name in needs)


def _few(
    n_sampled: int, n_eligible: int, n_customers: int, rules: tuple[Eligibility, ...]
) -> Fault:
    """Too few eligible customers to check the segments, or for them to be useful."""
    states = " or ".join(rule.state for rule in rules)
    if n_eligible < MIN_SPLIT:
        reason = f"under {MIN_SPLIT} eligible customers, too few to check segments"
        return (reason,), ("Treat segments of so few customers as a hint.",)
    if n_sampled < MIN_SPLIT:
        reason = f"under {MIN_SPLIT} eligible customers in the sample ({n_sampled:,})"
        return (reason,), ("Raise --sample-size.",)
    if n_eligible < FEW_ELIGIBLE * n_customers:
        share = percent_of(n_eligible, n_customers)
        reason = f"only {share} of the customers are eligible, the others are {states}"
        return (reason,), ("Nothing, if the shop is like that.",)
    return (), ()
