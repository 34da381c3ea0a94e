"""Memberships into PostgreSQL: published at once or not at all, with a ledger of the runs."""

from segpipe.load.measures import measure_batches, read_measures
from segpipe.load.publish import lock_store, publish
from segpipe.load.records import PreviousRun, PublishedRun, RunFacts, SegmentDefinition
from segpipe.load.runs import (
    fail_run,
    find_run,
    latest_published,
    list_runs,
    read_model,
    read_published,
    read_run_page,
    record_facts,
    record_report,
    show_customer,
    start_run,
    stores_of,
)
from segpipe.load.transitions import RunTransitions, Transition, read_transitions

__all__ = [
    "PreviousRun",
    "PublishedRun",
    "RunFacts",
    "RunTransitions",
    "SegmentDefinition",
    "Transition",
    "fail_run",
    "find_run",
    "latest_published",
    "list_runs",
    "lock_store",
    "measure_batches",
    "publish",
    "read_measures",
    "read_model",
    "read_published",
    "read_run_page",
    "read_transitions",
    "record_facts",
    "record_report",
    "show_customer",
    "start_run",
    "stores_of",
]
