"""Why a customer has their segments: the profile, its run's model and the measures, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from segpipe import runs
from segpipe.core.errors import InputError
from segpipe.core.plain import plain_values
from segpipe.model.document import model_of
from segpipe.model.explain import explain, explain_outlook
from segpipe.model.explanation import AxisExplanation
from segpipe.model.explanation_text import explanation_lines
from segpipe.postgres import Connection
from segpipe.runs.current_run import current_run, snapshot


def explain_customer(
    connection: Connection, store_id: str, customer_id: str, axes: Sequence[str] = ()
) -> dict[str, Any] | None:
    """`explain_profile` of a published customer with the current run, None where there is none."""
    with snapshot(connection):
        run = current_run(connection, store_id)
        profile = runs.show_customer(connection, store_id, customer_id)
        if run is None or profile is None:
            return None
        return {**explain_profile(connection, profile, axes), "run": run.document()}


def explain_profile(
    connection: Connection, profile: Mapping[str, Any], axes: Sequence[str] = ()
) -> dict[str, Any]:
    """The explanation of a profile, a row of customer_profiles; of all axes where none is named.

    Raises InputError for an unknown axis, and where the run that wrote the profile kept no model
    or measures.
    """
    customer_id, store_id, run_id = (profile[k] for k in ("customer_id", "store_id", "run_id"))
    document = runs.read_model(connection, run_id)
    measures = runs.read_measures(connection, store_id, run_id, customer_id)
    if document is None or measures is None:
        missing = "model" if document is None else "measures"
        wrote = f"Run {run_id}, which wrote the profile of customer {customer_id!r},"
        msg = f"{wrote} kept no {missing};"
        raise InputError(f"{msg} run `segpipe run` again on a file that has this customer.")
    model = model_of(document, f"of run {run_id}")
    return {
        "customer_id": customer_id,
        "store_id": store_id,
        "run_id": run_id,
        "as_of": model.reference.as_of.isoformat(),
        "outlook": explain_outlook(model, measures),
        "axes": [
            {
                **plain_explanation(found),
                "text": explanation_lines(found, model.measure),
                "in_profile": profile["segment_memberships"].get(found.axis),
            }
            for found in explain(model, measures, tuple(axes) or None)
        ],
    }


def plain_explanation(found: AxisExplanation) -> dict[str, Any]:
    """Plain values of an axis; where its tier begins and ends, and the rank, beside the others."""
    plain: dict[str, Any] = plain_values(asdict(found))
    tier = plain.pop("tier") or {}
    bounds = {"from": tier.get("at_least"), "below": tier.get("below"), "rank": tier.get("rank")}
    return {**plain, **bounds}
