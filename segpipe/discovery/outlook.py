"""Learning the outlook from the file itself: who was known 90 days ago, and what came since.

Takes customers' activity as of earlier days; gives an Outlook with its own check: churn by a
logistic regression, value by a Poisson regression, each judged and withheld apart from the other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial

import numpy as np
import pyarrow as pa

from segpipe.core.arrays import Floats
from segpipe.discovery.priors import occasion_prior, rounded
from segpipe.discovery.regression import (
    area_under_curve,
    fit_logistic,
    fit_poisson,
    group_means,
    rank_correlation,
)
from segpipe.model.outlook import (
    HORIZON_DAYS,
    Outlook,
    OutlookCheck,
    Regression,
    ShopActivity,
    churn_features,
    expected_occasion_value,
    value_features,
)

MIN_HISTORY_DAYS = 90  # below it nothing is learnt
CHECKED_HISTORY_DAYS = 270  # from it on, an earlier fit is judged
_LONG_HISTORY_DAYS = 180  # from it on, the horizon is 90 days
_MIN_CUSTOMERS = 200
_MIN_OF_EACH = 30  # customers who ordered again, and who did not
_MAX_DECILE_ERROR = 0.15  # above it churn risk is withheld
_CAP = 0.99  # quantile above which revenue counts no more
_CHURN_PENALTY, _VALUE_PENALTY = 1.0, 0.01
_MAX_VALUE_ERROR = 0.5  # of the mean; above it expected value is withheld
_MIN_RANK_Z = 3.0  # of its rank correlation; below it chance may be all there is
VALUE_GROUPS = 5  # of equal size by expected value, on which it is judged
_VALUE_WEIGHTS = (0.05, 50.0)  # bounds of the weight of the shop's median value, in occasions


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
    activity = shop_activity(latest)
    churn, value = _fit_churn(latest, activity), _fit_value(latest, activity)
    unchecked = partial(Outlook, horizon, activity, churn, value, True)
    if history_days < CHECKED_HISTORY_DAYS:
        found = f"{history_days} days of orders are too few to check it"
        reason = f"{found}; {CHECKED_HISTORY_DAYS} are needed"
        return unchecked(reason=reason, check=None, value_reason=reason)
    check = _check(read(2 * HORIZON_DAYS, HORIZON_DAYS), latest)
    if check is None:
        reason = "too few customers to check it on an earlier day"
        return unchecked(reason=reason, check=None, value_reason=reason)
    churn_problem, value_problem = _churn_problem(check), _value_problem(check)
    return Outlook(
        horizon,
        activity if not (churn_problem and value_problem) else None,
        churn if not churn_problem else None,
        value if not value_problem else None,
        is_provisional=False,
        reason=churn_problem,
        check=check,
        value_reason=value_problem,
    )


def _withheld(horizon_days: int, reason: str) -> Outlook:
    return Outlook(horizon_days, None, None, None, False, reason, None, reason)


def _is_finite(outlook: Outlook) -> bool:
    """Whether JSON can hold every number of it."""
    fits = [fit for fit in (outlook.churn, outlook.value) if fit]
    numbers = [n for fit in fits for n in (fit.intercept, *fit.coefficients, *fit.means)]
    records = [asdict(part) for part in (outlook.activity, outlook.check) if part]
    numbers += [n for record in records for n in record.values()]
    return all(n is None or math.isfinite(n) for n in numbers)


def shop_activity(seen: Activity) -> ShopActivity:
    """Figures of the shop by moments; the prior of rates is gamma-Poisson."""
    columns = seen.columns
    n, tenure = columns["n_occasions"], columns["tenure_days"]
    span, again = tenure - columns["recency_days"], n - 1
    rate = occasion_prior(columns, np.ones(len(n)))
    gaps = span[again > 0] / again[again > 0]
    median_gap = float(np.median(gaps)) if len(gaps) else float(np.median(tenure))
    return ShopActivity(
        rate.shape,
        rate.exposure,
        rounded(max(median_gap, 1.0)),
        rounded(float(np.median(columns["lifetime_value"] / n))),
        rounded(_value_weight(seen)),
    )


def _value_weight(seen: Activity) -> float:
    """Occasions that the shop's median value counts as: variance within over between customers.

    In logs. What a customer's mean before and after the day have in common is between customers;
    what the mean before has beyond that is within them, and falls with their occasions.
    """
    low, high = _VALUE_WEIGHTS
    n, total = seen.columns["n_occasions"], seen.columns["lifetime_value"]
    is_known = (total > 0) & (seen.later_value > 0) & (seen.n_later > 0)
    if is_known.sum() < _MIN_OF_EACH:
        return high
    before = np.log(total[is_known] / n[is_known])
    after = np.log(seen.later_value[is_known] / seen.n_later[is_known])
    between = float(((before - before.mean()) * (after - after.mean())).mean())
    within = (float(before.var()) - between) / float((1.0 / n[is_known]).mean())
    return min(max(within / between, low), high) if between > 0 else high


def _fit_churn(seen: Activity, activity: ShopActivity) -> Regression:
    features = churn_features(seen.columns, activity)
    return fit_logistic(features, seen.n_later == 0, _CHURN_PENALTY)


def _fit_value(seen: Activity, activity: ShopActivity) -> Regression:
    """Revenue, capped against single large orders, and scaled back to the whole.

    The cap is of revenue over what an occasion of that customer is worth: one cap for all would
    cut the best customers, and scaling back would give what is theirs to everybody. In units of
    the mean, so that the penalty does not depend on the currency.
    """
    revenue = np.maximum(seen.later_value, 0.0)
    mean = float(revenue.mean())
    mean = mean if mean > 0 else 1.0
    own = expected_occasion_value(seen.columns, activity)
    cap = float(np.quantile(revenue / own, _CAP))
    capped = np.minimum(revenue, cap * own) if cap > 0 else revenue
    found = fit_poisson(value_features(seen.columns, activity), capped / mean, _VALUE_PENALTY)
    left, total = float(capped.sum()), float(revenue.sum())
    lift = math.log(total / left) if left > 0 else 0.0  # nothing was sold: nothing is expected
    intercept = rounded(found.intercept + lift + math.log(mean))
    return Regression(intercept, found.coefficients, found.means, found.deviations)


def _check(earlier: Activity, latest: Activity) -> OutlookCheck | None:
    """A fit on what was known 180 days ago, judged on the last 90; None of too few customers."""
    if _lack(earlier):
        return None
    activity = shop_activity(earlier)
    then = Outlook(
        HORIZON_DAYS,
        activity,
        _fit_churn(earlier, activity),
        _fit_value(earlier, activity),
        is_provisional=False,
        reason=None,
        check=None,
    )
    risk, expected = then.churn_risk(latest.columns), then.expected_value(latest.columns)
    is_lost, value = latest.n_later == 0, latest.later_value
    said, true = group_means(risk, (risk, is_lost.astype(np.float64)), 10)
    total = float(value.sum())
    return OutlookCheck(
        n_customers=len(risk),
        auc=rounded(area_under_curve(risk, is_lost)),
        recency_auc=rounded(area_under_curve(latest.columns["recency_days"], is_lost)),
        decile_error=rounded(float(np.abs(said - true).mean())),
        level_shift=rounded(float(risk.mean() - is_lost.mean())),
        value_error=rounded(value_error(expected, value)) if total > 0 else None,
        value_ratio=rounded(float(expected.sum()) / total) if total > 0 else None,
        value_rank=rounded(rank_correlation(expected, value)),
        lifetime_rank=rounded(rank_correlation(latest.columns["lifetime_value"], value)),
    )


def value_error(expected: Floats, value: Floats) -> float:
    """Mean of |expected - true| revenue over groups by expected, as a share of the true mean."""
    said, true = group_means(expected, (expected, value), VALUE_GROUPS)
    return float(np.abs(said - true).mean() / value.mean())


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


def _churn_problem(check: OutlookCheck) -> str | None:
    """Why churn risk is withheld; None where it may be published."""
    if check.decile_error > _MAX_DECILE_ERROR:
        error = f"{check.decile_error:.2f}"
        return f"a fit 90 days earlier was off by {error} on average, more than {_MAX_DECILE_ERROR}"
    if check.auc <= check.recency_auc:
        return (
            f"a fit 90 days earlier ranked customers no better ({check.auc:.2f})"
            f" than the days since their last order alone ({check.recency_auc:.2f})"
        )
    return None


def _value_problem(check: OutlookCheck) -> str | None:
    """Why expected value is withheld; None where it may be published."""
    if check.value_error is not None and check.value_error > _MAX_VALUE_ERROR:
        return (
            f"a fit 90 days earlier was off by {check.value_error:.0%} of the mean on average"
            f" by group, more than {_MAX_VALUE_ERROR:.0%}"
        )
    rank, n = check.value_rank or 0.0, check.n_customers
    if check.value_error is not None and rank * math.sqrt(n - 1) < _MIN_RANK_Z:
        return (
            f"a fit 90 days earlier ranked {n:,} customers by revenue no better than chance may"
            f" (rank correlation {rank:.2f})"
        )
    return None
