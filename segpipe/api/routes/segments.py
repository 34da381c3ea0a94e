"""The segments of the current run, their customers, and the runs."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import JSONResponse

from segpipe.answers import list_customers, list_runs, read_axes, read_stats, read_transitions_of
from segpipe.answers.cursor import check_cursor_matches, read_cursor
from segpipe.api.dependencies import Axes, Name, error_responses, json_or_404, state_of
from segpipe.api.errors import NO_RUN, invalid, unavailable
from segpipe.api.response_models import AxesOut, CustomersOut, RunsOut, Stats, TransitionsOut
from segpipe.core.errors import InputError

router = APIRouter(tags=["segments"])
Order = Literal[
    "customer_id",
    "-customer_id",
    "lifetime_value",
    "-lifetime_value",
    "avg_order_value",
    "-avg_order_value",
    "churn_risk_score",
    "-churn_risk_score",
    "expected_value_90d",
    "-expected_value_90d",
    "total_orders",
    "-total_orders",
    "days_since_last_purchase",
    "-days_since_last_purchase",
    "customer_tenure_days",
    "-customer_tenure_days",
]
Limit = Annotated[int, Query(ge=1, le=1000)]
Cursor = Annotated[str | None, Query(max_length=2000, description="`next` of the page before.")]
RunId = Annotated[int | None, Query(ge=1, le=2**63 - 1, description="Else the current run.")]


@router.get(
    "/segments/stats",
    response_model=Stats,
    responses=error_responses(),
    summary="Sizes of the segments",
)
def stats(request: Request) -> JSONResponse:
    """How many customers there are, and how many in each segment of each axis."""
    state = state_of(request)
    found = state.query(lambda connection: read_stats(connection, state.settings.store_id))
    return json_or_404(found, unavailable(NO_RUN))


@router.get(
    "/segments/axes",
    response_model=AxesOut,
    responses=error_responses(),
    summary="Axes and segments",
)
def axes(request: Request) -> JSONResponse:
    """Every axis of the run: what it asks, what it looks at, its segments and its verdict."""
    state = state_of(request)
    found = state.query(lambda connection: read_axes(connection, state.settings.store_id))
    return json_or_404(found, unavailable(NO_RUN))


@router.get(
    "/segments/transitions",
    response_model=TransitionsOut,
    responses=error_responses(404),
    summary="Customers who moved between segments",
)
def transitions(request: Request, run_id: RunId = None, axes: Axes = None) -> JSONResponse:
    """How many customers moved from segment to segment with a run, and why."""
    state = state_of(request)
    store_id = state.settings.store_id
    try:
        found = state.query(lambda c: read_transitions_of(c, store_id, run_id, axes or ()))
    except InputError as error:
        raise HTTPException(404, str(error)) from error
    return json_or_404(found, unavailable(NO_RUN))


@router.get(
    "/segments/{axis}/{segment}/customers",
    response_model=CustomersOut,
    responses=error_responses(404, 409),
    summary="The customers of a segment",
)
def customers(
    request: Request,
    axis: Name,
    segment: Name,
    order: Order = "customer_id",
    limit: Limit = 100,
    after: Cursor = None,
) -> JSONResponse:
    """A page of customers; 409 if another run was published between two pages."""
    state = state_of(request)
    store_id = state.settings.store_id
    if after is not None:
        try:
            cursor = read_cursor(after)
            check_cursor_matches(cursor, cursor.run_id, axis, segment, order)
        except InputError as error:
            return invalid(["query", "after"], str(error))
    try:
        found = state.query(
            lambda c: list_customers(
                c, store_id, axis, segment, order=order, limit=limit, after=after
            )
        )
    except InputError as error:
        raise HTTPException(404, str(error)) from error
    return json_or_404(found, unavailable(NO_RUN))


@router.get("/runs", response_model=RunsOut, responses=error_responses(), summary="The runs")
def runs(request: Request, limit: Limit = 20) -> JSONResponse:
    """The newest runs of the store, also those that failed, and the current one."""
    state = state_of(request)
    return JSONResponse(state.query(lambda c: list_runs(c, state.settings.store_id, limit)))
