"""The ledger of runs and the tables that each run keeps in the database."""

from segpipe.runs.current_run import latest_published, read_published
from segpipe.runs.forgotten import forgotten_hashes
from segpipe.runs.ledger import (
    fail_run,
    is_published,
    record_decisions,
    record_facts,
    record_forced,
    record_report,
    record_stage,
    start_run,
)
from segpipe.runs.measures import read_measures
from segpipe.runs.past_runs import find_run, list_runs, read_model, read_run_page
from segpipe.runs.profiles import show_customer, stores_of
from segpipe.runs.records import (
    HeldBefore,
    PreviousRun,
    PublishedRun,
    RunFacts,
    SegmentDefinition,
)
from segpipe.runs.rollback import Pruned, RolledBack, prune, rollback
from segpipe.runs.store_lock import hold_store, lock_store
from segpipe.runs.transitions import RunTransitions, Transition, read_transitions

__all__ = [
    "HeldBefore",
    "PreviousRun",
    "Pruned",
    "PublishedRun",
    "RolledBack",
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
    "prune",
    "read_measures",
    "read_model",
    "read_published",
    "read_run_page",
    "read_transitions",
    "record_decisions",
    "record_facts",
    "record_forced",
    "record_report",
    "record_stage",
    "rollback",
    "show_customer",
    "start_run",
    "stores_of",
]
