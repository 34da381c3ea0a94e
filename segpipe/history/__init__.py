"""What can be said of past runs, and done to them: compare two, weigh them, forget a customer."""

from segpipe.history.diff import diff_runs
from segpipe.history.kept import kept_bytes, store_of_run
from segpipe.history.record import AxisDiff, Change, RunDiff, RunSide, SegmentDiff
from segpipe.history.text import diff_text, forgetting_text
from segpipe.privacy.forget import Erasure, Forgetting, forget_customer, store_of_customer

__all__ = [
    "AxisDiff",
    "Change",
    "Erasure",
    "Forgetting",
    "RunDiff",
    "RunSide",
    "SegmentDiff",
    "diff_runs",
    "diff_text",
    "forget_customer",
    "forgetting_text",
    "kept_bytes",
    "store_of_customer",
    "store_of_run",
]
