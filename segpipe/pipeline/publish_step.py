"""The last stage: a model and the engine's features → everybody assigned, checked and published.

Takes what the stages before gave; gives a LoadInfo. Tried again where the connection was lost or
another session was in the way.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from segpipe.core.errors import DatabaseError
from segpipe.core.progress import Progress
from segpipe.core.report import AxisInfo, FeatureInfo, LoadInfo, SourceInfo
from segpipe.core.settings import RunSettings
from segpipe.engines.duckdb import Connection as Engine
from segpipe.model.assign import Tally
from segpipe.model.compare import same_names
from segpipe.model.document import Model
from segpipe.pipeline import quality_gates
from segpipe.pipeline.memberships import Since, assign_population, measure_batches
from segpipe.pipeline.summary import segment_definitions
from segpipe.pipeline.target import RunSession, reopened
from segpipe.postgres import with_retries
from segpipe.postgres.database import embedded_note
from segpipe.publishing import SegmentCounts, publish
from segpipe.runs import (
    PreviousRun,
    RunFacts,
    forgotten_hashes,
    is_published,
    record_facts,
    record_forced,
)


@dataclass(frozen=True)
class PublishRequest:
    """What is to be published, and what the run said of it so far."""

    model: Model
    former: Model | None  # of the run in force
    source: SourceInfo
    features: FeatureInfo
    forced_past: tuple[str, ...]  # reasons against it that are known already


def early_gate_reasons(
    settings: RunSettings,
    target: RunSession,
    source: SourceInfo,
    axes: tuple[AxisInfo, ...],
    as_of: date,
    today: date,
) -> tuple[str, ...]:
    """Reasons not to publish that --force goes past. Raises GateError where it is not given.

    The ledger learns what was read, for a refused run too.
    """
    with suppress(DatabaseError):  # publishing will tell, and try again
        record_facts(target.connection, target.run_id, _facts(source, as_of))
    reasons = quality_gates.early_refusals(
        source, axes, target.last, settings.gates, settings.cluster.min_agreement, today
    )
    if not settings.is_forced:
        quality_gates.check_gates(reasons)
    return reasons


def publish_run(
    settings: RunSettings,
    engine: Engine,
    target: RunSession,
    request: PublishRequest,
    progress: Progress,
) -> tuple[LoadInfo, Tally]:
    """Publish, and count everybody on the way. Raises GateError and DatabaseError.

    A run whose COMMIT was carried out, but whose answer was lost, is not published again.
    """
    reached: list[tuple[LoadInfo, Tally]] = []

    def attempt() -> tuple[LoadInfo, Tally]:
        with reopened(target, settings, progress.notify) as there:
            if reached and is_published(there.connection, there.run_id):
                return reached[-1]
            _check_nobody_forgotten_since(there, settings.load.store_id)
            return _publish_once(settings, engine, there, request, progress, reached)

    try:
        return with_retries(settings.load.attempts, progress.notify, attempt)
    except DatabaseError:
        if reached and _is_published(settings, target, progress):
            return reached[-1]
        raise


def _is_published(settings: RunSettings, target: RunSession, progress: Progress) -> bool:
    with suppress(DatabaseError), reopened(target, settings, progress.notify) as there:
        return is_published(there.connection, there.run_id)
    return False


def _check_nobody_forgotten_since(target: RunSession, store_id: str) -> None:
    """Raise DatabaseError where somebody was forgotten while a lost connection held no store."""
    if forgotten_hashes(target.connection, store_id) != target.forgotten:
        msg = "A customer was forgotten while the connection was lost, and would have come back;"
        raise DatabaseError(f"{msg} nothing was published. Run it again.")


def assigned(
    settings: RunSettings,
    engine: Engine,
    target: RunSession | None,
    request: PublishRequest,
    tally: Tally,
    progress: Progress,
) -> Iterator[pa.RecordBatch]:
    """Membership batches of everybody; the tally is filled and the progress told on the way."""
    before = target.previous.as_of if target and target.previous else None
    since = Since(before, request.features.as_of) if before else None
    batches = assign_population(
        engine, request.model, settings.assign.batch_size, tally, request.former, since
    )
    done = 0
    for batch in batches:
        yield batch
        done += batch.num_rows
        progress.advance(done, request.features.n_customers)


def _publish_once(
    settings: RunSettings,
    engine: Engine,
    target: RunSession,
    request: PublishRequest,
    progress: Progress,
    reached: list[tuple[LoadInfo, Tally]],
) -> tuple[LoadInfo, Tally]:
    tally = Tally()
    model, load = request.model, settings.load
    previous = _previous(settings, target, request)
    facts = _facts(request.source, request.features.as_of)
    record_facts(target.connection, target.run_id, facts)
    forced_past = list(request.forced_past)

    def check(counts: SegmentCounts) -> None:
        reasons = quality_gates.late_refusals(
            counts.shares(),
            target.last,
            previous.same_segments if previous else {},
            settings.gates,
        )
        if not settings.is_forced:
            quality_gates.check_gates(reasons)
        forced_past.extend(reasons)
        record_forced(target.connection, target.run_id, forced_past)

    def note(info: LoadInfo) -> None:
        notes = (*_forced_notes(forced_past), *info.notes, *embedded_note(load.database_url))
        reached.append((dataclasses.replace(info, notes=notes), tally))

    publish(
        target.connection,
        target.run_id,
        load.store_id,
        assigned(settings, engine, target, request, tally, progress),
        axes=[axis.name for axis in model.axes],
        definitions=segment_definitions(model),
        model=model.document(),
        absent=load.absent,
        keep_runs=load.keep_runs,
        measures=measure_batches(engine, model, settings.assign.batch_size),
        previous=previous,
        as_of=request.features.as_of,
        check=check,
        reached=note,
    )
    return reached[-1]


def _previous(
    settings: RunSettings, target: RunSession, request: PublishRequest
) -> PreviousRun | None:
    """The run in force, and which of its segments are which of the model's.

    With a given model, whose ids may be another store's: told by name.
    """
    current, former, model = target.previous, request.former, request.model
    if current is None:
        return None
    is_repeated = (
        former is not None
        and former.hash() == model.hash()
        and current.as_of == request.features.as_of
    )
    known = former if settings.model_path is None else None
    return PreviousRun(current.run_id, same_names(known, model), is_repeated=is_repeated)


def _facts(source: SourceInfo, as_of: date) -> RunFacts:
    newest = source.last_ordered_at
    return RunFacts(
        as_of=as_of,
        input_hash=source.input_hash,
        rows_read=source.n_rows_read,
        rows_rejected=source.n_rows_rejected,
        last_order_on=newest.date() if newest else None,
    )


def _forced_notes(reasons: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"Published by force, although: {reason}" for reason in reasons)
