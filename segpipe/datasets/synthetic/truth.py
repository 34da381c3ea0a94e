"""The planted truth: which class, or named state, each customer has on each axis.

Takes Traits, Visits and the times of orders; gives a table, one text column per axis. Axes that
measure the same behaviour share one trait: frequency and maturity (visits), category_exploration,
repurchase and product knowledge (products).
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from segpipe.core.arrays import Flags, Ints
from segpipe.core.errors import InputError
from segpipe.datasets.synthetic import traits as t
from segpipe.datasets.synthetic.traits import Traits
from segpipe.datasets.synthetic.visits import Visits

PLANTED_AXES = (
    "purchase_frequency",
    "purchase_value",
    "category_exploration",
    "price_sensitivity",
    "purchase_cadence",
    "customer_maturity",
    "repurchase_behavior",
    "return_behavior",
    "communication_preference",
    "loyalty_trajectory",
    "product_knowledge",
    "value_sophistication",
    "problem_complexity_profile",
)
# Here the classes are groups at least four deviations apart in the axis's main measure, or in
# the share of their kind; elsewhere they are parts of one continuum, or stages of a life.
SEPARATE_AXES = (
    "price_sensitivity",
    "purchase_cadence",
    "repurchase_behavior",
    "return_behavior",
    "communication_preference",
    "value_sophistication",
    "problem_complexity_profile",
)

_PRODUCT_AXES = frozenset({"category_exploration", "repurchase_behavior", "product_knowledge"})
_LIFE_AXES = frozenset({"purchase_frequency", "customer_maturity"})
_COUPLED = {  # an axis without structure → the axes that lose theirs with it
    **dict.fromkeys(_PRODUCT_AXES, _PRODUCT_AXES),
    **dict.fromkeys(_LIFE_AXES, _LIFE_AXES),
}

_FREQUENCY = ("one_time_buyer", "frequent", "regular", "occasional")
_TRAJECTORY = ("growing", "steady", "declining", "lapsed")
_CADENCE = (
    "no_fixed_time", "weekend_shopper", "weekday_daytime", "evening_shopper", "holiday_shopper",
    "year_round",
)  # fmt: skip
_EXPLORATION = ("category_loyal", "mixed", "category_loyal", "multi_category")
_REPURCHASE = ("loyal_rebuyer", "loyal_rebuyer", "variety_seeker", "variety_seeker")
_KNOWLEDGE = ("novice", "enthusiast", "novice", "expert")
_PRICE = ("full_price_buyer", "occasional_deal", "deal_hunter")
_TASTE = ("value_conscious", "balanced", "premium_seeker", "occasional_splurger")
_CHANNEL = ("web_first", "in_store", "assisted", "omnichannel")
_CONTACT = ("email_preferred", "chat_preferred", "phone_preferred", "self_service")
_RETURNS = ("careful_buyer", "occasional_returner", "frequent_returner")
_VALUE = ("low_value", "mid_tier", "high_value", "whale")
_BASKET = ("self_sufficient", "high_complexity")
_TROUBLE = ("self_sufficient", "moderate_complexity", "high_complexity")
_MATURITY = ("new", "dormant", "mature", "established", "developing")
_YEAR_ROUND_MONTHS = 6
_MATURE_ORDERS = 7


def without_structure(unstructured: frozenset[str]) -> frozenset[str]:
    """`unstructured`, and the axes that lose their structure with it.

    Raises InputError for a name that is not a planted axis.
    """
    unknown = sorted(unstructured.difference(PLANTED_AXES))
    if unknown:
        known = ", ".join(PLANTED_AXES)
        raise InputError(f"{unknown[0]!r} is not an axis that can be planted; known: {known}.")
    return unstructured.union(*(_COUPLED.get(axis, frozenset()) for axis in unstructured))


def planted_axes(unstructured: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """Axes of the truth table, in the order of its columns."""
    loose = without_structure(unstructured)
    return tuple(axis for axis in PLANTED_AXES if axis not in loose)


def truth_table(
    traits: Traits,
    visits: Visits,
    at: Ints,
    end_day: int,
    customer_ids: pa.Array,
    axes: tuple[str, ...],
    *,
    has_tickets: bool,
) -> pa.Table:
    """One row per customer: customer_id, and the class or state on each of `axes`.

    `at` has the seconds of each order, and `end_day` is the last day; both since 1970.
    """
    n = traits.n_orders
    contact = _named(_CONTACT, traits.contact, n == 1, "no_contact")
    trouble = _named(_TROUBLE, traits.trouble)
    cadence = _cadence(traits, visits, at)
    columns = {
        "purchase_frequency": _named(_FREQUENCY, visits.life, n == 1, "one_time_buyer"),
        "purchase_value": _named(_VALUE, traits.tier),
        "category_exploration": _named(_EXPLORATION, traits.assortment),
        "price_sensitivity": _named(
            _PRICE, traits.price, (n < 3) & (traits.price == t.FULL_PRICE), "no_discount_yet"
        ),
        "purchase_cadence": _named(_CADENCE, cadence, n < 3, "too_few_orders"),
        "customer_maturity": _named(_MATURITY, _maturity(visits, at, end_day)),
        "repurchase_behavior": _named(_REPURCHASE, traits.assortment, n == 1, "single_order"),
        "return_behavior": _named(
            _RETURNS, traits.returns, (n < 3) & (traits.returns == t.NEVER), "no_return_yet"
        ),
        "communication_preference": contact if has_tickets else _named(_CHANNEL, traits.channel),
        "loyalty_trajectory": _named(_TRAJECTORY, visits.trajectory, n < 3, "too_early_to_tell"),
        "product_knowledge": _named(_KNOWLEDGE, traits.assortment, n == 1, "too_few_orders"),
        "value_sophistication": _named(_TASTE, traits.taste),
        "problem_complexity_profile": trouble if has_tickets else _named(_BASKET, traits.basket),
    }
    known = {axis: columns[axis].slice(0, traits.n_customers) for axis in axes}
    return pa.table({"customer_id": customer_ids, **known})


def _cadence(traits: Traits, visits: Visits, at: Ints) -> Ints:
    """The slot of the customer's orders; of those without one, whether they come all year."""
    month = 1 << (at.astype("datetime64[s]").astype("datetime64[M]").astype(np.int64) % 12)
    first = np.cumsum(visits.n_orders) - visits.n_orders
    n_months = np.bitwise_count(np.bitwise_or.reduceat(month, first))
    is_all_year = (traits.cadence == t.NO_FIXED_TIME) & (n_months >= _YEAR_ROUND_MONTHS)
    return np.where(is_all_year, len(_CADENCE) - 1, traits.cadence)


def _maturity(visits: Visits, at: Ints, end_day: int) -> Ints:
    """Stage of the customer's life on the day after the end, by the first rule that holds."""
    day = at // 86_400
    last = np.cumsum(visits.n_orders) - 1
    n = visits.n_orders
    tenure = end_day + 1 - day[last - n + 1]
    recency = end_day + 1 - day[last]
    overdue = np.maximum(60, 2.5 * visits.gap_days)
    rules = (
        tenure <= 90,
        (recency > 365) | ((visits.days_since_life > 0) & (recency > overdue)),
        (tenure >= 270) & (n >= _MATURE_ORDERS),
        (tenure >= 180) & (n >= 3),
    )
    stages: Ints = np.select(rules, range(len(rules)), len(rules))
    return stages


def _named(
    names: tuple[str, ...], codes: Ints, is_state: Flags | None = None, state: str = ""
) -> pa.Array:
    if is_state is not None:
        codes = np.where(is_state, len(names), codes)
    return pa.array((*names, state)).take(pa.array(codes))
