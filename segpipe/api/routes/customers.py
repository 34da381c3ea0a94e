"""One published customer: the profile, and the reasons for it."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import JSONResponse

from segpipe.answers import explain_customer, read_profile
from segpipe.api.dependencies import (
    Axes,
    CustomerId,
    error_responses,
    json_or_404,
    no_customer,
    state_of,
)
from segpipe.api.response_models import Explanation, Profile
from segpipe.core.errors import InputError

router = APIRouter(tags=["customers"])


@router.get(
    "/segments/customer/{customer_id:path}/explain",
    response_model=Explanation,
    responses=error_responses(404),
    summary="Why a customer has their segments",
)
def explain(request: Request, customer_id: CustomerId, axes: Axes = None) -> JSONResponse:
    """Every axis with its reasons, the runner-up, and what would change the segment."""
    state = state_of(request)
    store_id = state.settings.store_id
    state.published()
    try:
        found = state.query(lambda c: explain_customer(c, store_id, customer_id, axes or ()))
    except InputError as error:
        raise HTTPException(404, str(error)) from error
    return json_or_404(found, no_customer(customer_id, store_id))


@router.get(
    "/segments/customer/{customer_id:path}",
    response_model=Profile,
    responses=error_responses(404),
    summary="The segments of a customer",
)
def lookup(request: Request, customer_id: CustomerId) -> JSONResponse:
    """The published profile of a customer, with the current run."""
    state = state_of(request)
    store_id = state.settings.store_id
    found = state.query(lambda connection: read_profile(connection, store_id, customer_id))
    if found is None:
        state.published()
    return json_or_404(found, no_customer(customer_id, store_id))
