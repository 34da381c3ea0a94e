"""Answers about a store as plain values for JSON, each from one run."""

from segpipe.answers.axes import read_axes
from segpipe.answers.cursor import OutdatedCursorError
from segpipe.answers.customers import ORDERS, list_customers
from segpipe.answers.explanation import explain_customer, explain_profile
from segpipe.answers.profile import read_profile
from segpipe.answers.runs import list_runs, read_transitions_of
from segpipe.answers.stats import read_stats
from segpipe.publishing import RunReplacedError, persist
from segpipe.runs.current_run import CurrentRun, current_run, only_store

__all__ = [
    "ORDERS",
    "CurrentRun",
    "OutdatedCursorError",
    "RunReplacedError",
    "current_run",
    "explain_customer",
    "explain_profile",
    "list_customers",
    "list_runs",
    "only_store",
    "persist",
    "read_axes",
    "read_profile",
    "read_stats",
    "read_transitions_of",
]
