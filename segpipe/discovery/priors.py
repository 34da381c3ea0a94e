"""Learning the shop's priors from the weighted sample, by the method of moments.

Takes columns of raw measures and weights; gives Priors. Shares after Kleinman (1973), tested by
Tarone's z (1979); rates by the negative binomial's moments, tested by the score of Dean and
Lawless (1989). Each customer counts as often as their weight says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from segpipe.core.arrays import Flags, Floats
from segpipe.model.preprocessing import weighted_quantile
from segpipe.model.priors import (
    MONTH_DAYS,
    N_SCORES,
    SCORED,
    SHAPES,
    SHARES,
    STRENGTHS,
    BetaPrior,
    GammaPrior,
    NormalPrior,
    Priors,
)

PRIOR_MEASURES = tuple(
    dict.fromkeys(
        [
            *("n_occasions", "tenure_days", "recency_days", "n_orders"),
            *(name for share in SHARES.values() for name in (share.part, share.whole)),
            *("discount_amount_share", "n_extra_products", "n_tickets"),
            *("n_priced_lines", "price_position", "price_spread"),
            *("n_rated_tickets", "satisfaction_mean", "satisfaction_spread"),
            *(measure for measure, _ in SCORED.values()),
        ]
    )
)
_RATES = {"extra_products": ("n_extra_products", "product"), "tickets": ("n_tickets", "tickets")}
_MEANS = {  # name → values, their mean, its sample deviation, and the inputs that they need
    "price_position": ("n_priced_lines", "price_position", "price_spread", ()),
    "satisfaction": ("n_rated_tickets", "satisfaction_mean", "satisfaction_spread", ("tickets",)),
}
_LEAST_STRENGTH = 0.01  # of a mean's prior
_LEAST_RATE = 1e-6
_LEAST_SHARE = 1e-6
_STEPS = 200
_DIGITS = 9  # significant, so that the rounding of sums does not change a model


def estimate_priors(
    columns: Mapping[str, Floats], weights: Floats, inputs: frozenset[str]
) -> Priors:
    """The priors of a population from its sample.

    columns has PRIOR_MEASURES, shape (n,), NaN where missing; weights is (n,).
    """
    shares, rates, means = {}, {}, {}
    for name, share in SHARES.items():
        found = estimate_share(columns[share.part], columns[share.whole], weights)
        if found and inputs.issuperset(share.needs):
            shares[name] = found
    rates["occasions"] = occasion_prior(columns, weights)
    for name, (count, need) in _RATES.items():
        if need in inputs:
            rates[name] = estimate_rate(columns[count], columns["n_orders"], weights)
    for name, (count, mean, spread, needs) in _MEANS.items():
        normal = estimate_mean(columns[count], columns[mean], columns[spread], weights)
        if normal and inputs.issuperset(needs):
            means[name] = normal
    discount = None
    if "discounted_order" in shares:
        strength = shares["discounted_order"].strength
        discount = _mean_share(
            columns["discount_amount_share"], columns["n_orders"], strength, weights
        )
    scores = {
        name: score_cuts(sign * columns[measure], weights)
        for name, (measure, sign) in SCORED.items()
    }
    return Priors(median_gap(columns, weights), shares, rates, means, discount, scores)


def occasion_prior(columns: Mapping[str, Floats], weights: Floats) -> GammaPrior:
    """Prior of the occasions a month after the first one."""
    return estimate_rate(columns["n_occasions"] - 1, columns["tenure_days"] / MONTH_DAYS, weights)


def median_gap(columns: Mapping[str, Floats], weights: Floats) -> float:
    """Weighted median of the customers' mean gaps between occasions, a day at least.

    Where nobody came back it is the median of the tenures.
    """
    n_gaps, tenure = columns["n_occasions"] - 1, columns["tenure_days"]
    again = n_gaps > 0
    gaps = (tenure - columns["recency_days"])[again] / n_gaps[again]
    if len(gaps):
        found = weighted_quantile(gaps, weights[again], 0.5)
    else:
        found = weighted_quantile(tenure, weights, 0.5)
    return rounded(max(found, 1.0))


def estimate_share(part: Floats, whole: Floats, weights: Floats) -> BetaPrior | None:
    """Prior of a share of which customers have `part` of `whole`; None where nobody has any.

    In the mean a customer counts whole / (whole + strength), which is found by iteration.
    """
    k, n, weights = _known((whole > 0) & ~np.isnan(part), part, whole, weights)
    if not len(n):
        return None
    shares = k / n

    def step(strength: float) -> tuple[float, float]:
        mean, squares, rest = _moments(shares, n, strength, weights)
        unit = mean * (1 - mean)
        excess = squares - unit * float((rest / n).sum())
        room = unit * float((rest * (1 - 1 / n)).sum())
        # excess / room is the correlation within a customer, 1 / (strength + 1)
        return mean, room / excess - 1 if excess > 0 and room > 0 else STRENGTHS[1]

    mean, strength = _iterated(step, STRENGTHS)
    mean = min(max(mean, _LEAST_SHARE), 1 - _LEAST_SHARE)
    return BetaPrior(rounded(mean), rounded(strength), rounded(_tarone(k, n, weights)))


def estimate_rate(count: Floats, exposure: Floats, weights: Floats) -> GammaPrior:
    """Prior of a rate of which customers have `count` in `exposure`: months, or orders."""
    k, t, weights = _known((exposure > 0) & ~np.isnan(count), count, exposure, weights)
    total = float((weights * t).sum())
    rate = max(float((weights * k).sum()) / total, _LEAST_RATE) if total > 0 else _LEAST_RATE
    expected = rate * t
    excess = np.square(k - expected) - k
    over = float((weights * excess).sum())
    squares = float((weights * np.square(expected)).sum())
    low, high = SHAPES
    shape = min(max(squares / over, low), high) if over > 0 else high
    spread = float(np.sqrt(2 * (np.square(weights) * np.square(expected)).sum()))
    z = over / spread if spread > 0 else 0.0
    return GammaPrior(rounded(shape), rounded(shape / rate), rounded(z))


def estimate_mean(
    count: Floats, mean: Floats, spread: Floats, weights: Floats
) -> NormalPrior | None:
    """Prior of a mean over `count` values with the sample deviation `spread`.

    None where nobody has two values, so that nothing is known of the deviation.
    """
    n, means, spread, weights = _known(count > 0, count, mean, spread, weights)
    several = (n > 1) & ~np.isnan(spread)
    free = (weights * (n - 1))[several]
    if not free.sum() > 0:
        return None
    within = float((free * np.square(spread[several])).sum() / free.sum())
    bounds = (_LEAST_STRENGTH, STRENGTHS[1])

    def step(strength: float) -> tuple[float, float]:
        centre, squares, rest = _moments(means, n, strength, weights)
        between = (squares - within * float((rest / n).sum())) / max(float(rest.sum()), 1e-300)
        return centre, within / between if between > 0 else bounds[1]

    centre, strength = _iterated(step, bounds)
    pooled = float((weights * n * means).sum() / (weights * n).sum())
    squares = n * np.square(means - pooled)
    z = float((weights * (squares - within)).sum())
    z = z / (within * float(np.sqrt(2 * np.square(weights).sum()))) if within > 0 else z
    return NormalPrior(rounded(centre), rounded(strength), rounded(z))


def score_cuts(values: Floats, weights: Floats) -> tuple[float, ...]:
    """Where the scores 2 to 5 begin, of figures without gaps: halfway between two of them.

    The score of a figure is the fifth in which its weighted mid-rank lies. A score that no figure
    has begins where the next one does, or above all figures.
    """
    figures, place = np.unique(values, return_inverse=True)
    held = np.bincount(place, weights)
    middle = (held.cumsum() - held / 2) / held.sum()
    scores = np.ceil(N_SCORES * middle)
    between = [figures[0], *(figures[:-1] + np.diff(figures) / 2), figures[-1] + 1]
    begins = np.searchsorted(scores, np.arange(2, N_SCORES + 1))
    return tuple(float(between[first]) for first in begins)


def rounded(value: float) -> float:
    """The value as a model keeps it."""
    return float(f"{value:.{_DIGITS}g}")


def _known(is_there: Flags, *columns: Floats) -> tuple[Floats, ...]:
    """The columns of customers of whom something is known."""
    return tuple(column[is_there] for column in columns)


def _moments(
    values: Floats, n: Floats, strength: float, weights: Floats
) -> tuple[float, float, Floats]:
    """Mean and squares of values that each count n / (n + strength); and their free weights.

    The squares are to be expected as the sum of free weights × variances: the mean, estimated from
    the same values, has taken its part.
    """
    counted = weights * n / (n + strength)
    total = counted.sum()
    mean = float((counted * values).sum() / total)
    squares = float((counted * np.square(values - mean)).sum())
    return mean, squares, counted * (1 - counted / total)


def _iterated(
    step: Callable[[float], tuple[float, float]], bounds: tuple[float, float]
) -> tuple[float, float]:
    """Mean and strength, once a step changes the strength no more."""
    strength = 1.0
    for _ in range(_STEPS):
        mean, found = step(strength)
        found = min(max(found, bounds[0]), bounds[1])
        is_done = abs(found - strength) <= 1e-10 * strength
        strength = found
        if is_done:
            break
    return mean, strength


def _tarone(k: Floats, n: Floats, weights: Floats) -> float:
    """Tarone's z: how much more shares differ than those of tosses of one coin."""
    share = float((weights * k).sum() / (weights * n).sum())
    spread = float(np.sqrt(2 * (np.square(weights) * n * (n - 1)).sum()))
    unit = share * (1 - share)
    if spread == 0 or unit <= 0:
        return 0.0
    return float((weights * (np.square(k - n * share) / unit - n)).sum() / spread)


def _mean_share(share: Floats, n: Floats, strength: float, weights: Floats) -> float | None:
    """Mean over customers who each count n / (n + strength)."""
    shares, n, weights = _known(~np.isnan(share), share, n, weights)
    return rounded(_moments(shares, n, strength, weights)[0]) if len(n) else None
