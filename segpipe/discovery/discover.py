"""Discovery: the weighted sample → one AxisModel an axis.

Takes the sample, the axes, and where they are at hand the population and the store's current
model; gives the models, what was tried on the way, and what was decided about the current ones.
Axes are independent and run side by side, each on one thread.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import numpy as np
from threadpoolctl import threadpool_limits

from segpipe.axes import Axis
from segpipe.clustering.registry import CLUSTERERS
from segpipe.core import decisions
from segpipe.core.settings import ClusterSettings
from segpipe.discovery import champion
from segpipe.discovery.champion import Verdict
from segpipe.discovery.divide import (
    AxisCustomers,
    Division,
    divide_by_groups,
    divide_by_rules,
    divide_by_tiers,
)
from segpipe.discovery.groups import Groups, find_groups
from segpipe.discovery.k_means_axis import divide_by_k_means
from segpipe.discovery.outcome import Discovery, hold_back, keep, published, without_customers
from segpipe.discovery.priors import estimate_priors
from segpipe.discovery.redundancy import without_smallest_channel
from segpipe.discovery.refit import Population
from segpipe.discovery.sampling import Sample
from segpipe.discovery.segments import (
    FIRST_RUN,
    PriorRun,
)
from segpipe.discovery.shop import AxisParts, Shop, find_likeness, is_by_k_means, is_fed, live_parts
from segpipe.discovery.trial import Trial, try_k_means, with_valleys
from segpipe.model.derived import DERIVED_MEASURES, derive
from segpipe.model.document import Model
from segpipe.model.preprocessing import eligible_rows


def discover(
    sample: Sample,
    axes: Sequence[Axis],
    inputs: frozenset[str],
    settings: ClusterSettings,
    seed: int,
    progress: Callable[[str], None] = lambda _: None,
    *,
    as_of: date,
    population: Population | None = None,
    previous: Model | None = None,
    known_ids: Mapping[str, Mapping[str, int]] | None = None,
    rediscover: tuple[str, ...] | None = None,
) -> list[Discovery]:
    """Discover every axis, in the order given.

    With `population` segments are refitted on everybody and the agreement is measured. The axes of
    the `previous` model stay, unless there is a cause to replace them; with `known_ids`, of every
    axis the names and ids that were ever given, a name that comes back has its id again.
    """
    raw = {
        name: column.to_numpy().astype(np.float64)
        for name, column in zip(
            sample.customers.column_names, sample.customers.columns, strict=True
        )
        if name != "customer_id"
    }
    priors = estimate_priors(raw, sample.weights, inputs)
    former = {axis.name: axis for axis in previous.axes} if previous else {}
    shop = Shop(
        columns={**raw, **derive(raw, DERIVED_MEASURES, priors)},
        weights=sample.weights,
        inputs=inputs,
        priors=priors,
        settings=settings,
        seed=seed,
        as_of=as_of,
        former_inputs=frozenset(previous.inputs) if previous else frozenset(),
        former_as_of=previous.reference.as_of if previous else date.min,
        rediscover=rediscover,
    )

    def one(axis: Axis) -> Discovery:
        before = PriorRun(population, former.get(axis.name), (known_ids or {}).get(axis.name, {}))
        found = discover_axis(axis, shop, before)
        progress(axis.name)
        return found

    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(os.cpu_count()) as threads:
        return list(threads.map(one, axes))


def discover_axis(axis: Axis, shop: Shop, before: PriorRun = FIRST_RUN) -> Discovery:
    """Try one axis on the customers who are eligible for it, and decide what is published."""
    previous = before.previous
    verdict = champion.KEEP
    current = champion.current_axis(previous, shop.columns, shop.weights)
    parts = live_parts(axis, shop)
    customers = _eligible(axis, parts, shop, before)
    if previous is not None:
        verdict = champion.find_cause(
            axis,
            previous,
            current,
            (shop.former_inputs, shop.inputs),
            shop.settings,
            is_asked=shop.is_asked(axis.name),
        )
    if isinstance(customers, str):
        return without_customers(axis, customers, shop, before, current, verdict)
    seed = shop.seed_of(axis.name)
    trial = customers.trial
    groups = _groups(axis, parts, trial, shop, seed)
    if previous is not None and verdict.cause is None:
        verdict = champion.find_cause_of_trial(
            previous, current, trial, groups, shop.as_of, shop.former_as_of, seed
        )
    if previous is not None and verdict.cause is None and current is not None:
        return keep(axis, trial, shop, before, current, verdict)
    division = _divide(axis, parts, customers, shop, seed, groups, verdict)
    if isinstance(division, str):
        return without_customers(axis, division, shop, before, current, verdict, customers)
    if current is not None and champion.is_unsettled(division.agreement, verdict, shop.settings):
        return hold_back(axis, trial, shop, before, current, verdict, division)
    return published(axis, division, customers, shop, before, verdict, groups)


def _eligible(axis: Axis, parts: AxisParts, shop: Shop, before: PriorRun) -> AxisCustomers | str:
    """Who can be divided, with the trial of k-means; else why nobody can."""
    if not is_fed(axis, parts, shop):
        return f"no {' or '.join(axis.missing_inputs(shop.inputs))} in the input"
    rules = tuple(rule for rule in axis.eligibility if shop.inputs.issuperset(rule.needs))
    eligible = eligible_rows(shop.columns, rules)
    if not eligible.any():
        return f"everybody is {rules[0].state}"
    if alike := find_likeness(axis, parts, shop):
        return alike
    own = {name: values[eligible] for name, values in shop.columns.items()}
    seed = shop.seed_of(axis.name)
    trial = try_k_means(
        without_smallest_channel(parts.features, own, shop.weights[eligible]),
        own,
        shop.weights[eligible],
        shop.settings,
        seed,
        CLUSTERERS[axis.clusterer],
        min_segments=axis.min_segments,
        n_segments=axis.n_segments,
        current=before.previous,
    )
    kept = None
    if before.previous and before.previous.partition:  # whether its groups are still separate
        kept = len(before.previous.segments)
    is_decisive = axis.has_groups or shop.settings.method == "kmeans"
    trial = with_valleys(trial, seed, kept, is_decisive=is_decisive)
    return AxisCustomers(rules, trial, shop.priors, before.population)


def _groups(
    axis: Axis, parts: AxisParts, trial: Trial, shop: Shop, seed: int
) -> Groups | str | None:
    """Separate groups under the axis's own names; None where they are not asked."""
    if shop.settings.method != "auto" or not axis.has_vocabulary:
        return None
    if not axis.has_groups:
        return "always tiers" if axis.tiers else "stages by definition"
    return find_groups(trial, parts.main, parts.tiers, parts.rules, shop.settings, seed)


def _divide(
    axis: Axis,
    parts: AxisParts,
    customers: AxisCustomers,
    shop: Shop,
    seed: int,
    groups: Groups | str | None,
    verdict: Verdict,
) -> Division | str:
    """The way that is published."""
    settings = shop.settings
    if is_by_k_means(axis, shop):
        return divide_by_k_means(customers, settings, seed)
    is_renewal = verdict.cause in (decisions.DRIFT, decisions.NOT_SEPARATE)
    if isinstance(groups, Groups) and not is_renewal:
        return divide_by_groups(groups, customers, settings, seed)
    if parts.main and parts.tiers:
        return divide_by_tiers(
            axis, parts.main, parts.tiers, parts.rules, customers, settings, seed
        )
    return divide_by_rules(parts.rules, customers)
