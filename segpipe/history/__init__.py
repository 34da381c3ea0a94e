"""Past runs: two of them compared, and what each keeps in the database."""

from segpipe.history.diff import diff_runs
from segpipe.history.kept import kept_bytes, store_of_run
from segpipe.history.record import AxisDiff, Change, RunDiff, RunSide, SegmentDiff
from segpipe.history.text import diff_text

__all__ = [
    "AxisDiff",
    "Change",
    "RunDiff",
    "RunSide",
    "SegmentDiff",
    "diff_runs",
    "diff_text",
    "kept_bytes",
    "store_of_run",
]
