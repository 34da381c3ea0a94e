"""What a name says in plain words, as a test of the customer's own figures, the same for any run.

A few names only say how a customer compares with others: their claims are ranks, with a margin of
five points. Names whose words make no claim on one figure are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from segpipe.core.arrays import Flags, Floats


@dataclass(frozen=True)
class PlainClaim:
    """A figure lies on one side of a bound; shares over a half are strict."""

    measures: tuple[str, ...]  # the first of them that the run publishes
    least: float = -np.inf
    most: float = np.inf
    is_rank: bool = False  # middle rank, 0 to 1, among the customers with a segment of the axis

    def holds(self, columns: Mapping[str, Floats], is_eligible: Flags) -> Flags | None:
        """Of whom it is true; a figure that is missing makes no claim true. None: not published."""
        name = next((name for name in self.measures if name in columns), None)
        if name is None:
            return None
        values = columns[name]
        if self.is_rank:
            values = _ranks(values, is_eligible)
        holds: Flags = (values >= self.least) & (values <= self.most)
        return holds


def _ranks(values: Floats, is_eligible: Flags) -> Floats:
    ranks = np.full(len(values), np.nan)
    known = is_eligible & ~np.isnan(values)
    ranks[known] = (rankdata(values[known]) - 0.5) / max(1, known.sum())
    return ranks


def _share(*names: str, least: float = -np.inf, most: float = np.inf) -> PlainClaim:
    return PlainClaim(names, least, most)


def _rank(name: str, least: float = 0.0, most: float = 1.0) -> PlainClaim:
    return PlainClaim((name,), least - 0.05, most + 0.05, is_rank=True)


_OVER_HALF = 0.5 + 1e-9
_NONE = 1e-9

PLAIN_CLAIMS: dict[str, dict[str, tuple[PlainClaim, ...]]] = {
    "purchase_frequency": {
        "rare": (_rank("orders_per_month", most=0.5), _share("orders_per_month", most=1.5)),
        "constant": (_rank("orders_per_month", least=0.5), _share("n_orders", least=3)),
    },
    "purchase_value": {
        "low_value": (_rank("lifetime_value", most=0.5),),
        "high_value": (_rank("lifetime_value", least=0.5),),
        "whale": (_rank("lifetime_value", least=0.9),),
    },
    "category_exploration": {
        "category_loyal": (_share("top_category_share", least=_OVER_HALF),),
        "focused": (_rank("n_categories", most=0.5),),
        "multi_category": (_rank("n_categories", least=0.5),),
        "wide_range": (_rank("n_products", least=0.5),),
    },
    "price_sensitivity": {
        "deal_hunter": (_share("discounted_order_share", least=_OVER_HALF),),
        "full_price_buyer": (
            _share("n_orders", least=3),
            _share("n_discounted_orders", most=_NONE),
        ),
    },
    "purchase_cadence": {
        "weekend_shopper": (
            _share("weekend_occasion_share", "weekend_order_share", least=_OVER_HALF),
        ),
        "weekday_daytime": (
            _share("business_hours_occasion_share", "business_hours_order_share", least=_OVER_HALF),
        ),
        "evening_shopper": (
            _share("evening_occasion_share", "evening_order_share", least=_OVER_HALF),
        ),
        "holiday_shopper": (
            _share("nov_dec_occasion_share", "nov_dec_order_share", least=_OVER_HALF),
        ),
        "year_round": (_share("nov_dec_occasion_share", "nov_dec_order_share", most=0.5),),
    },
    "customer_maturity": {
        "new": (_share("tenure_days", most=180),),
        "developing": (_share("recency_days", most=365),),
        "established": (_share("tenure_days", least=90), _share("n_orders", least=2)),
        "mature": (_share("tenure_days", least=180), _share("n_orders", least=3)),
        "dormant": (_share("recency_days", least=60),),
    },
    "repurchase_behavior": {
        "variety_seeker": (_share("repeat_line_share", most=0.5),),
        "repeat_buyer": (_share("repeat_line_share", least=0.25),),
        "loyal_rebuyer": (_share("repeat_line_share", least=0.5),),
    },
    "return_behavior": {
        "occasional_returner": (_share("refunded_order_share", most=0.5),),
        "frequent_returner": (_share("refunded_order_share", least=0.25),),
        "careful_buyer": (_share("n_orders", least=3), _share("n_refunded_lines", most=_NONE)),
    },
    "communication_preference": {
        "web_first": (_share("web_order_share", least=_OVER_HALF),),
        "in_store": (_share("store_order_share", least=_OVER_HALF),),
        "assisted": (_share("assisted_order_share", least=_OVER_HALF),),
        "omnichannel": (_share("n_channels", least=2),),
    },
    "problem_complexity_profile": {
        "self_sufficient": (_rank("products_per_order", most=0.5),),
        "high_complexity": (_rank("products_per_order", least=0.5),),
    },
    "loyalty_trajectory": {
        "growing": (_share("order_rate_log_ratio", least=_NONE),),
        "declining": (_share("order_rate_log_ratio", most=-_NONE),),
        "steady": (_share("order_rate_log_ratio", least=-np.log(3), most=np.log(3)),),
        "lapsed": (_share("recency_days", least=14),),
    },
    "product_knowledge": {
        "novice": (_rank("n_products", most=0.5),),
        "expert": (_rank("n_products", least=0.5),),
    },
    "value_sophistication": {
        "value_conscious": (_share("price_position", most=-_NONE),),
        "premium_seeker": (_share("price_position", least=_NONE),),
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
