"""Bounds that a run learns: quantiles of a measure over everybody, never below a given figure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from segpipe.axes import Condition, Learnt, Rule
from segpipe.core.arrays import Floats
from segpipe.discovery.priors import rounded
from segpipe.model.preprocessing import weighted_quantile


def learn_bound(learnt: Learnt, values: Floats, weights: Floats) -> float:
    """The bound of customers with `values` and weights, both (n,)."""
    bounds = [weighted_quantile(values, weights, learnt.quantile)]
    if learnt.least is not None:
        bounds.append(learnt.least)
    if learnt.least_medians is not None:
        bounds.append(learnt.least_medians * weighted_quantile(values, weights, 0.5))
    return rounded(max(bounds))


def learn_rules(
    rules: tuple[Rule, ...], columns: Mapping[str, Floats], weights: Floats
) -> tuple[Rule, ...]:
    """The rules with figures in place of what is to be learnt."""
    return tuple(
        replace(
            rule,
            any_of=tuple(
                tuple(_learnt_condition(condition, columns, weights) for condition in part)
                for part in rule.any_of
            ),
        )
        for rule in rules
    )


def learnt_measures(rules: tuple[Rule, ...]) -> tuple[str, ...]:
    """Measures of everybody that `learn_rules` looks at, each once."""
    named = []
    for rule in rules:
        for condition in (condition for part in rule.any_of for condition in part):
            if condition.learnt:
                named += [condition.measure]
                named += [condition.learnt.among] if condition.learnt.among else []
    return tuple(dict.fromkeys(named))


def _learnt_condition(
    condition: Condition, columns: Mapping[str, Floats], weights: Floats
) -> Condition:
    learnt = condition.learnt
    if learnt is None:
        return condition
    values, own = columns[condition.measure], weights
    if learnt.among:
        is_among = columns[learnt.among] > learnt.among_above
        values, own = values[is_among], own[is_among]
    if not len(values):
        bound = learnt.least if learnt.least is not None else condition.bound
    else:
        bound = learn_bound(learnt, values, own)
    return Condition(condition.measure, condition.side, bound)
