"""The examples of the OpenAPI document; a test sends each of them."""

from __future__ import annotations

from typing import Any

CUSTOMER: dict[str, Any] = {
    "customer_id": "new-customer",
    "orders": [
        {
            "order_id": "A-1",
            "order_date": "2025-05-02T18:30:00+02:00",
            "total_price": 59.9,
            "discount_amount": 6,
            "refund_amount": 0,
            "source": "web",
        },
        {"order_id": "A-2", "order_date": "2025-06-20", "total_price": "24.50"},
    ],
    "items": [
        {
            "order_id": "A-1",
            "product_id": "p7",
            "product_title": "Blue shirt",
            "category": "shirts",
            "quantity": 2,
            "price": 29.95,
        },
        {"order_id": "A-2", "product_id": "p9", "category": "socks", "quantity": 1, "price": 24.5},
    ],
    "as_of": "2025-07-01",
}
MINIMAL: dict[str, Any] = {
    "customer_id": "new-customer",
    "orders": [{"order_date": "2025-06-20", "total_price": 24.5}],
}
BATCH: dict[str, Any] = {
    "customers": [CUSTOMER, {**MINIMAL, "customer_id": "another-customer"}],
    "as_of": "2025-07-01",
}
RFM: dict[str, Any] = {"recency": 12, "frequency": 5, "monetary": 310.5}
RFM_CUSTOMER: dict[str, Any] = {"customer_id": "c0001"}
