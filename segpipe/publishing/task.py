"""What is to be published, and what the parts of a publication hand to each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from segpipe.core.report import LoadInfo, TransitionInfo
from segpipe.publishing.copy import RowFormat
from segpipe.runs.kept_tables import KeptRun
from segpipe.runs.profiles_table import ProfilesTable, StoreTable
from segpipe.runs.records import PreviousRun, RunTables, SegmentDefinition

if TYPE_CHECKING:
    from segpipe.publishing.counts import SegmentCounts
    from segpipe.publishing.transitions import TransitionCounter

# Sees the counts of everybody and who moved; raises to stop the publication.
Check = Callable[["SegmentCounts", Sequence[TransitionInfo]], None]


@dataclass(frozen=True)
class Publication:
    """One run of one store, to be published."""

    run_id: int
    store_id: str
    batches: Iterable[pa.RecordBatch]  # memberships of everybody, read once
    axes: Sequence[str]
    definitions: Sequence[SegmentDefinition] = ()
    model: dict[str, Any] | None = None
    measures: Iterable[pa.RecordBatch] | None = None  # customer_id and doubles, read once
    previous: PreviousRun | None = None  # with it, the transitions from it are counted
    as_of: date | None = None  # None: the ledger's
    absent: str = "keep"  # or delete: the rows of customers who are not in the batches
    keep_runs: int = 2  # earlier runs that can be put back
    check: Check | None = None  # before the run is current
    # Axes on which customers who have a profile keep its segment and strength.
    held_axes: Sequence[str] = ()
    # (axis, segment) → share who meet the name; asked once everybody has been read.
    holds_for: Callable[[], Mapping[tuple[str, str], float]] = field(default=dict)
    before_commit: Callable[[LoadInfo], None] | None = None  # the answer to COMMIT may be lost
    patience_seconds: float = 120.0  # for readers who hold customer_profiles


@dataclass(frozen=True)
class PublicationContext:
    """A publication in its transaction, which holds the store, and what it finds there."""

    task: Publication
    axes: tuple[str, ...]
    as_of: date
    row_format: RowFormat
    parent: ProfilesTable
    partition: StoreTable | None  # the store's; None at its first publication
    chain: Sequence[KeptRun]  # the current run first

    @property
    def tables(self) -> RunTables:
        """Tables of the current run."""
        return self.chain[0].tables if self.chain else RunTables(None)


@dataclass(frozen=True)
class Written:
    """What was written; numbers of customers."""

    counter: TransitionCounter
    tables: RunTables
    n_published: int
    n_inserted: int
    n_updated: int
    n_unchanged: int
    n_absent: int
