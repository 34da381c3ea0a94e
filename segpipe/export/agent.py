"""The document for an AI agent: what the store is, its axes and segments, and how to read them.

Takes the run and its segments; gives plain values without any customer's data, not even an id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from segpipe.core.text import sentence
from segpipe.core.verdicts import MEANINGS
from segpipe.export.read import ExportedAxis, ExportedRun
from segpipe.postgres.example_queries import list_queries

AGENT_SCHEMA = "segpipe:agent:1"
STRENGTH = (
    "0 to 1: how much nearer the customer is to this segment than to the axis's others (fuzzy"
    " c-means membership). 1 for a state, 0 for unavailable."
    " Where two segments share a customer about equally, do not act on the difference."
)
_FIELDS = (  # of a profile: name, unit, meaning
    ("customer_id", "text", "The id in the shop's own systems; the only personal data."),
    ("run_id", "number", "The run that wrote the profile; an older one if unchanged."),
    ("is_current", "true or false", "False: absent from the newest input, kept as it was."),
    ("lifetime_value", "amount", "Charged less everything refunded."),
    ("avg_order_value", "amount", "lifetime_value / total_orders."),
    (
        "churn_risk_score",
        "0 to 1",
        "Probability of no order in the 90 days after as_of; null where the run could not tell.",
    ),
    (
        "expected_value_90d",
        "amount",
        "Expected revenue of the 90 days after as_of; null where the run could not tell.",
    ),
    ("total_orders", "orders", "Orders up to as_of."),
    ("days_since_last_purchase", "days", "From the last order to as_of."),
    ("customer_tenure_days", "days", "From the first order to as_of."),
    (
        "rfm_score",
        "text of three digits",
        "Recency, frequency and value, each 1 to 5 (best), as 543; null without the axis rfm.",
    ),
    ("segment_memberships", "axis to name", "One segment or state on every axis."),
    ("membership_strengths", "axis to 0 to 1", STRENGTH),
    ("previous_segments", "axis to name", "The one before; only axes on which the customer moved."),
    ("segment_since", "axis to date", "as_of of the run that first put the customer there."),
    ("last_updated", "UTC", "When the profile's run was published."),
    ("created_at", "UTC", "When the customer was first published."),
)
_CAVEATS = (
    "Amounts are in the shop's own currency, which is not named here; do not add a symbol.",
    "Days count to as_of, not to today.",
    "The verdict of an axis says how its customers are divided; see verdicts.",
    "The description is of the segment's median customer; single customers differ from it.",
    "The shop median in a description is that of the customers who are eligible on the axis.",
    "Sizes and shares count the customers of this run, without those kept from earlier runs.",
    "A segment is a reason to look closer: decide about one customer by that customer's figures.",
    "Do not tell customers the name of their segment.",
)


@dataclass(frozen=True)
class Totals:
    """What was counted while the profiles were written."""

    n_customers: int  # of the run
    n_profiles: int
    n_kept: int  # profiles of customers who were absent from the run's input
    lifetime_value: float  # of the run's customers


def agent_document(
    run: ExportedRun,
    segments: Sequence[Mapping[str, Any]],
    totals: Totals,
    files: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """The whole document; `files` are those that are written with it."""
    as_of = str(run.as_of) if run.as_of else None
    return {
        "$schema": AGENT_SCHEMA,
        "about": "Behavioural segments of a shop's customers: every customer has one segment or"
        " state on each axis. Look a customer up in the profiles or in PostgreSQL, read the"
        " segments here, and follow strategy, do and dont.",
        "store": {
            "store_id": run.store_id,
            "n_customers": totals.n_customers,
            "lifetime_value": totals.lifetime_value,
            "n_profiles": totals.n_profiles,
            "n_kept_from_earlier_runs": totals.n_kept,
        },
        "run": {
            "run_id": run.run_id,
            "as_of": as_of,
            "published_at": run.published_at,
            "previous_run_id": run.previous_run_id,
            "segpipe_version": run.version,
        },
        "axes": [_axis(axis, segments) for axis in run.axes],
        "verdicts": {verdict: sentence(meaning) for verdict, meaning in MEANINGS.items()},
        "profile_fields": [
            {"name": name, "unit": unit, "meaning": meaning} for name, unit, meaning in _FIELDS
        ],
        "caveats": list(_CAVEATS),
        "example_sql": [
            {"question": query.question, "sql": query.sql, "parameters": list(query.parameters)}
            for query in list_queries()
        ],
        "files": [dict(file) for file in files],
    }


def _axis(axis: ExportedAxis, segments: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "name": axis.name,
        "question": axis.question,
        "group": axis.group,
        "verdict": axis.verdict,
        "reason": axis.reason,
        "silhouette": axis.silhouette,
        "segments": [
            _segment(segment)
            for segment in segments
            # An empty state is left out; a segment has a meaning even if nobody is in it.
            if segment["axis"] == axis.name
            and (segment["kind"] == "segment" or segment["n_customers"])
        ],
    }


def _segment(segment: Mapping[str, Any]) -> dict[str, Any]:
    guidance = segment["guidance"]
    columns = ("segment", "kind", "description", "n_customers", "share", "value_share", "holds_for")
    return {
        **{name: segment[name] for name in columns},
        "strategy": guidance["strategy"],
        "marketing": guidance["marketing"],
        "support": guidance["support"],
    }
