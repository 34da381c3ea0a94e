"""Logistic and Poisson regressions by Newton's method, with L2 penalties, and how they are judged.

IRLS (McCullagh and Nelder, 1989). Takes features and targets; gives a Regression, rounded so that
the order in which a sum was made does not change a model.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from segpipe.core.arrays import Flags, Floats
from segpipe.discovery.priors import rounded
from segpipe.model.outlook import Regression, standardised

_STEPS, _HALVINGS, _PRECISION = 100, 30, 1e-10


def fit_logistic(features: Floats, is_one: Flags, penalty: float) -> Regression:
    """Logistic regression with the sum of losses and `penalty`/2 of the squared coefficients."""
    target = is_one.astype(np.float64)
    scaled, means, deviations = _standardise(features)
    start = _logit(float(target.mean()))

    def family(linear: Floats) -> tuple[Floats, Floats, float]:
        mean = 1.0 / (1.0 + np.exp(-linear))
        return mean, mean * (1.0 - mean), float(np.logaddexp(0.0, linear).sum())

    found = _newton(scaled, target, start, penalty, family)
    return Regression(found[0], found[1:], means, deviations)


def fit_poisson(features: Floats, target: Floats, penalty: float) -> Regression:
    """Poisson regression, log link, mean loss and `penalty`/2 of the squared coefficients."""
    scaled, means, deviations = _standardise(features)
    start = math.log(max(float(target.mean()), 1e-9))

    def family(linear: Floats) -> tuple[Floats, Floats, float]:
        mean = np.exp(np.clip(linear, -50.0, 50.0))
        return mean, mean, float(mean.sum())

    found = _newton(scaled, target, start, penalty * len(target), family)
    return Regression(found[0], found[1:], means, deviations)


def area_under_curve(scores: Floats, is_one: Flags) -> float:
    """Chance that one of the ones scores above one of the others, ties as a half."""
    ranks = _mid_ranks(scores)
    n_ones, n_others = int(is_one.sum()), int((~is_one).sum())
    if not n_ones or not n_others:
        return math.nan
    return float((ranks[is_one].sum() - n_ones * (n_ones + 1) / 2) / (n_ones * n_others))


def rank_correlation(scores: Floats, values: Floats) -> float:
    """Spearman's correlation, with mid-ranks of ties; 0 where either is constant."""
    first, second = (_mid_ranks(column) for column in (scores, values))
    first, second = first - first.mean(), second - second.mean()
    size = math.sqrt(float(np.square(first).sum()) * float(np.square(second).sum()))
    return float((first * second).sum()) / size if size > 0 else 0.0


def group_means(by: Floats, columns: tuple[Floats, ...], n_groups: int) -> Floats:
    """Means of the columns in groups of equal size by ascending `by`, (n_columns, n_groups)."""
    groups = np.array_split(np.argsort(by, kind="stable"), n_groups)
    return np.array([[float(column[rows].mean()) for rows in groups] for column in columns])


def _mid_ranks(values: Floats) -> Floats:
    """Ranks from 1, ties at their mean."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Floats = (counts.cumsum() - (counts - 1) / 2)[inverse]
    return ranks


def _standardise(features: Floats) -> tuple[Floats, tuple[float, ...], tuple[float, ...]]:
    """Features as `Regression.linear` scales them; a constant one is all zero."""
    means = tuple(rounded(float(column.mean())) for column in features.T)
    spreads = (float(column.std()) for column in features.T)
    deviations = tuple(rounded(spread) if spread > 1e-9 else 1.0 for spread in spreads)
    columns = [
        standardised(column, mean, deviation)
        for column, mean, deviation in zip(features.T, means, deviations, strict=True)
    ]
    return np.column_stack(columns), means, deviations


def _newton(
    scaled: Floats,
    target: Floats,
    start: float,
    penalty: float,
    family: Callable[[Floats], tuple[Floats, Floats, float]],
) -> tuple[float, ...]:
    """Intercept and coefficients of an exponential family with its canonical link.

    `family` gives mean, variance and summed cumulant for linear predictors (n,). The intercept has
    no penalty. A step that raises the loss is halved until it does not.
    """
    design = np.column_stack([np.ones(len(scaled)), scaled])
    penalties = np.full(design.shape[1], penalty)
    penalties[0] = 0.0

    def loss(at: Floats) -> float:
        linear = design @ at
        return family(linear)[2] - float(target @ linear) + float(penalties @ np.square(at)) / 2

    found = np.zeros(design.shape[1])
    found[0] = start
    for _ in range(_STEPS):
        mean, variance, _ = family(design @ found)
        gradient = design.T @ (target - mean) - penalties * found
        hessian = (design * variance[:, None]).T @ design + np.diag(penalties + 1e-9)
        move, before = np.linalg.solve(hessian, gradient), loss(found)
        halvings = 0
        while loss(found + move) > before and halvings < _HALVINGS:
            move, halvings = move / 2, halvings + 1
        found = found + move
        if float(np.abs(move).max()) < _PRECISION:
            break
    return tuple(rounded(float(value)) for value in found)


def _logit(share: float) -> float:
    bounded = min(max(share, 1e-6), 1 - 1e-6)
    return math.log(bounded / (1 - bounded))
