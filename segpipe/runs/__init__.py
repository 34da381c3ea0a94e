"""The ledger of runs and the tables that each run keeps in the database."""

from segpipe.runs.forgotten import forgotten_hashes
from segpipe.runs.ledger import (
    fail_run,
    find_run,
    is_published,
    latest_published,
    list_runs,
    read_model,
    read_published,
    read_run_page,
    record_facts,
    record_forced,
    record_report,
    record_stage,
    show_customer,
    start_run,
    stores_of,
)
from segpipe.runs.records import PreviousRun, PublishedRun, RunFacts, SegmentDefinition
from segpipe.runs.store_lock import hold_store, lock_store
from segpipe.runs.transitions import RunTransitions, Transition, read_transitions

__all__ = [
    "PreviousRun",
    "PublishedRun",
    "RunFacts",
    "RunTransitions",
    "SegmentDefinition",
    "Transition",
    "fail_run",
    "find_run",
    "forgotten_hashes",
    "hold_store",
    "is_published",
    "latest_published",
    "list_runs",
    "lock_store",
    "read_model",
    "read_published",
    "read_run_page",
    "read_transitions",
    "record_facts",
    "record_forced",
    "record_report",
    "record_stage",
    "show_customer",
    "start_run",
    "stores_of",
]
