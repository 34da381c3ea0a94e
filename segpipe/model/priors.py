"""Priors: what the shop's customers are like, and how a customer's few figures lean on it.

Takes counts of customers (k of n, k in a time) and a prior; gives the figure to expect of each:
near the shop's where there is little to go by, near the customer's own where there is much. The
same numbers serve the batch and one customer in real time, and one row has the bits of many.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from segpipe.core.arrays import Floats

MONTH_DAYS = 30.4375  # mean length of a month
STRENGTHS = (0.5, 500.0)  # bounds of a share's prior, in occasions, orders or lines
SHAPES = (0.1, 50.0)  # bounds of a rate's prior
_SIGNIFICANT_Z = 3.0  # below it, differences between customers may be chance
N_SCORES = 5  # a score is from 1 to this
_GAP_WEIGHT = 2.0  # of the shop's median in a customer's expected gap, in gaps


@dataclass(frozen=True)
class BetaPrior:
    """How a share differs between customers: a beta distribution."""

    mean: float  # within 0 and 1
    strength: float  # what the mean weighs, in occasions, orders or lines of a customer's own
    z: float  # of Tarone's test (1979) against customers who all have the same share

    @property
    def customers_differ(self) -> bool:
        """Whether customers differ in this beyond chance."""
        return self.z >= _SIGNIFICANT_Z and self.strength < STRENGTHS[1]


@dataclass(frozen=True)
class GammaPrior:
    """How a rate differs between customers: a gamma distribution."""

    shape: float
    exposure: float  # months or orders; shape / exposure is the mean rate
    z: float  # of the score test against customers who all have the same rate

    @property
    def customers_differ(self) -> bool:
        """Whether customers differ in this beyond chance."""
        return self.z >= _SIGNIFICANT_Z and self.shape < SHAPES[1]


@dataclass(frozen=True)
class NormalPrior:
    """How a mean differs between customers: a normal distribution."""

    mean: float
    strength: float  # variance within customers / variance between them, in lines or tickets
    z: float  # of the test against customers who all have the same mean

    @property
    def customers_differ(self) -> bool:
        """Whether customers differ in this beyond chance."""
        return self.z >= _SIGNIFICANT_Z and self.strength < STRENGTHS[1]


@dataclass(frozen=True)
class Priors:
    """All priors of a shop by name; one is absent where its input is, or nobody has a figure."""

    median_gap_days: float  # of the customers' mean gaps between occasions, a day at least
    shares: Mapping[str, BetaPrior] = field(default_factory=dict)
    rates: Mapping[str, GammaPrior] = field(default_factory=dict)
    means: Mapping[str, NormalPrior] = field(default_factory=dict)
    discount_share: float | None = None  # mean over customers of discount / gross
    scores: Mapping[str, tuple[float, ...]] = field(default_factory=dict)  # of SCORED: four cuts


@dataclass(frozen=True)
class Share:
    """Measures whose ratio is a share, and the inputs that it needs."""

    part: str
    whole: str
    needs: tuple[str, ...] = ()


CHANNEL_KINDS = ("web", "store", "assisted")
CHANNEL_RANKS = ("channel_1", "channel_2", "channel_3")
TICKET_KINDS = ("email", "chat", "phone", "self_service")
SHARES: Mapping[str, Share] = {
    "weekend": Share("n_weekend_occasions", "n_occasions"),
    "business_hours": Share("n_business_hours_occasions", "n_occasions", ("time_of_day",)),
    "evening": Share("n_evening_occasions", "n_occasions", ("time_of_day",)),
    "nov_dec": Share("n_nov_dec_occasions", "n_occasions"),
    "discounted_order": Share("n_discounted_orders", "n_orders", ("discount",)),
    "refunded_order": Share("n_refunded_orders", "n_orders", ("refund",)),
    "repeat_line": Share("n_repeat_lines", "n_later_lines", ("product",)),
    "splurge_order": Share("n_splurge_orders", "n_orders"),
    "top_category": Share("n_top_category_lines", "n_category_lines", ("category",)),
    **{name: Share(f"n_{name}_orders", "n_channel_orders", ("channel",)) for name in CHANNEL_RANKS},
    **{
        f"{name}_order": Share(f"n_{name}_orders", "n_channel_orders", ("channel",))
        for name in CHANNEL_KINDS
    },
    **{
        f"ticket_{kind}": Share(f"n_{kind}_tickets", "n_channel_tickets", ("tickets",))
        for kind in TICKET_KINDS
    },
}
SCORED: Mapping[str, tuple[str, int]] = {  # name → measure, and 1 or -1: which end scores 5
    "recency": ("recency_days", -1),
    "frequency": ("n_occasions", 1),
    "monetary": ("lifetime_value", 1),
}
SCORES = (*(f"{name}_score" for name in SCORED), "fm_score", "rfm_score")  # their measures


def priors_of(document: Mapping[str, Any]) -> Priors:
    """The priors of a model document; KeyError, TypeError or ValueError where it has none."""
    parts = dict(document)
    for name, kind in (("shares", BetaPrior), ("rates", GammaPrior), ("means", NormalPrior)):
        parts[name] = {key: kind(**figures) for key, figures in parts[name].items()}
    parts["scores"] = {name: tuple(cuts) for name, cuts in parts.get("scores", {}).items()}
    found = Priors(**parts)
    _check_numbers(found)
    return found


def shrink_share(part: Floats, whole: Floats, prior: BetaPrior) -> Floats:
    """The share to expect of customers with `part` of `whole`, shape (n,)."""
    return (part + prior.mean * prior.strength) / (whole + prior.strength)


def shrink_rate(count: Floats, exposure: Floats, prior: GammaPrior) -> Floats:
    """The rate to expect of customers with `count` in an exposure (months, orders), shape (n,)."""
    return (count + prior.shape) / (exposure + prior.exposure)


def shrink_mean(mean: Floats, count: Floats, prior_mean: float, strength: float) -> Floats:
    """The mean to expect of customers with a mean of `count` values, shape (n,).

    Without any value it is that of the prior.
    """
    own = np.where(count > 0, mean * count, 0.0)
    return (own + prior_mean * strength) / (count + strength)


def score_of(values: Floats, cuts: tuple[float, ...]) -> Floats:
    """The score, 1 to 5, of figures of which more is better, shape (n,); NaN where missing."""
    above = np.searchsorted(cuts, values, side="right")
    found: Floats = np.where(np.isnan(values), np.nan, above + 1.0)
    return found


def expected_gap(columns: Mapping[str, Floats], median_gap_days: float) -> Floats:
    """Days to expect between occasions, a day at least, shape (n,).

    The mean of the customer's own gaps and two of the shop's median.
    """
    n_gaps = columns["n_occasions"] - 1
    span = columns["tenure_days"] - columns["recency_days"]  # from the first occasion to the last
    gap = (span + _GAP_WEIGHT * median_gap_days) / (n_gaps + _GAP_WEIGHT)
    found: Floats = np.maximum(gap, 1.0)
    return found


def occasion_rate(columns: Mapping[str, Floats], prior: GammaPrior) -> Floats:
    """Occasions a month to expect after the first one, shape (n,)."""
    return shrink_rate(columns["n_occasions"] - 1, columns["tenure_days"] / MONTH_DAYS, prior)


def log_silence(columns: Mapping[str, Floats], prior: GammaPrior) -> Floats:
    """Logarithm of the chance that an active customer stays away for so long, shape (n,).

    Gamma-Poisson: ((b + T) / (b + T + r)) ^ (a + n - 1), n occasions in T months, and r since then
    without the day that any gap has.
    """
    recency = columns["recency_days"]
    active = prior.exposure + (columns["tenure_days"] - recency) / MONTH_DAYS
    silent = np.maximum(recency - 1, 0.0) / MONTH_DAYS
    found: Floats = (prior.shape + columns["n_occasions"] - 1) * np.log(active / (active + silent))
    return found


def _check_numbers(priors: Priors) -> None:
    """ValueError where the figures of a document would give nonsense."""
    positive = [priors.median_gap_days]
    positive += [beta.strength for beta in priors.shares.values()]
    positive += [
        figure for gamma in priors.rates.values() for figure in (gamma.shape, gamma.exposure)
    ]
    positive += [normal.strength for normal in priors.means.values()]
    finite = [normal.mean for normal in priors.means.values()]
    finite += [] if priors.discount_share is None else [priors.discount_share]
    finite += [beta.z for beta in priors.shares.values()]
    finite += [gamma.z for gamma in priors.rates.values()]
    finite += [normal.z for normal in priors.means.values()]
    finite += [cut for cuts in priors.scores.values() for cut in cuts]
    if not all(0 < figure < math.inf for figure in positive) or not all(map(math.isfinite, finite)):
        raise ValueError("a prior is not made of numbers, or of numbers above 0")
    if not all(0 < beta.mean < 1 for beta in priors.shares.values()):
        raise ValueError("the mean of a share's prior is not within 0 and 1")
    for cuts in priors.scores.values():
        if len(cuts) != N_SCORES - 1 or list(cuts) != sorted(cuts):
            raise ValueError("the cuts of a score are not four rising numbers")
