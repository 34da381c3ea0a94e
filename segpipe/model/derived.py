"""Derived measures: what raw measures and the shop's priors say together.

Takes columns of raw measures, shape (n,), NaN where missing; gives the derived ones that were asked
for, NaN where unknown. Batch, real time and discovery use this one function; every operation is
by element, so that one customer has the bits that they have among others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from segpipe.core.arrays import Floats
from segpipe.model import trends
from segpipe.model.posterior import binomial_tail, posterior_above
from segpipe.model.priors import (
    CHANNEL_KINDS,
    CHANNEL_RANKS,
    MONTH_DAYS,
    SCORED,
    SHARES,
    TICKET_KINDS,
    BetaPrior,
    GammaPrior,
    NormalPrior,
    Priors,
    expected_gap,
    occasion_rate,
    score_of,
    shrink_mean,
    shrink_rate,
    shrink_share,
)

Columns = Mapping[str, Floats]
_N_MONTH_PAIRS = 12.0
_ONE_CHANNEL = 0.75  # of orders or tickets, above which the others do not count
_CALENDAR = ("weekend", "business_hours", "evening", "nov_dec")
_ORDER_SHARES = tuple(f"{kind}_order" for kind in CHANNEL_KINDS)
_TICKET_SHARES = tuple(f"ticket_{kind}" for kind in TICKET_KINDS)
_TICKETS = {kind: f"n_{kind}_tickets" for kind in TICKET_KINDS}


@dataclass(frozen=True)
class _Measure:
    """A derived measure: raw ones that it needs, how it is made, and the prior that it leans on."""

    inputs: tuple[str, ...]
    derive: Callable[[Columns, Priors], Floats | None]  # None: unknown of everybody
    prior: Callable[[Priors], BetaPrior | GammaPrior | NormalPrior | None] | None = None


def derive(columns: Columns, names: Iterable[str], priors: Priors | None) -> dict[str, Floats]:
    """The named measures, each (n,): raw ones as they are in columns, the others derived.

    columns has the measures of `inputs_of(names)`. What leans on priors is unknown without them.
    """
    priors = priors or Priors(median_gap_days=1.0)
    found: dict[str, Floats] = {}
    for name in names:
        measure = _DERIVED.get(name)
        if measure is None:
            found[name] = columns[name]
            continue
        values = measure.derive(columns, priors)
        n_rows = len(columns[measure.inputs[0]])
        found[name] = np.full(n_rows, np.nan) if values is None else values
    return found


def inputs_of(names: Iterable[str]) -> tuple[str, ...]:
    """Raw measures from which `derive` makes the named ones, each once."""
    raw = (_DERIVED[name].inputs if name in _DERIVED else (name,) for name in names)
    return tuple(dict.fromkeys(measure for inputs in raw for measure in inputs))


def customers_differ(name: str, priors: Priors) -> bool:
    """Whether customers differ in a measure beyond chance; of raw measures that is not asked."""
    measure = _DERIVED.get(name)
    if measure is None or measure.prior is None:
        return True
    prior = measure.prior(priors)
    return prior is not None and prior.customers_differ


def _expected_share(name: str) -> _Measure:
    share = SHARES[name]

    def expected(columns: Columns, priors: Priors) -> Floats | None:
        prior = priors.shares.get(name)
        return shrink_share(columns[share.part], columns[share.whole], prior) if prior else None

    return _Measure((share.part, share.whole), expected, lambda priors: priors.shares.get(name))


def _mostly(name: str) -> _Measure:
    """Chance that more than half is of this kind; unknown where customers do not differ."""
    share = SHARES[name]

    def chance(columns: Columns, priors: Priors) -> Floats | None:
        prior = priors.shares.get(name)
        if prior is None or not prior.customers_differ:
            return None
        return posterior_above(0.5, columns[share.part], columns[share.whole], prior)

    return _Measure((share.part, share.whole), chance, lambda priors: priors.shares.get(name))


def _mostly_one_of(name: str, kinds: Sequence[str]) -> _Measure:
    """Likewise for a kind of several of which only one can be more than half.

    Each kind has a prior of its own. Of two that are likely, the likelier leaves the rest.
    """
    own, rivals = _mostly(name), [_mostly(kind) for kind in kinds if kind != name]

    def chance(columns: Columns, priors: Priors) -> Floats | None:
        found = own.derive(columns, priors)
        if found is None or not (likely := found > 0.5).any():
            return found
        mine = {measure: columns[measure][likely] for measure in inputs}
        for rival in rivals:
            other = rival.derive(mine, priors)
            if other is not None:
                left = np.where(other > found[likely], 1.0 - other, 1.0)
                found[likely] = np.minimum(found[likely], left)
        return found

    inputs = tuple(dict.fromkeys([*own.inputs, *(part for r in rivals for part in r.inputs)]))
    return _Measure(inputs, chance, own.prior)


def _score(name: str) -> _Measure:
    measure, sign = SCORED[name]

    def score(columns: Columns, priors: Priors) -> Floats | None:
        cuts = priors.scores.get(name)
        return score_of(sign * columns[measure], cuts) if cuts else None

    return _Measure((measure,), score)


def _sum_of_scores(weights: Mapping[str, float]) -> _Measure:
    parts = {name: (_score(name), weight) for name, weight in weights.items()}

    def total(columns: Columns, priors: Priors) -> Floats | None:
        scores = [(score.derive(columns, priors), weight) for score, weight in parts.values()]
        known = [score * weight for score, weight in scores if score is not None]
        return np.add.reduce(known) if len(known) == len(parts) else None

    return _Measure(tuple(SCORED[name][0] for name in weights), total)


def _splurges_more(columns: Columns, priors: Priors) -> Floats | None:
    """Chance that they splurge more often than the shop's mean customer."""
    prior = priors.shares.get("splurge_order")
    if prior is None or not prior.customers_differ:
        return None
    return posterior_above(prior.mean, columns["n_splurge_orders"], columns["n_orders"], prior)


def _raw_share(part: str, whole: str) -> _Measure:
    return _Measure((part, whole), lambda columns, _: _ratio(columns[part], columns[whole]))


def _one_channel(
    inputs: Sequence[str], whole: str, names: Sequence[str], top: Callable[[Columns], Floats]
) -> _Measure:
    """Chance that over three quarters are of the customer's main channel.

    The highest of those under the prior of each channel in which customers differ.
    """

    def chance(columns: Columns, priors: Priors) -> Floats | None:
        of_channels = (priors.shares[name] for name in names if name in priors.shares)
        used, asked = top(columns), columns[whole]
        chances = [
            posterior_above(_ONE_CHANNEL, used, asked, prior)
            for prior in of_channels
            if prior.customers_differ
        ]
        return np.maximum.reduce(chances) if chances else None

    def differing(priors: Priors) -> BetaPrior | None:
        """The prior of a channel in which customers differ; None where there is none."""
        known = (priors.shares[name] for name in names if name in priors.shares)
        return next((prior for prior in known if prior.customers_differ), None)

    return _Measure((*inputs, whole), chance, differing)


def _expected_rate(name: str, count: str, exposure: str, least: float) -> _Measure:
    def expected(columns: Columns, priors: Priors) -> Floats | None:
        prior = priors.rates.get(name)
        return least + shrink_rate(columns[count], columns[exposure], prior) if prior else None

    return _Measure((count, exposure), expected, lambda priors: priors.rates.get(name))


def _expected_mean(name: str, mean: str, count: str) -> _Measure:
    def expected(columns: Columns, priors: Priors) -> Floats | None:
        prior = priors.means.get(name)
        if prior is None:
            return None
        return shrink_mean(columns[mean], columns[count], prior.mean, prior.strength)

    return _Measure((mean, count), expected, lambda priors: priors.means.get(name))


def _discount_share(columns: Columns, priors: Priors) -> Floats | None:
    prior, shop = priors.shares.get("discounted_order"), priors.discount_share
    if prior is None or shop is None:
        return None
    share = columns["discount_amount_share"]
    known = np.where(np.isnan(share), 0.0, columns["n_orders"])  # nothing was spent
    return shrink_mean(share, known, shop, prior.strength)


def _occasion_rate(columns: Columns, priors: Priors) -> Floats | None:
    prior = priors.rates.get("occasions")
    return occasion_rate(columns, prior) if prior else None


def _gap(columns: Columns, priors: Priors) -> Floats:
    return expected_gap(columns, priors.median_gap_days)


def _overdue(columns: Columns, priors: Priors) -> Floats:
    return columns["recency_days"] / expected_gap(columns, priors.median_gap_days)


def _own_rate(columns: Columns, _: Priors) -> Floats:
    return _ratio(columns["n_occasions"] - 1, columns["tenure_days"] / MONTH_DAYS)


def _own_overdue(columns: Columns, _: Priors) -> Floats:
    recency = columns["recency_days"]
    own_gap = _ratio(columns["tenure_days"] - recency, columns["n_occasions"] - 1)
    return _ratio(recency, own_gap)


def _best_months(columns: Columns, _: Priors) -> Floats:
    tail = binomial_tail(
        columns["n_best_months_occasions"],
        columns["n_occasions"],
        columns["best_months_day_share"],
    )
    chance: Floats = np.minimum(_N_MONTH_PAIRS * tail, 1.0)
    return chance


def _top_tickets(columns: Columns) -> Floats:
    top: Floats = np.maximum.reduce([columns[name] for name in _TICKETS.values()])
    return top


def _ratio(part: Floats, whole: Floats) -> Floats:
    """Part of whole; NaN where there is no whole."""
    found: Floats = part / np.where(whole > 0, whole, np.nan)
    return found


_OCCASIONS = ("n_occasions", "tenure_days", "recency_days")
_TREND = ("n_later_occasions", "n_earlier_occasions", "n_occasions")
_DERIVED: dict[str, _Measure] = {
    "expected_occasions_per_month": _Measure(
        ("n_occasions", "tenure_days"), _occasion_rate, lambda priors: priors.rates.get("occasions")
    ),
    "expected_gap_days": _Measure(_OCCASIONS, _gap),
    "recency_in_expected_gaps": _Measure(_OCCASIONS, _overdue),
    "silence_chance": _Measure(_OCCASIONS, trends.silence),
    "own_occasions_per_month": _Measure(("n_occasions", "tenure_days"), _own_rate),
    "recency_in_own_gaps": _Measure(_OCCASIONS, _own_overdue),
    "order_trend_z": _Measure(_TREND, trends.trend),
    "growing_chance": _Measure(_TREND, trends.growing),
    "declining_chance": _Measure(_TREND, trends.declining),
    "steady_chance": _Measure((*_TREND, "tenure_days", "recency_days"), trends.steady),
    **{f"expected_{name}_share": _expected_share(name) for name in SHARES},
    **{
        f"{name}_occasion_share": _raw_share(SHARES[name].part, SHARES[name].whole)
        for name in _CALENDAR
    },
    **{f"mostly_{name}_chance": _mostly(name) for name in _CALENDAR},
    "mostly_one_category_chance": _mostly("top_category"),
    "splurges_more_chance": _Measure(
        ("n_splurge_orders", "n_orders"),
        _splurges_more,
        lambda priors: priors.shares.get("splurge_order"),
    ),
    **{
        f"mostly_{kind}_chance": _mostly_one_of(f"{kind}_order", _ORDER_SHARES)
        for kind in CHANNEL_KINDS
    },
    **{
        f"mostly_{kind}_tickets_chance": _mostly_one_of(f"ticket_{kind}", _TICKET_SHARES)
        for kind in TICKET_KINDS
    },
    "best_months_share": _raw_share("n_best_months_occasions", "n_occasions"),
    "best_months_chance": _Measure(
        ("n_best_months_occasions", "n_occasions", "best_months_day_share"), _best_months
    ),
    "top_channel_share": _raw_share("n_top_channel_orders", "n_channel_orders"),
    "one_channel_chance": _one_channel(
        ("n_top_channel_orders",),
        "n_channel_orders",
        CHANNEL_RANKS,
        lambda columns: columns["n_top_channel_orders"],
    ),
    "top_ticket_kind_share": _Measure(
        (*_TICKETS.values(), "n_channel_tickets"),
        lambda columns, _: _ratio(_top_tickets(columns), columns["n_channel_tickets"]),
    ),
    "one_ticket_channel_chance": _one_channel(
        tuple(_TICKETS.values()),
        "n_channel_tickets",
        _TICKET_SHARES,
        _top_tickets,
    ),
    "expected_discount_share": _Measure(
        ("discount_amount_share", "n_orders"),
        _discount_share,
        lambda priors: priors.shares.get("discounted_order"),
    ),
    "expected_products_per_order": _expected_rate(
        "extra_products", "n_extra_products", "n_orders", least=1.0
    ),
    "expected_tickets_per_order": _expected_rate("tickets", "n_tickets", "n_orders", least=0.0),
    "expected_price_position": _expected_mean("price_position", "price_position", "n_priced_lines"),
    "expected_satisfaction": _expected_mean("satisfaction", "satisfaction_mean", "n_rated_tickets"),
    **{f"{name}_score": _score(name) for name in SCORED},
    "fm_score": _sum_of_scores({"frequency": 0.5, "monetary": 0.5}),
    "rfm_score": _sum_of_scores({"recency": 100.0, "frequency": 10.0, "monetary": 1.0}),
}
DERIVED_MEASURES = tuple(_DERIVED)
