"""What a name says in plain words, as a test of the customer's own figures, the same for any run.

A few names only say how a customer compares with others: their claims are ranks, with a margin of
five points. Names whose words make no claim on one figure are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from segpipe.core.arrays import Flags, Floats


@dataclass(frozen=True)
class PlainClaim:
    """A figure lies on one side of a bound; shares over a half are strict."""

    measure: str
    least: float = -np.inf
    most: float = np.inf
    is_rank: bool = False  # middle rank, 0 to 1, among the customers with a segment of the axis

    def holds(self, columns: Mapping[str, Floats], is_eligible: Flags) -> Flags | None:
        """Of whom it is true; a figure that is missing makes no claim true. None: not published."""
        if self.measure not in columns:
            return None
        values = columns[self.measure]
        if self.is_rank:
            values = _ranks(values, is_eligible)
        holds: Flags = (values >= self.least) & (values <= self.most)
        return holds


def _ranks(values: Floats, is_eligible: Flags) -> Floats:
    ranks = np.full(len(values), np.nan)
    known = is_eligible & ~np.isnan(values)
    ranks[known] = (rankdata(values[known]) - 0.5) / max(1, known.sum())
    return ranks


def _is(name: str, least: float = -np.inf, most: float = np.inf) -> PlainClaim:
    return PlainClaim(name, least, most)


def _rank(name: str, least: float = 0.0, most: float = 1.0) -> PlainClaim:
    return PlainClaim(name, least - 0.05, most + 0.05, is_rank=True)


RATIOS = {  # share → the two counts it is made of, where a run publishes those
    "weekend_order_share": ("n_weekend_occasions", "n_occasions"),
    "business_hours_order_share": ("n_business_hours_occasions", "n_occasions"),
    "evening_order_share": ("n_evening_occasions", "n_occasions"),
    "nov_dec_order_share": ("n_nov_dec_occasions", "n_occasions"),
    "discounted_order_share": ("n_discounted_orders", "n_orders"),
    "refunded_order_share": ("n_refunded_orders", "n_orders"),
    "repeat_line_share": ("n_repeat_lines", "n_later_lines"),
    "top_category_share": ("n_top_category_lines", "n_lines"),
}
CHANNELS = {  # share → the channels that count for it
    "web_order_share": ("web", "app", "online"),
    "store_order_share": ("store", "pos"),
    "assisted_order_share": ("phone", "chat", "agent"),
}
MONTH_DAYS = 30.4375


def raw_figures(columns: Mapping[str, Floats], channels: Sequence[str]) -> dict[str, Floats]:
    """The published measures, and plain ratios of the counts among them.

    `channels` are the shop's biggest ones, in the order of their counts.
    """
    found = dict(columns)

    def add(name: str, needs: Sequence[str], figure: Callable[..., Floats]) -> None:
        if name not in found and needs and all(need in columns for need in needs):
            with np.errstate(divide="ignore", invalid="ignore"):
                found[name] = figure(*(columns[need] for need in needs))

    for name, needs in RATIOS.items():
        add(name, needs, np.divide)
    add("products_per_order", ("n_extra_products", "n_orders"), lambda k, n: 1 + k / n)
    add(
        "orders_per_month", ("n_orders", "tenure_days"),
        lambda n, days: n / np.maximum(1, days / MONTH_DAYS),
    )  # fmt: skip
    add(
        "order_rate_log_ratio", ("n_later_occasions", "n_earlier_occasions"),
        lambda later, earlier: np.log((later + 0.5) / (earlier + 0.5)),
    )  # fmt: skip
    counts = {
        channel.lower(): f"n_channel_{number}_orders" for number, channel in enumerate(channels, 1)
    }
    for name, kinds in CHANNELS.items():
        own = [counts[kind] for kind in kinds if kind in counts]
        if own:
            add(name, (*own, "n_channel_orders"), lambda *parts: sum(parts[:-1]) / parts[-1])
    add(
        "n_channels", tuple(counts.values()),
        lambda *orders: np.sum([n > 0 for n in orders], axis=0).astype(np.float64),
    )  # fmt: skip
    return found


_OVER_HALF = 0.5 + 1e-9
_NONE = 1e-9

PLAIN_CLAIMS: dict[str, dict[str, tuple[PlainClaim, ...]]] = {
    "purchase_frequency": {
        "rare": (_rank("orders_per_month", most=0.5), _is("orders_per_month", most=1.5)),
        "constant": (_rank("orders_per_month", least=0.5), _is("n_orders", least=3)),
    },
    "purchase_value": {
        "low_value": (_rank("lifetime_value", most=0.5),),
        "high_value": (_rank("lifetime_value", least=0.5),),
        "whale": (_rank("lifetime_value", least=0.9),),
    },
    "category_exploration": {
        "category_loyal": (_is("top_category_share", least=_OVER_HALF),),
        "focused": (_rank("n_categories", most=0.5),),
        "multi_category": (_rank("n_categories", least=0.5),),
        "wide_range": (_rank("n_products", least=0.5),),
    },
    "price_sensitivity": {
        "deal_hunter": (_is("discounted_order_share", least=_OVER_HALF),),
        "full_price_buyer": (
            _is("n_orders", least=3),
            _is("n_discounted_orders", most=_NONE),
        ),
    },
    "purchase_cadence": {
        "weekend_shopper": (_is("weekend_order_share", least=_OVER_HALF),),
        "weekday_daytime": (_is("business_hours_order_share", least=_OVER_HALF),),
        "evening_shopper": (_is("evening_order_share", least=_OVER_HALF),),
        "holiday_shopper": (_is("nov_dec_order_share", least=_OVER_HALF),),
        "year_round": (_is("nov_dec_order_share", most=0.5),),
    },
    "customer_maturity": {
        "new": (_is("tenure_days", most=180),),
        "developing": (_is("recency_days", most=365),),
        "established": (_is("tenure_days", least=90), _is("n_orders", least=2)),
        "mature": (_is("tenure_days", least=180), _is("n_orders", least=3)),
        "dormant": (_is("recency_days", least=60),),
    },
    "repurchase_behavior": {
        "variety_seeker": (_is("repeat_line_share", most=0.5),),
        "repeat_buyer": (_is("repeat_line_share", least=0.25),),
        "loyal_rebuyer": (_is("repeat_line_share", least=0.5),),
    },
    "return_behavior": {
        "occasional_returner": (_is("refunded_order_share", most=0.5),),
        "frequent_returner": (_is("refunded_order_share", least=0.25),),
        "careful_buyer": (_is("n_orders", least=3), _is("n_refunded_lines", most=_NONE)),
    },
    "communication_preference": {
        "web_first": (_is("web_order_share", least=_OVER_HALF),),
        "in_store": (_is("store_order_share", least=_OVER_HALF),),
        "assisted": (_is("assisted_order_share", least=_OVER_HALF),),
        "omnichannel": (_is("n_channels", least=2),),
    },
    "problem_complexity_profile": {
        "self_sufficient": (_rank("products_per_order", most=0.5),),
        "high_complexity": (_rank("products_per_order", least=0.5),),
    },
    "loyalty_trajectory": {
        "growing": (_is("order_rate_log_ratio", least=_NONE),),
        "declining": (_is("order_rate_log_ratio", most=-_NONE),),
        "steady": (_is("order_rate_log_ratio", least=-np.log(3), most=np.log(3)),),
        "lapsed": (_is("recency_days", least=14),),
    },
    "product_knowledge": {
        "novice": (_rank("n_deep_categories", most=0.5),),
        "expert": (_rank("n_deep_categories", least=0.5),),
    },
    "value_sophistication": {
        "value_conscious": (_is("price_position", most=-_NONE),),
        "premium_seeker": (_is("price_position", least=_NONE),),
    },
}


def plain_shares(
    axis: str, labels: Sequence[str], segments: Sequence[str], columns: Mapping[str, Floats]
) -> Iterator[tuple[str, float]]:
    """Name, and the share of its members of whom the plain words are true; names without are left.

    `segments` are the labels that are no states; columns are of the customers of `labels`.
    """
    of_customers = np.array(labels)
    is_eligible = np.isin(of_customers, segments)
    for name, claims in PLAIN_CLAIMS.get(axis, {}).items():
        mine = of_customers == name
        held = [claim.holds(columns, is_eligible) for claim in claims]
        known = [holds for holds in held if holds is not None]
        if mine.any() and known:
            yield name, float(np.logical_and.reduce(known)[mine].mean())
