"""Memberships into PostgreSQL: published at once or not at all, with a ledger of the runs."""

from segpipe.load.publish import lock_store, publish
from segpipe.load.records import RunFacts, SegmentDefinition
from segpipe.load.runs import (
    fail_run,
    latest_published,
    list_runs,
    read_model,
    record_facts,
    record_report,
    show_customer,
    start_run,
    stores_of,
)

__all__ = [
    "RunFacts",
    "SegmentDefinition",
    "fail_run",
    "latest_published",
    "list_runs",
    "lock_store",
    "publish",
    "read_model",
    "record_facts",
    "record_report",
    "show_customer",
    "start_run",
    "stores_of",
]
