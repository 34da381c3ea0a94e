"""What a customer is likely to do in the next 90 days: churn risk, and expected value.

Takes the figures that a run learnt from its own file, and measures of customers; gives a
probability and an amount each. The same numbers serve the batch and one customer in real time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from segpipe.core.arrays import Floats
from segpipe.core.schema import OUTLOOK_METRICS
from segpipe.model.priors import GammaPrior, expected_gap, log_silence, occasion_rate

HORIZON_DAYS = 90  # of what is published
OUTLOOK_MEASURES = (
    "n_occasions",
    "n_recent_occasions",
    "recency_days",
    "tenure_days",
    "lifetime_value",
)
NO_OUTLOOK = "the model was made by an earlier version of segpipe, which learnt none"
_MIN_VALUE = 0.01  # of an occasion
_MAX_DEVIATIONS = 4.0  # beyond which a feature says no more
_RISK_DECIMALS, _VALUE_DECIMALS = 4, 2  # as published
_LARGEST_EXPONENT = 50.0  # e to this is more than any shop sells


@dataclass(frozen=True)
class Regression:
    """Coefficients on features that are centred, divided and clipped at four deviations."""

    intercept: float
    coefficients: tuple[float, ...]
    means: tuple[float, ...]
    deviations: tuple[float, ...]

    def linear(self, features: Floats) -> Floats:
        """The linear predictor of features (n, d), shape (n,); the same for one row as for many."""
        total = np.full(len(features), self.intercept)
        for column, coefficient, mean, deviation in zip(
            features.T, self.coefficients, self.means, self.deviations, strict=True
        ):
            total += coefficient * standardised(column, mean, deviation)
        return total


@dataclass(frozen=True)
class OutlookCheck:
    """The same fit made 90 days earlier, judged on what came then."""

    n_customers: int
    auc: float  # of churn; 0.5 is chance
    recency_auc: float  # of the days since the last order alone
    decile_error: float  # mean of |predicted - true| churn over ten groups by prediction
    level_shift: float  # predicted less true churn of everybody
    # of expected value; None: nothing was sold, or made by an earlier version
    value_error: float | None = None  # mean |expected - true| over five groups / true mean
    value_ratio: float | None = None  # expected over true revenue of everybody
    value_rank: float | None = None  # Spearman's correlation with true revenue
    lifetime_rank: float | None = None  # of lifetime value alone


@dataclass(frozen=True)
class ShopActivity:
    """Figures of the shop that a customer's own are drawn towards."""

    rate_shape: float  # gamma prior of occasions a month: shape and months
    rate_months: float
    median_gap_days: float  # median of the customers' mean gaps between occasions
    occasion_value: float  # median of the customers' mean values of an occasion
    value_weight: float = 2.0  # of it, in occasions; earlier versions: 2 of the mean over all

    @property
    def rate(self) -> GammaPrior:
        """The prior of occasions a month; whether customers differ in it is not asked here."""
        return GammaPrior(self.rate_shape, self.rate_months, math.inf)


@dataclass(frozen=True)
class Outlook:
    """What a run learnt about the next 90 days."""

    horizon_days: int  # that it was learnt over; fewer than 90 where the file is short
    activity: ShopActivity | None  # None: both are withheld
    churn: Regression | None  # None: withheld
    value: Regression | None  # None: withheld
    is_provisional: bool  # too little history to check it
    reason: str | None  # why churn is withheld, or both are provisional
    check: OutlookCheck | None
    value_reason: str | None = None  # why value is withheld, or both are provisional

    def churn_risk(self, columns: Mapping[str, Floats]) -> Floats:
        """Probability of no order in the next 90 days, (n,); NaN where it is withheld.

        columns has OUTLOOK_MEASURES of customers with an order, each (n,).
        """
        n_rows = len(columns["n_occasions"])
        if self.churn is None or self.activity is None:
            return np.full(n_rows, math.nan)
        linear = self.churn.linear(churn_features(columns, self.activity))
        risk: Floats = (1.0 / (1.0 + np.exp(-linear))) ** (HORIZON_DAYS / self.horizon_days)
        return risk

    def expected_value(self, columns: Mapping[str, Floats]) -> Floats:
        """Expected revenue of the next 90 days, shape (n,); NaN where it is withheld."""
        n_rows = len(columns["n_occasions"])
        if self.value is None or self.activity is None:
            return np.full(n_rows, math.nan)
        linear = self.value.linear(value_features(columns, self.activity))
        expected: Floats = np.exp(np.minimum(linear, _LARGEST_EXPONENT))
        return expected * (HORIZON_DAYS / self.horizon_days)


def outlook_of(document: Mapping[str, Any]) -> Outlook:
    """The outlook of a model document; KeyError, TypeError or ValueError where it is none."""
    parts = dict(document)
    for name in ("churn", "value"):
        if parts[name] is not None:
            figures = parts[name]
            parts[name] = Regression(
                figures["intercept"],
                tuple(figures["coefficients"]),
                tuple(figures["means"]),
                tuple(figures["deviations"]),
            )
    parts["activity"] = ShopActivity(**parts["activity"]) if parts["activity"] else None
    parts["check"] = OutlookCheck(**parts["check"]) if parts["check"] else None
    parts.setdefault("value_reason", parts["reason"])  # earlier versions: one for both
    return Outlook(**parts)


def outlook_metrics(outlook: Outlook | None, columns: Mapping[str, Floats]) -> dict[str, Floats]:
    """churn_risk_score and expected_value_90d, each (n,), rounded as published; NaN: withheld.

    columns has OUTLOOK_MEASURES where there is an outlook.
    """
    if outlook is None:
        nothing = np.full(len(next(iter(columns.values()))), math.nan)
        return dict.fromkeys(OUTLOOK_METRICS, nothing)
    risk, value = outlook.churn_risk(columns), outlook.expected_value(columns)
    rounded = (np.round(risk, _RISK_DECIMALS), np.round(value, _VALUE_DECIMALS))
    return dict(zip(OUTLOOK_METRICS, rounded, strict=True))


def standardised(column: Floats, mean: float, deviation: float) -> Floats:
    """The column in deviations from the mean, clipped."""
    scaled = (column - mean) / deviation
    found: Floats = np.minimum(np.maximum(scaled, -_MAX_DEVIATIONS), _MAX_DEVIATIONS)
    return found


def churn_features(columns: Mapping[str, Floats], activity: ShopActivity) -> Floats:
    """Features of churn, shape (n, 10)."""
    value = columns["lifetime_value"]
    return np.column_stack([_rhythm(columns, activity), np.log1p(np.maximum(value, 0.0))])


def value_features(columns: Mapping[str, Floats], activity: ShopActivity) -> Floats:
    """Features of expected value, shape (n, 10): the value an occasion for the lifetime's."""
    own = np.log(expected_occasion_value(columns, activity))
    return np.column_stack([_rhythm(columns, activity), own])


def expected_occasion_value(columns: Mapping[str, Floats], activity: ShopActivity) -> Floats:
    """What an occasion of each customer is worth, drawn towards the shop's, shape (n,)."""
    weight = activity.value_weight
    total = columns["lifetime_value"] + weight * activity.occasion_value
    found: Floats = np.maximum(total / (columns["n_occasions"] + weight), _MIN_VALUE)
    return found


def _rhythm(columns: Mapping[str, Floats], activity: ShopActivity) -> Floats:
    """When and how often the customer bought, shape (n, 9)."""
    n, recency, tenure = (columns[name] for name in ("n_occasions", "recency_days", "tenure_days"))
    prior = activity.rate
    overdue = recency / expected_gap(columns, activity.median_gap_days)
    log_n, log_recency = np.log(n), np.log1p(recency)
    return np.column_stack(
        [
            log_recency,
            log_n,
            np.log1p(tenure),
            np.log(occasion_rate(columns, prior)),
            np.log1p(overdue),
            log_silence(columns, prior),
            np.log1p(columns["n_recent_occasions"]),
            (n == 1).astype(np.float64),
            log_recency * log_n,
        ]
    )
