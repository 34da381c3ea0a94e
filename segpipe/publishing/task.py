"""What the parts of a publication hand to each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from segpipe.publishing.copy import RowFormat
from segpipe.runs.records import PreviousRun, RunTables

if TYPE_CHECKING:
    from segpipe.publishing.counts import SegmentCounts
    from segpipe.publishing.transitions import TransitionCounter

Check = Callable[["SegmentCounts"], None]  # raises what refuses the publication


@dataclass(frozen=True)
class Publication:
    """One run of one store on its way into the database."""

    run_id: int
    store_id: str
    axes: tuple[str, ...]
    as_of: date
    absent: str  # keep or delete
    keep_runs: int  # earlier runs that can be put back
    previous: PreviousRun | None
    row_format: RowFormat


@dataclass(frozen=True)
class Written:
    """What came of it; numbers of customers."""

    moves: TransitionCounter
    tables: RunTables
    n_published: int
    n_inserted: int
    n_updated: int
    n_unchanged: int
    n_absent: int
