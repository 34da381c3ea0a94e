"""What a run stores in addition to the profiles."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any


@dataclass(frozen=True)
class RunFacts:
    """What the ledger has of a run; None if it is not known yet."""

    as_of: date | None = None
    input_hash: str | None = None
    rows_read: int | None = None
    rows_rejected: int | None = None
    last_order_on: date | None = None
    seed: int | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PublishedRun:
    """The current run of a store."""

    run_id: int
    as_of: date | None
    model: dict[str, Any] | None  # the document, not parsed yet
    # Axis → a name that the store has ever published → the id of the last segment of that name.
    known_ids: dict[str, dict[str, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class HeldBefore:
    """Axes that the previous run held back: their moves since the run before it come now."""

    axes: frozenset[str]
    since: date  # observation date of the run before it
    with_ticket: frozenset[str] = frozenset()  # customers with a ticket since then


@dataclass(frozen=True)
class PreviousRun:
    """The run from whose segments this run's customers come; it must still be the current one."""

    run_id: int
    # Axis → a name of that run → what the same segment or state is called now, None if it is gone.
    # A name that is not in it is compared as it is.
    same_segments: dict[str, dict[str, str | None]]
    # Same model and observation date: customers who did nothing since have the same row.
    is_repeated: bool = False
    # Axes whose segments are made as in that run: nobody moves by the model.
    kept_axes: frozenset[str] = frozenset()
    held: HeldBefore | None = None


@dataclass(frozen=True)
class RunTables:
    """Names of a run's tables; None if it has none of the kind."""

    profiles: str | None
    measures: str | None = None
    undo: str | None = None  # profiles that the run changed in place, as they were
    measures_undo: str | None = None


@dataclass(frozen=True)
class SegmentDefinition:
    """One segment, or state, of one axis; its sizes are counted during publication."""

    axis: str
    segment_id: int  # permanent within store and axis
    segment: str
    kind: str  # segment or state
    description: str
    centroid: dict[str, float] | None = None  # feature → value in raw units
    silhouette: float | None = None
    guidance: dict[str, Any] = field(default_factory=dict)  # see segpipe.axes.guidance
