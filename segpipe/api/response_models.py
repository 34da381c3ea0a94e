"""Models of the answers, for the OpenAPI document; the answers themselves are built elsewhere."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class Open(BaseModel):
    """An answer to which later versions may add keys."""

    model_config = ConfigDict(extra="allow")


class Problem(BaseModel):
    """Why there is no answer, as a sentence."""

    detail: str


class Wrong(BaseModel):
    """One field that is wrong."""

    loc: list[str | int]
    msg: str
    type: str


class Invalid(BaseModel):
    """The fields of the request that are wrong."""

    detail: list[Wrong]


class Run(Open):
    """The run that the answer is from."""

    run_id: int
    as_of: date
    published_at: datetime


class Metrics(Open):
    """The metrics of a customer."""

    lifetime_value: float
    avg_order_value: float
    churn_risk_score: float | None
    expected_value_90d: float | None
    total_orders: int
    days_since_last_purchase: int
    customer_tenure_days: int
    rfm_score: str | None


class Profile(Open):
    """The segments of a customer."""

    customer_id: str
    store_id: str
    as_of: date
    segment_memberships: dict[str, str]
    dominant_segments: dict[str, str]
    membership_strengths: dict[str, float]
    confidence: float
    metrics: Metrics
    run: Run
    previous_segments: dict[str, Any] | None
    segment_since: dict[str, Any] | None
    first_seen_on: date | None
    last_updated: datetime | None
    is_absent: bool


class AssignedProfile(Profile):
    """The segments of a customer that the request describes."""

    unavailable: dict[str, list[str]]
    filled: dict[str, list[str]]
    notes: list[str]
    persisted: bool


class Health(BaseModel):
    """The process answers."""

    status: Literal["ok"]
    service: Literal["segpipe"]


class Ready(BaseModel):
    """The database answers, and a run is published."""

    status: Literal["ready"]
    run_id: int
    as_of: date
    published_at: datetime
    age_seconds: float


class Stats(Open):
    """Number of customers by axis and segment."""

    total_customers: int
    customers_with_segments: int
    axes_count: int
    segments_per_axis: dict[str, int]
    segment_distribution: dict[str, dict[str, int]]
    run: Run


class AxesOut(Open):
    """Every axis of the run, with its segments."""

    axes: list[dict[str, Any]]
    run: Run


class CustomersOut(Open):
    """A page of a segment's customers; `next` is the `after` of the next page."""

    customers: list[dict[str, Any]]
    next: str | None
    run: Run


class RunsOut(Open):
    """Runs, newest first."""

    runs: list[dict[str, Any]]


class TransitionsOut(Open):
    """Customers who moved between segments since the run before."""


class Explanation(Open):
    """Why a customer has these segments."""

    customer_id: str
    axes: list[dict[str, Any]]


class RfmOut(Open):
    """The segment of a recency, frequency and monetary value."""

    segment_id: int | None
    segment_name: str
    confidence: float
    distance_to_center: float | None
    scores: str | None
    stats: dict[str, Any] | None
    run: Run
