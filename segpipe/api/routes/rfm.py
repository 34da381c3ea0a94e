"""Recency, frequency and monetary value, if the current run has the axis `rfm`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import JSONResponse

from segpipe.answers.rfm import NoRfmError, assign_rfm, rfm_of_customer, rfm_stats
from segpipe.api.body import ONE, read_body, validated
from segpipe.api.dependencies import error_responses, no_customer, state_of
from segpipe.api.errors import RUN_CHANGED, unavailable
from segpipe.api.examples import RFM, RFM_CUSTOMER
from segpipe.api.openapi import request_body
from segpipe.api.request_models import RfmCustomerIn, RfmIn
from segpipe.api.response_models import RfmOut
from segpipe.api.worker import WorkerState
from segpipe.model.document import Model
from segpipe.realtime.batching import Snapshot

router = APIRouter(tags=["rfm"])


async def _figures(request: Request) -> RfmIn:
    return validated(RfmIn, await read_body(request, ONE))


async def _customer(request: Request) -> RfmCustomerIn:
    return validated(RfmCustomerIn, await read_body(request, ONE))


@router.post(
    "/segment/manual",
    response_model=RfmOut,
    responses=error_responses(404, 408, 413),
    openapi_extra=request_body(RfmIn, figures=RFM),
    summary="The RFM segment of three values",
)
def manual(request: Request, body: Annotated[RfmIn, Depends(_figures)]) -> JSONResponse:
    """The RFM segment of these values, with the statistics of the segment."""
    figures = (body.recency, body.frequency, body.monetary, body.tenure)
    return _answered(state_of(request), lambda model: assign_rfm(model, *figures))


@router.post(
    "/segment/customer",
    response_model=RfmOut,
    responses=error_responses(404, 408, 413),
    openapi_extra=request_body(RfmCustomerIn, customer=RFM_CUSTOMER),
    summary="The RFM segment of a customer",
)
def customer(request: Request, body: Annotated[RfmCustomerIn, Depends(_customer)]) -> JSONResponse:
    """The RFM segment of a published customer, with the statistics of the segment."""
    state = state_of(request)
    store_id, customer_id = state.settings.store_id, body.customer_id

    def find(model: Model) -> dict[str, Any]:
        found = state.query(lambda c: rfm_of_customer(c, store_id, model, customer_id))
        if found is None:
            raise no_customer(customer_id, store_id)
        return found

    return _answered(state, find)


def _answered(state: WorkerState, find: Callable[[Model], dict[str, Any]]) -> JSONResponse:
    """The answer by the current model; found again if another run is published meanwhile."""
    for _ in range(2):
        snapshot = state.snapshot()
        if snapshot.model is None:
            raise HTTPException(404, "The current run kept no model; run `segpipe run` again.")
        try:
            found = find(snapshot.model)
        except NoRfmError as error:
            raise HTTPException(404, str(error)) from error
        answer = _with_stats(state, snapshot, found)
        if answer is not None:
            return JSONResponse(answer)
        state.watcher.poll()
    raise unavailable(RUN_CHANGED)


def _with_stats(
    state: WorkerState, snapshot: Snapshot, found: dict[str, Any]
) -> dict[str, Any] | None:
    """The answer with its segment's statistics and the run; None if another run is current."""
    run_id = snapshot.run.run_id
    if found.get("run", {}).get("run_id", run_id) != run_id:
        return None
    stats = state.kept(
        ("rfm", state.watcher.run), lambda c: rfm_stats(c, state.settings.store_id, run_id) or None
    )
    if stats is None:
        return None
    own = stats.get(found["segment_name"])
    return {**found, "stats": own, "run": snapshot.run.document()}
