"""Customers of the request, assigned by the current run's model, and stored on request."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response

from segpipe.answers import RunReplacedError, persist
from segpipe.answers.profile import confidence
from segpipe.api.access_log import request_info_of
from segpipe.api.body import MANY, ONE, read_body, validated
from segpipe.api.dependencies import error_responses, state_of
from segpipe.api.errors import RUN_CHANGED, problem, unavailable
from segpipe.api.examples import BATCH, CUSTOMER, MINIMAL
from segpipe.api.openapi import request_body
from segpipe.api.request_models import BatchIn, CustomerIn
from segpipe.api.response_models import AssignedProfile
from segpipe.api.worker import WorkerState
from segpipe.core.assigned import Assigned, Refused
from segpipe.core.errors import InputError
from segpipe.core.plain import plain_values
from segpipe.postgres import Connection
from segpipe.realtime import Customer, customer_of
from segpipe.realtime.batching import Snapshot

router = APIRouter(tags=["assign"])
NDJSON = "application/x-ndjson"
_SHORT = 50_000  # bytes, validated in a millisecond or two
_MOST_BATCHES = 4  # in a worker, of up to 16 MB each
_LINES = {
    "description": "One line of JSON for each customer, in the order of the request.",
    "content": {NDJSON: {"schema": {"$ref": "#/components/schemas/AssignedProfile"}}},
}


async def may_persist(  # async: a plain function would wait for a thread
    request: Request,
    persist: Annotated[
        bool, Query(description="Store the profile; needs a key of scope write.")
    ] = False,
) -> bool:
    """Whether to store the profile. Raises 403 if the key may not."""
    key = request_info_of(request.scope).key
    if persist and (key is None or key.scope != "write"):
        raise HTTPException(403, "This key is read-only; ?persist=true needs a key of scope write.")
    return persist


Persist = Annotated[bool, Depends(may_persist)]


@router.post(
    "/segments/assign",
    response_model=AssignedProfile,
    responses=error_responses(403, 408, 409, 413),
    openapi_extra=request_body(CustomerIn, full=CUSTOMER, minimal=MINIMAL),
    summary="Assign one customer",
)
async def assign(request: Request, *, is_stored: Persist) -> Response:
    """The segments of the customer in the body, by the current run's model.

    Axes whose inputs the body lacks are `unavailable`; only the orders are required.
    """
    state = state_of(request)
    content = await read_body(request, ONE)
    if len(content) <= _SHORT:
        customer = _customer(content)
    else:
        customer = await run_in_threadpool(_customer, content)
    snapshot, [found] = await _assigned(state, [customer])
    if isinstance(found, Refused):
        return problem(422, [_error_item(found)])
    if is_stored:
        await run_in_threadpool(_store, state, snapshot, [found])
    return JSONResponse(_answer(state, snapshot, found, is_stored=is_stored))


@router.post(
    "/segments/assign/batch",
    response_class=Response,
    responses={200: _LINES, **error_responses(403, 408, 409, 413)},
    openapi_extra=request_body(BatchIn, two=BATCH),
    summary="Assign up to 1,000 customers",
)
async def assign_batch(request: Request, *, is_stored: Persist) -> Response:
    """A line for each customer, all by one run; 422 if one of them cannot be assigned.

    Customers stored before an error stay; sending the batch again stores nobody twice.
    """
    state = state_of(request)
    if state.n_batches >= _MOST_BATCHES:
        raise unavailable("Too many batches are being assigned; try again in a second.")
    state.n_batches += 1
    try:
        return await _batch(state, await read_body(request, MANY), is_stored=is_stored)
    finally:
        state.n_batches -= 1


async def _batch(state: WorkerState, content: bytes, *, is_stored: bool) -> Response:
    customers = await run_in_threadpool(_customers, content)
    snapshot, found = await _assigned(state, customers)
    wrong = [
        _error_item(one, "customers", index)
        for index, one in enumerate(found)
        if isinstance(one, Refused)
    ]
    if wrong:
        return problem(422, wrong[:100])
    assigned = [one for one in found if isinstance(one, Assigned)]
    if is_stored:
        await run_in_threadpool(_store, state, snapshot, assigned)
    lines = await run_in_threadpool(_lines, state, snapshot, assigned, is_stored=is_stored)
    return Response(lines, media_type=NDJSON)


def _customer(content: bytes) -> Customer:
    return customer_of(validated(CustomerIn, content).model_dump(exclude_unset=True))


def _customers(content: bytes) -> list[Customer]:
    batch = validated(BatchIn, content)
    documents = [one.model_dump(exclude_unset=True) for one in batch.customers]
    for document in documents:
        document["as_of"] = document.get("as_of") or batch.as_of
    return [customer_of(document) for document in documents]


async def _assigned(
    state: WorkerState, customers: Sequence[Customer]
) -> tuple[Snapshot, list[Assigned | Refused]]:
    """The snapshot and its answers for all of them, once it is their turn."""
    state.snapshot()
    snapshot, waiting = state.queue.put(customers)
    if snapshot is None or snapshot.model is None:
        raise unavailable("The current run kept no model; run `segpipe run` again.")
    parts = await asyncio.gather(*(asyncio.wrap_future(part) for part in waiting))
    answers = [one for part in parts for one in part]
    state.metrics.assigned.inc(sum(isinstance(one, Assigned) for one in answers))
    return snapshot, answers


def _store(state: WorkerState, snapshot: Snapshot, assigned: Sequence[Assigned]) -> None:
    store_id, run_id = state.settings.store_id, snapshot.run.run_id
    try:
        for one in assigned:
            state.query(partial(_persist, store_id, run_id, one))
    except RunReplacedError as error:
        state.watcher.poll()
        raise unavailable(RUN_CHANGED) from error
    except InputError as error:
        raise HTTPException(409, str(error)) from error


def _persist(store_id: str, run_id: int, one: Assigned, connection: Connection) -> None:
    persist(connection, store_id, run_id, one)


def _answer(
    state: WorkerState, snapshot: Snapshot, found: Assigned, *, is_stored: bool
) -> dict[str, Any]:
    """The keys of a lookup, and those of an assignment."""
    return {
        "customer_id": found.customer_id,
        "store_id": state.settings.store_id,
        "as_of": found.as_of.isoformat(),
        "segment_memberships": found.segment_memberships,
        "dominant_segments": found.segment_memberships,
        "membership_strengths": found.membership_strengths,
        "confidence": confidence(found.membership_strengths),
        "metrics": found.metrics,
        "run": snapshot.run.document(),
        "written_by_run_id": snapshot.run.run_id if is_stored else None,
        "previous_segments": {},
        "segment_since": {},
        "first_seen_on": None,
        "last_updated": None,
        "is_absent": False,
        "unavailable": plain_values(found.unavailable),
        "filled": plain_values(found.filled),
        "notes": plain_values(found.notes),
        "persisted": is_stored,
    }


def _lines(
    state: WorkerState, snapshot: Snapshot, found: Sequence[Assigned], *, is_stored: bool
) -> bytes:
    lines = (_answer(state, snapshot, one, is_stored=is_stored) for one in found)
    return "".join(
        json.dumps(line, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n"
        for line in lines
    ).encode()


def _error_item(refused: Refused, *before: str | int) -> dict[str, Any]:
    parts = [int(part) if part.isdecimal() else part for part in refused.field.split(".")]
    return {"loc": ["body", *before, *parts], "msg": refused.message, "type": "refused"}
