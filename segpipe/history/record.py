"""The comparison of two runs; every figure is one that a run has stored."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any


@dataclass(frozen=True)
class RunSide:
    """One of the two runs; None for what the run did not reach."""

    run_id: int
    status: str
    as_of: date | None
    finished_at: datetime | None
    input_hash: str | None
    rows_read: int | None
    rows_rejected: int | None
    last_order_on: date | None
    n_customers: int | None
    lifetime_value: float | None


@dataclass(frozen=True)
class Change:
    """A setting or a version that differs; None if the run did not have it."""

    name: str
    before: Any
    after: Any


@dataclass(frozen=True)
class SegmentDiff:
    """A segment or state, matched by its permanent id; a name is None if it was not there."""

    segment_id: int | None  # None: published without definitions, matched by name
    kind: str  # segment or state
    name_before: str | None
    name_after: str | None
    n_customers_before: int
    n_customers_after: int
    share_before: float  # 0 to 1, of the run's customers
    share_after: float
    lifetime_value_before: float
    lifetime_value_after: float


@dataclass(frozen=True)
class AxisDiff:
    """One axis in both runs; verdict and silhouette are None if the run lacks the axis."""

    axis: str
    verdict_before: str | None
    verdict_after: str | None
    n_clusters_before: int
    n_clusters_after: int
    silhouette_before: float | None
    silhouette_after: float | None
    moves: dict[str, int] | None  # cause → moves in between; None if they cannot be counted
    segments: tuple[SegmentDiff, ...]
    decision: str | None = None  # of the later run, with its cause: replaced: bounds renewed

    @property
    def n_moves(self) -> int | None:
        """Of all causes."""
        return None if self.moves is None else sum(self.moves.values())


@dataclass(frozen=True)
class RunDiff:
    """Two runs of one store, in the order in which they were named."""

    store_id: str
    before: RunSide
    after: RunSide
    parameters: tuple[Change, ...]
    versions: tuple[Change, ...]
    axes: tuple[AxisDiff, ...]
    # Runs whose moves were added up, oldest first; None if neither run came from the other.
    steps: tuple[int, ...] | None
