"""The tables that cross a stage: their grain and their columns.

Everything that one stage passes to the next is named here, so that a stage can be read on its own.
Amounts are decimals in the shop's currency, so that sums are exact in any order.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

AMOUNT = "DECIMAL(18, 4)"
STRENGTH_STEPS = 10_000  # a strength is published to four decimals


@dataclass(frozen=True)
class Table:
    """A named table: one row per `grain`, columns as name → engine type."""

    name: str
    grain: str
    columns: dict[str, str]


ORDER_LINES = Table(
    name="order_lines",
    grain="line of an order of a known customer (guests and rejected lines are left out)",
    columns={
        "customer_id": "VARCHAR",  # 1 to 100 characters
        "order_id": "VARCHAR",  # unique within the customer
        "ordered_at": "TIMESTAMP",  # UTC
        "ordered_local": "TIMESTAMP",  # the shop's wall clock
        "is_return": "BOOLEAN",  # then line_amount, discount_amount are 0
        "line_amount": AMOUNT,  # charged after discount, before refunds; >= 0
        "quantity": AMOUNT,  # units, >= 0
        "discount_amount": AMOUNT,  # >= 0, 0 where the source has none
        "refund_amount": AMOUNT,  # >= 0, 0 where the source has none
        "product_id": "VARCHAR",  # NULL where unknown, as are the next three
        "category": "VARCHAR",
        "channel": "VARCHAR",
        "unit_price": "DOUBLE",  # list price of one unit; NULL where quantity is 0 or on returns
    },
)

TICKETS = Table(
    name="tickets",
    grain="support ticket",
    columns={
        "customer_id": "VARCHAR",
        "created_at": "TIMESTAMP",  # UTC
        "channel": "VARCHAR",
        "resolved_at": "TIMESTAMP",
        "message_count": "INTEGER",
        "satisfaction": "DOUBLE",  # 1 to 5
        "priority": "VARCHAR",
        "is_reopened": "BOOLEAN",
    },
)

# Optional inputs that an axis or a feature may need; the source stage reports which are present.
INPUTS = ("discount", "refund", "product", "category", "channel", "time_of_day", "tickets")

METRICS = {  # published for every customer
    "lifetime_value": "DOUBLE",
    "avg_order_value": "DOUBLE",
    "churn_risk_score": "DOUBLE",
    "expected_value_90d": "DOUBLE",
    "total_orders": "INTEGER",
    "days_since_last_purchase": "INTEGER",
    "customer_tenure_days": "INTEGER",
    "rfm_score": "VARCHAR",
}
OUTLOOK_METRICS = ("churn_risk_score", "expected_value_90d")  # the model's; missing where withheld
RFM_AXIS, RFM_SCORE = "rfm", "rfm_score"  # the score, such as "543", is missing without the axis
MODEL_METRICS = (*OUTLOOK_METRICS, RFM_SCORE)  # may be missing
FEATURE_METRICS = {name: kind for name, kind in METRICS.items() if name not in MODEL_METRICS}

CUSTOMER_FEATURES = Table(
    name="customer_features",
    grain="customer with at least one order; these columns, and one DOUBLE per measure",
    columns={"customer_id": "VARCHAR", **FEATURE_METRICS},
)

CUSTOMER_DAYS = Table(
    name="customer_days",
    grain="customer and day (the shop's) with an order; in the order of customers and days",
    columns={
        "customer": "BIGINT",  # a number in the order of the ids
        "days_ago": "INTEGER",  # before as_of
        "value_units": "BIGINT",  # orders of the day net of their refunds, in ten-thousandths
    },
)


def strength_column(axis: str) -> str:
    """Column of a membership batch that holds the strengths of `axis`.

    A membership batch (one row per customer) has customer_id, the METRICS, and for each axis two
    columns: segment names, dictionary-encoded, under the axis's name, and this one, from 0 to 1.
    """
    return f"{axis}_strength"


HAS_NEW_TICKET = "has_new_ticket"  # whether the customer has a new ticket since the previous run


def rescored_column(axis: str) -> str:
    """Column of a membership batch with the segments by the previous run's model.

    Dictionary-encoded names. The batch has it, and HAS_NEW_TICKET, for the axes to which that model
    can be applied; without a previous run, it has neither.
    """
    return f"{axis}_rescored"


BEHAVIOUR, TIME, MODEL = CAUSES = ("behaviour", "time", "model")  # of a transition


@dataclass(frozen=True)
class Reference:
    """Figures of the population with which a customer's measures are compared."""

    as_of: date  # when they were learnt
    category_prices: dict[str, float]  # category → median unit price
    shop_price: float  # median unit price over all lines; 1.0 where none has a price
    biggest_channels: tuple[str, ...]  # by orders, ties by name
    median_gap_days: float  # median of the customers' mean gaps; of tenures where nobody has one


PROFILE_COLUMNS = (
    "customer_id",
    "segment_memberships",
    "dominant_segments",
    "membership_strengths",
    *METRICS,
    "created_at",
    "previous_segments",
    "segment_since",
    "first_seen_on",
    "content_hash",
    "absent_since_run_id",
    "store_id",
    "run_id",
    "last_updated",
)


MEMBERSHIPS_COLUMN, DOMINANT_COLUMN = (
    "segment_memberships",
    "dominant_segments",
)  # the same, for hard clustering


COPY_COLUMNS = tuple(name for name in PROFILE_COLUMNS if name != DOMINANT_COLUMN)
