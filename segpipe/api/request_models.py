"""Models of the request bodies: every text, list and number has bounds, unknown keys are errors.

`model_dump(exclude_unset=True)` of a customer is what `realtime.customer_of` reads.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from segpipe.api.examples import BATCH, CUSTOMER, RFM, RFM_CUSTOMER

LONGEST_ID = 100
MOST_CUSTOMERS = 1_000
_MOST_MONEY = 1_000_000_000
_CONTROL = r"\x00-\x1f\x7f-\x9f"
_TEXT = rf"^[^{_CONTROL}]*$"
ID_PATTERN = rf"^[^{_CONTROL}]*[^{_CONTROL}\s][^{_CONTROL}]*$"  # not blank
_DAY = r"(19[7-9]\d|2[01]\d\d|2200)-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
_TIME = r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,9})?)?"
_OFFSET = r"(Z|[+-]([01]\d|2[0-3]):?[0-5]\d)"
_WHEN = rf"^{_DAY}([T ]{_TIME}{_OFFSET}?)?$"
PATTERN_MESSAGES = {  # shown in place of the pattern, which few can read
    _WHEN: "Expected an ISO date or timestamp such as 2025-06-30 or 2025-06-30T12:00:00Z",
    _TEXT: "Should have no control characters",
    ID_PATTERN: "Should not be blank, and have no control characters",
}
_STEP = Decimal("0.0001")  # as the tables keep amounts
_ISO_DAY = re.compile(_DAY)


def _to_four_decimals(value: Decimal) -> Decimal:
    return value.quantize(_STEP, ROUND_HALF_UP)


def _check_day_exists(text: str) -> str:
    """The text, if its day exists: the pattern admits any 31st."""
    try:
        date.fromisoformat(text[:10])
    except ValueError:
        msg = "This day does not exist; expected one such as 2025-06-30"
        raise PydanticCustomError("date_value", msg) from None
    return text


def _check_iso_day(value: object) -> object:
    """The value, unless pydantic takes it for a date though it is a number or a timestamp."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if not (isinstance(value, str) and _ISO_DAY.fullmatch(value)):
        msg = "Expected a day from 1970 to 2200 such as 2025-06-30"
        raise PydanticCustomError("date_value", msg)
    return value


def _number(most: int, pattern: str, least: int | None = None) -> tuple[Any, ...]:
    """Metadata of a number that may also come as a text, which has to match the pattern."""
    least = -most if least is None else least
    texts = re.compile(pattern, re.ASCII)

    def check_number(value: object) -> object:
        if isinstance(value, str) and not texts.fullmatch(value):
            msg = "Expected a number, or a text such as 12.50"
            raise PydanticCustomError("decimal_parsing", msg)
        return value

    either = [
        {"type": "number", "minimum": least, "maximum": most},
        {"type": "string", "pattern": f"^({pattern})$"},
    ]
    return (
        Field(ge=least, le=most, allow_inf_nan=False),
        BeforeValidator(check_number),
        WithJsonSchema({"anyOf": either}),
    )


def _check_whole(value: object) -> object:
    """The value, unless it is a text or a boolean, which pydantic would take for a number."""
    if isinstance(value, bool | str):
        raise PydanticCustomError("int_type", "Input should be a whole number")
    return value


Identifier = Annotated[str, Field(min_length=1, max_length=LONGEST_ID, pattern=ID_PATTERN)]
Label = Annotated[str, Field(max_length=200, pattern=_TEXT)]
Moment = Annotated[
    str,
    Field(
        max_length=40,
        pattern=_WHEN,
        description="ISO date or timestamp; without an offset, the shop's wall clock.",
    ),
    AfterValidator(_check_day_exists),
]
Day = Annotated[
    date,
    BeforeValidator(_check_iso_day),
    WithJsonSchema({"type": "string", "format": "date", "pattern": f"^{_DAY}$"}),
]
Money = Annotated[
    Decimal,
    *_number(_MOST_MONEY, r"-?(\d{1,9}(\.\d{1,10})?|1000000000)"),
    AfterValidator(_to_four_decimals),
]
Quantity = Annotated[
    Decimal,
    *_number(1_000_000, r"-?(\d{1,6}(\.\d{1,10})?|1000000)"),
    AfterValidator(_to_four_decimals),
]
Figure = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=100_000), BeforeValidator(_check_whole)]
Rating = Annotated[Decimal, *_number(5, r"[1-4](\.\d{1,10})?|5(\.0{1,10})?", 1)]
Channel = Annotated[str, Field(min_length=1, max_length=200, pattern=ID_PATTERN)]


class Strict(BaseModel):
    """A part of a request; an unknown key is an error, as it is likely misspelt."""

    model_config = ConfigDict(extra="forbid")


class OrderIn(Strict):
    """One order, or a return if total_price is negative."""

    order_date: Moment
    total_price: Money = Field(description="Charged after discount, before refunds.")
    order_id: Identifier | None = None
    discount_amount: Money | None = None
    refund_amount: Money | None = None
    source: Label | None = Field(None, description="The channel, such as web.")


class ItemIn(Strict):
    """One line of an order, or of a return if the quantity is negative."""

    quantity: Quantity
    product_title: Label | None = None
    product_id: Label | None = None
    category: Label | None = None
    price: Money | None = Field(None, description="List price of one unit.")
    order_id: Identifier | None = Field(
        None, description="An order of this customer; else the only order, or the newest."
    )
    order_date: Moment | None = None
    total_price: Money | None = None
    discount_amount: Money | None = None
    refund_amount: Money | None = None


class TicketIn(Strict):
    """One support ticket."""

    created_at: Moment
    channel: Channel
    resolved_at: Moment | None = None
    message_count: Count | None = None
    satisfaction: Rating | None = None
    priority: Label | None = None
    reopened: bool | None = Field(None, strict=True)


class CustomerIn(Strict):
    """Everything that is known of one customer; an empty list means that there was nothing."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [CUSTOMER]})

    customer_id: Identifier
    orders: list[OrderIn] = Field(min_length=1, max_length=2_000)
    items: list[ItemIn] = Field(default=[], max_length=10_000)
    tickets: list[TicketIn] | None = Field(None, max_length=1_000)
    as_of: Day | None = Field(
        None, description="Observation date; else the run's, or the day after a newer order."
    )

    @model_validator(mode="after")
    def _items_fit(self) -> Self:
        known = {order.order_id for order in self.orders}
        for index, item in enumerate(self.items):
            if item.order_id is not None and item.order_id not in known:
                msg = "None of the orders has this order_id"
                raise PydanticCustomError(
                    "unknown_order", msg, {"place": ("items", index, "order_id")}
                )
            if abs(item.quantity * (item.price or 0)) > _MOST_MONEY:
                msg = "Quantity times price should be at most 1000000000"
                raise PydanticCustomError(
                    "less_than_equal", msg, {"place": ("items", index, "price")}
                )
        return self


class BatchIn(Strict):
    """Up to 1,000 customers; `as_of` holds for those who have none of their own."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [BATCH]})

    customers: list[CustomerIn] = Field(min_length=1, max_length=MOST_CUSTOMERS)
    as_of: Day | None = None

    @model_validator(mode="after")
    def _customers_differ(self) -> Self:
        seen: set[str] = set()
        for index, customer in enumerate(self.customers):
            if customer.customer_id in seen:
                raise PydanticCustomError(
                    "duplicate_customer",
                    "This customer is in the batch already; expected each once",
                    {"place": ("customers", index, "customer_id")},
                )
            seen.add(customer.customer_id)
        return self


class RfmIn(Strict):
    """Recency, frequency and monetary value of a customer."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [RFM]})

    recency: Figure = Field(ge=0, le=100_000, description="Days since the last order.")
    frequency: Figure = Field(ge=1, le=1_000_000, description="Days with an order.")
    monetary: Figure = Field(ge=-_MOST_MONEY, le=_MOST_MONEY, description="Lifetime value.")
    tenure: Figure | None = Field(
        default=None, ge=0, le=100_000, description="Days since the first order, where known."
    )


class RfmCustomerIn(Strict):
    """A published customer."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [RFM_CUSTOMER]})

    customer_id: Identifier
