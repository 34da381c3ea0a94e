"""What passes through a run: its context, and what it has discovered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from segpipe.core.progress import Progress, StageClock
from segpipe.core.report import AxisDecision, AxisInfo, FeatureInfo, SampleInfo, SourceInfo
from segpipe.core.settings import RunSettings
from segpipe.engines.base import Engine
from segpipe.model.assign import Tally
from segpipe.model.document import Model
from segpipe.pipeline.session import RunSession
from segpipe.publishing import SegmentCounts


@dataclass(frozen=True)
class RunContext:
    """What every stage of a run can see; nothing of it changes while the run goes on."""

    settings: RunSettings
    clock: StageClock
    engine: Engine
    session: RunSession | None = None  # None: a dry run, which opens no database
    given_model: Model | None = None  # of --model: then no axis is discovered
    previous_model: Model | None = None  # of the current run: segments keep its ids and names
    notes: tuple[str, ...] = ()  # why there is no previous model although there is a current run

    @property
    def progress(self) -> Progress:
        """Where the stages report what they are doing."""
        return self.clock.progress


@dataclass(frozen=True)
class Counted:
    """Everybody, counted by segment, and what was decided of each axis."""

    tally: Tally  # by the model, also on axes that were held back
    counts: SegmentCounts  # as they are published
    decisions: Mapping[str, AxisDecision]


@dataclass(frozen=True)
class Discovered:
    """What the stages up to clustering gave, in this run or in the one that it resumes.

    The customers' features are in the engine.
    """

    source: SourceInfo
    features: FeatureInfo
    sample: SampleInfo | None  # None: with a given model nobody is drawn
    axes: tuple[AxisInfo, ...]  # as they were discovered: nobody is counted yet
    model: Model
    scatter: dict[str, Any]
    notes: tuple[str, ...] = ()  # of this run alone; they are not kept for --resume
