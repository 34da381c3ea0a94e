"""The customer's own figure behind an expected one, by which a name is checked.

An expected figure leans on the shop's priors; what a name says of a customer must hold of what the
customer did.
"""

from __future__ import annotations

_OWN = {
    "expected_occasions_per_month": "own_occasions_per_month",
    "expected_gap_days": "mean_gap_days",
    "recency_in_expected_gaps": "recency_in_own_gaps",
    "expected_discount_share": "discount_amount_share",
    **{
        f"expected_{kind}_share": f"{kind}_share"
        for kind in (
            *("top_category", "discounted_order", "refunded_order", "repeat_line", "splurge_order"),
            *("channel_1", "channel_2", "channel_3", "web_order", "store_order", "assisted_order"),
            *("ticket_email", "ticket_chat", "ticket_phone", "ticket_self_service"),
        )
    },
    **{
        f"expected_{time}_share": f"{time}_occasion_share"
        for time in ("weekend", "business_hours", "evening", "nov_dec")
    },
    "expected_products_per_order": "products_per_order",
    "expected_tickets_per_order": "tickets_per_order",
    "expected_price_position": "price_position",
    "expected_satisfaction": "satisfaction_mean",
}


def own_figure(measure: str) -> str:
    """The measure of the customer's own figure; one that is no expected figure is its own."""
    return _OWN.get(measure, measure)
