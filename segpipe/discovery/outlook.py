"""Learning the outlook from the file itself: who was known 90 days ago, and what came since.

Takes customers' activity as of earlier days; gives an Outlook with its own check. Logistic and
Poisson regressions by Newton's method (IRLS; McCullagh and Nelder, 1989), with L2 penalties.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

import numpy as np
import pyarrow as pa

from segpipe.core.arrays import Flags, Floats
from segpipe.model.outlook import (
    HORIZON_DAYS,
    MONTH_DAYS,
    Outlook,
    OutlookCheck,
    Regression,
    ShopActivity,
    churn_features,
    standardised,
    value_features,
)

MIN_HISTORY_DAYS = 90  # below it nothing is learnt
CHECKED_HISTORY_DAYS = 270  # from it on, an earlier fit is judged
_LONG_HISTORY_DAYS = 180  # from it on, the horizon is 90 days
_MIN_CUSTOMERS = 200
_MIN_OF_EACH = 30  # customers who ordered again, and who did not
_MAX_DECILE_ERROR = 0.15  # above it the outlook is withheld
_CAP = 0.99  # quantile of revenue above which it counts no more
_CHURN_PENALTY, _VALUE_PENALTY = 1.0, 0.01
_SHAPES = (0.1, 50.0)  # bounds of the prior's shape
_STEPS, _HALVINGS, _PRECISION = 100, 30, 1e-10
_DIGITS = 9  # significant, so that the rounding of sums does not change a model


@dataclass(frozen=True)
class Activity:
    """Customers as they were on a day, and what they did in the days after it; arrays (n,)."""

    columns: Mapping[str, Floats]  # OUTLOOK_MEASURES as of the day
    n_later: Floats  # occasions in the horizon
    later_value: Floats  # revenue in it

    @classmethod
    def of_table(cls, table: pa.Table) -> Activity:
        """From a table of an engine's `read_activity`."""
        columns = {n: table[n].to_numpy().astype(np.float64) for n in table.column_names}
        n_later, later_value = columns.pop("n_later"), columns.pop("later_value")
        return cls(columns, n_later, later_value)


# days before as_of, horizon in days → customers who were known by then
ReadActivity = Callable[[int, int], Activity]


def learn_outlook(read: ReadActivity) -> Outlook:
    """The outlook as of today; a withheld one says why nothing was learnt.

    `read` gives customers as of so many days ago, with what came in the horizon after.
    """
    tenures = read(0, 0).columns["tenure_days"]
    found = _learn(int(tenures.max()) if len(tenures) else 0, read)
    return found if _is_finite(found) else _withheld(found.horizon_days, "the fit has no solution")


def _learn(history_days: int, read: ReadActivity) -> Outlook:
    if history_days < MIN_HISTORY_DAYS:
        reason = f"{history_days} days of orders are too few; {MIN_HISTORY_DAYS} are needed"
        return _withheld(HORIZON_DAYS, reason)
    is_long = history_days >= _LONG_HISTORY_DAYS
    horizon = HORIZON_DAYS if is_long else history_days // 2
    latest = read(horizon, horizon)
    if lack := _lack(latest):
        return _withheld(horizon, lack)
    activity = shop_activity(latest.columns)
    churn, value = _fit(latest, activity)
    if history_days < CHECKED_HISTORY_DAYS:
        reason = (
            f"{history_days} days of orders are too few to check it; {CHECKED_HISTORY_DAYS} are"
        )
        return Outlook(horizon, activity, churn, value, True, f"{reason} needed", None)
    check = _check(read(2 * HORIZON_DAYS, HORIZON_DAYS), latest)
    if check is None:
        reason = "too few customers to check it on an earlier day"
        return Outlook(horizon, activity, churn, value, True, reason, None)
    if problem := _problem(check):
        return _withheld(horizon, problem, check)
    return Outlook(horizon, activity, churn, value, False, None, check)


def _withheld(horizon_days: int, reason: str, check: OutlookCheck | None = None) -> Outlook:
    return Outlook(horizon_days, None, None, None, False, reason, check)


def _is_finite(outlook: Outlook) -> bool:
    """Whether JSON can hold every number of it."""
    fits = [fit for fit in (outlook.churn, outlook.value) if fit]
    numbers = [n for fit in fits for n in (fit.intercept, *fit.coefficients, *fit.means)]
    records = [asdict(part) for part in (outlook.activity, outlook.check) if part]
    numbers += [n for record in records for n in record.values()]
    return all(math.isfinite(n) for n in numbers)


def shop_activity(columns: Mapping[str, Floats]) -> ShopActivity:
    """Figures of the shop by moments; the prior of rates is gamma-Poisson."""
    n, tenure = columns["n_occasions"], columns["tenure_days"]
    span = tenure - columns["recency_days"]
    months, again = tenure / MONTH_DAYS, n - 1
    total = float(months.sum())
    rate = float(again.sum()) / total if total > 0 else 0.0
    rate = max(rate, 1e-6)
    excess = float((np.square(again - rate * months) - again).sum())
    squares = float(np.square(months).sum())
    low, high = _SHAPES
    shape = rate**2 * squares / excess if excess > 0 else high
    shape = min(max(shape, low), high)
    gaps = span[again > 0] / again[again > 0]
    median_gap = float(np.median(gaps)) if len(gaps) else float(np.median(tenure))
    value = float(columns["lifetime_value"].sum() / n.sum())
    return ShopActivity(
        _rounded(shape), _rounded(shape / rate), _rounded(max(median_gap, 1.0)), _rounded(value)
    )


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
    order = np.argsort(scores, kind="stable")
    _, inverse, counts = np.unique(scores[order], return_inverse=True, return_counts=True)
    last = counts.cumsum()
    ranks = (last - (counts - 1) / 2)[inverse]
    ones = is_one[order]
    n_ones, n_others = int(ones.sum()), int((~ones).sum())
    if not n_ones or not n_others:
        return math.nan
    return float((ranks[ones].sum() - n_ones * (n_ones + 1) / 2) / (n_ones * n_others))


def _fit(seen: Activity, activity: ShopActivity) -> tuple[Regression, Regression]:
    return _fit_churn(seen, activity), _fit_value(seen, activity)


def _fit_churn(seen: Activity, activity: ShopActivity) -> Regression:
    features = churn_features(seen.columns, activity)
    return fit_logistic(features, seen.n_later == 0, _CHURN_PENALTY)


def _fit_value(seen: Activity, activity: ShopActivity) -> Regression:
    """Revenue, capped against single large orders, and scaled back to the whole."""
    revenue = np.maximum(seen.later_value, 0.0)
    cap = float(np.quantile(revenue, _CAP))
    capped = np.minimum(revenue, cap) if cap > 0 else revenue
    found = fit_poisson(value_features(seen.columns, activity), capped, _VALUE_PENALTY)
    left, total = float(capped.sum()), float(revenue.sum())
    lift = math.log(total / left) if left > 0 else 0.0  # nothing was sold: nothing is expected
    return Regression(
        _rounded(found.intercept + lift), found.coefficients, found.means, found.deviations
    )


def _check(earlier: Activity, latest: Activity) -> OutlookCheck | None:
    """A fit on what was known 180 days ago, judged on the last 90; None of too few customers."""
    if _lack(earlier):
        return None
    activity = shop_activity(earlier.columns)
    churn = _fit_churn(earlier, activity)
    linear = churn.linear(churn_features(latest.columns, activity))
    risk: Floats = 1.0 / (1.0 + np.exp(-linear))
    is_lost = latest.n_later == 0
    groups = np.array_split(np.argsort(risk, kind="stable"), 10)
    errors = [abs(float(risk[rows].mean() - is_lost[rows].mean())) for rows in groups]
    return OutlookCheck(
        n_customers=len(risk),
        auc=_rounded(area_under_curve(risk, is_lost)),
        recency_auc=_rounded(area_under_curve(latest.columns["recency_days"], is_lost)),
        decile_error=_rounded(float(np.mean(errors))),
        level_shift=_rounded(float(risk.mean() - is_lost.mean())),
    )


def _lack(seen: Activity) -> str | None:
    """Why nothing can be learnt from these customers; None where it can."""
    n = len(seen.n_later)
    if n < _MIN_CUSTOMERS:
        return f"{n:,} customers with earlier orders, and {_MIN_CUSTOMERS} are needed"
    n_lost = int((seen.n_later == 0).sum())
    if n_lost < _MIN_OF_EACH:
        return f"only {n_lost} customers stayed away, and {_MIN_OF_EACH} are needed"
    if n - n_lost < _MIN_OF_EACH:
        return f"only {n - n_lost} customers ordered again, and {_MIN_OF_EACH} are needed"
    return None


def _problem(check: OutlookCheck) -> str | None:
    """Why the outlook is withheld; None where it may be published."""
    if check.decile_error > _MAX_DECILE_ERROR:
        error = f"{check.decile_error:.2f}"
        return f"a fit 90 days earlier was off by {error} on average, more than {_MAX_DECILE_ERROR}"
    if check.auc <= check.recency_auc:
        return (
            f"a fit 90 days earlier ranked customers no better ({check.auc:.2f})"
            f" than the days since their last order alone ({check.recency_auc:.2f})"
        )
    return None


def _standardise(features: Floats) -> tuple[Floats, tuple[float, ...], tuple[float, ...]]:
    """Features as `Regression.linear` scales them; a constant one is all zero."""
    means = tuple(_rounded(float(column.mean())) for column in features.T)
    spreads = (float(column.std()) for column in features.T)
    deviations = tuple(_rounded(spread) if spread > 1e-9 else 1.0 for spread in spreads)
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
    return tuple(_rounded(float(value)) for value in found)


def _logit(share: float) -> float:
    bounded = min(max(share, 1e-6), 1 - 1e-6)
    return math.log(bounded / (1 - bounded))


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
