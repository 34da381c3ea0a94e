"""The planted truth: which class, or named state, each customer has on each axis.

Takes Traits and the axes without structure; gives a table, one text column per axis. Axes that
measure the same behaviour share one trait: frequency and maturity (orders, span), category_
exploration, repurchase and product knowledge (products). Taste follows price (full-price lines),
and customers who stopped are the holiday shoppers (they have no orders in recent months).
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from segpipe.core.arrays import Flags, Ints
from segpipe.core.errors import InputError
from segpipe.datasets.synthetic.traits import Traits

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
)
# From orders alone this axis mixes refunds, discounts and breadth, which other axes plant.
PLANTED_WITH_TICKETS = (*PLANTED_AXES, "problem_complexity_profile")

_PRODUCT_AXES = frozenset({"category_exploration", "repurchase_behavior", "product_knowledge"})
_LIFE_AXES = frozenset({"purchase_frequency", "customer_maturity"})
_PRICE_AXES = frozenset({"price_sensitivity", "value_sophistication"})  # full-price lines
_COUPLED = {  # an axis without structure → the axes that lose theirs with it
    **dict.fromkeys(_PRODUCT_AXES, _PRODUCT_AXES),
    **dict.fromkeys(_LIFE_AXES, _LIFE_AXES),
    **dict.fromkeys(_PRICE_AXES, _PRICE_AXES),
}

_FREQUENCY = ("one_time_buyer", "frequent", "regular", "rare", "occasional", "one_time_buyer")
_MATURITY = ("new", "developing", "established", "mature", "dormant", "never_returned")
_TRAJECTORY = ("growing", "steady", "declining", "lapsed")
_CADENCE = (
    "year_round", "weekend_shopper", "weekday_daytime", "evening_shopper", "holiday_shopper",
)  # fmt: skip
_EXPLORATION = ("category_loyal", "mixed", "focused", "multi_category")
_REPURCHASE = ("loyal_rebuyer", "mixed_basket", "variety_seeker", "variety_seeker")
_KNOWLEDGE = ("novice", "expert", "enthusiast", "explorer")
_PRICE = ("full_price_buyer", "occasional_deal", "discount_aware", "deal_hunter")
_TASTE = ("value_conscious", "balanced", "premium_seeker", "occasional_splurger")
_CHANNEL = ("web_first", "in_store", "assisted", "omnichannel")
_CONTACT = ("email_preferred", "chat_preferred", "phone_preferred", "self_service")
_RETURNS = ("careful_buyer", "occasional_returner", "regular_returner", "frequent_returner")
_VALUE = ("low_value", "mid_tier", "high_value", "whale")
_TROUBLE = ("self_sufficient", "moderate_complexity", "high_complexity")


def without_structure(unstructured: frozenset[str]) -> frozenset[str]:
    """`unstructured`, and the axes that lose their structure with it.

    Raises InputError for a name that is not a planted axis.
    """
    unknown = sorted(unstructured.difference(PLANTED_WITH_TICKETS))
    if unknown:
        known = ", ".join(PLANTED_WITH_TICKETS)
        raise InputError(f"{unknown[0]!r} is not an axis that can be planted; known: {known}.")
    return unstructured.union(*(_COUPLED.get(axis, frozenset()) for axis in unstructured))


def planted_axes(
    unstructured: frozenset[str] = frozenset(), *, has_tickets: bool = False
) -> tuple[str, ...]:
    """Axes of the truth table, in the order of its columns."""
    loose = without_structure(unstructured)
    axes = PLANTED_WITH_TICKETS if has_tickets else PLANTED_AXES
    return tuple(axis for axis in axes if axis not in loose)


def truth_table(
    traits: Traits, customer_ids: pa.Array, axes: tuple[str, ...], *, has_tickets: bool
) -> pa.Table:
    """One row per customer: customer_id, and the class or state on each of `axes`."""
    n = traits.n_orders
    contact = _named(_CONTACT, traits.contact, n == 1, "no_contact")
    columns = {
        "purchase_frequency": _named(_FREQUENCY, traits.life),
        "purchase_value": _named(_VALUE, traits.tier),
        "category_exploration": _named(
            _EXPLORATION, traits.assortment, n == 1, "too_few_purchases"
        ),
        "price_sensitivity": _named(_PRICE, traits.price),
        "purchase_cadence": _named(_CADENCE, traits.cadence, n < 3, "too_few_orders"),
        "customer_maturity": _named(_MATURITY, traits.life),
        "repurchase_behavior": _named(_REPURCHASE, traits.assortment, n == 1, "single_order"),
        "return_behavior": _named(_RETURNS, traits.returns),
        "communication_preference": contact if has_tickets else _named(_CHANNEL, traits.channel),
        "loyalty_trajectory": _named(_TRAJECTORY, traits.trajectory, n < 3, "too_early_to_tell"),
        "product_knowledge": _named(_KNOWLEDGE, traits.assortment, n == 1, "too_few_orders"),
        "value_sophistication": _named(_TASTE, traits.taste),
        "problem_complexity_profile": _named(_TROUBLE, traits.trouble),
    }
    known = {axis: columns[axis].slice(0, traits.n_customers) for axis in axes}
    return pa.table({"customer_id": customer_ids, **known})


def _named(
    names: tuple[str, ...], codes: Ints, is_state: Flags | None = None, state: str = ""
) -> pa.Array:
    if is_state is not None:
        codes = np.where(is_state, len(names), codes)
    return pa.array((*names, state)).take(pa.array(codes))
