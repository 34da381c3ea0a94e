"""Which optional inputs each raw measure is made from; a measure that is not here needs none.

Of schema.INPUTS. Without them the features have the measure too, but it says nothing of customers:
no order has a discount in a file without discounts.
"""

from __future__ import annotations

from collections.abc import Mapping

from segpipe.axes.ticket_measures import TICKET_MEASURES

_OF_INPUT = {
    "category": (
        "n_categories",
        "category_entropy",
        "top_category_share",
        "n_category_lines",
        "n_top_category_lines",
        "categories_per_order",
        "n_deep_categories",
    ),
    "product": (
        "n_products",
        "products_per_line",
        "products_per_order",
        "n_extra_products",
        "n_repeated_products",
        "repeat_product_share",
        "n_later_lines",
        "n_repeat_lines",
        "repeat_line_share",
        "orders_per_product",
        "product_concentration",
    ),
    "discount": (
        "n_discounted_orders",
        "discounted_order_share",
        "mean_discount_share",
        "discount_amount_share",
        "full_price_line_share",
    ),
    "refund": (
        "n_refunded_lines",
        "refunded_line_share",
        "n_refunded_orders",
        "refunded_order_share",
        "refund_amount_share",
    ),
    "channel": (
        "n_channels",
        "n_channel_orders",
        "n_top_channel_orders",
        "channel_switch_share",
        *(f"channel_{rank}_share" for rank in (1, 2, 3)),
        *(f"n_channel_{rank}_orders" for rank in (1, 2, 3)),
        *(f"{kind}_order_share" for kind in ("web", "store", "assisted")),
        *(f"n_{kind}_orders" for kind in ("web", "store", "assisted")),
    ),
    "time_of_day": (
        "business_hours_order_share",
        "evening_order_share",
        "n_business_hours_occasions",
        "n_evening_occasions",
    ),
    "tickets": tuple(name for name, *_ in TICKET_MEASURES),
}
NEEDS: Mapping[str, str] = {
    measure: needed for needed, measures in _OF_INPUT.items() for measure in measures
}
