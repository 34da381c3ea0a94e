"""Memberships into PostgreSQL: published at once or not at all, with a ledger of the runs."""

from segpipe.load.counts import SegmentCounts
from segpipe.load.forgotten import forgotten_hashes
from segpipe.load.lock import hold_store, lock_store
from segpipe.load.measures import read_measures
from segpipe.load.persist import NotInForceError, persist
from segpipe.load.publish import publish
from segpipe.load.records import PreviousRun, PublishedRun, RunFacts, SegmentDefinition
from segpipe.load.rollback import Pruned, RolledBack, prune, rollback
from segpipe.load.runs import (
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
from segpipe.load.transitions import RunTransitions, Transition, read_transitions

__all__ = [
    "NotInForceError",
    "PreviousRun",
    "Pruned",
    "PublishedRun",
    "RolledBack",
    "RunFacts",
    "RunTransitions",
    "SegmentCounts",
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
    "persist",
    "prune",
    "publish",
    "read_measures",
    "read_model",
    "read_published",
    "read_run_page",
    "read_transitions",
    "record_facts",
    "record_forced",
    "record_report",
    "record_stage",
    "rollback",
    "show_customer",
    "start_run",
    "stores_of",
]
