"""The last stage, load: everybody is assigned by the model, checked and published.

Takes the run's context and what was discovered; gives a LoadInfo and the counts of everybody. It
tries again where the connection was lost or another session was in the way.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date

import pyarrow as pa

from segpipe.axes import LIFE_STAGES
from segpipe.core.errors import DatabaseError
from segpipe.core.report import LoadInfo, TransitionInfo
from segpipe.model.assign import Tally
from segpipe.model.compare import kept_axes, same_names
from segpipe.pipeline import quality_gates
from segpipe.pipeline.context import Counted, Discovered, RunContext
from segpipe.pipeline.decisions import axes_of_other_inputs, final_decisions, plain_decisions
from segpipe.pipeline.memberships import Since, assign_population, measure_batches
from segpipe.pipeline.session import RunSession, reopened
from segpipe.pipeline.summary import names_met, segment_definitions
from segpipe.postgres import with_retries
from segpipe.postgres.database import embedded_note
from segpipe.publishing import Publication, SegmentCounts, publish
from segpipe.runs import (
    HeldBefore,
    PreviousRun,
    RunFacts,
    forgotten_hashes,
    is_published,
    record_decisions,
    record_facts,
    record_forced,
)

Published = tuple[LoadInfo, Counted]


class _SharesMovedError(Exception):
    """Axes to hold back, found when everybody had been assigned: axis → figures."""

    def __init__(self, axes: dict[str, str]) -> None:
        super().__init__(", ".join(axes))
        self.axes = axes


def early_gate_reasons(
    run: RunContext, session: RunSession, found: Discovered, today: date
) -> tuple[str, ...]:
    """Reasons not to publish that --force overrides. Raises GateError where it is not given.

    What was read is recorded in the ledger first, so that it is there for a refused run too.
    """
    with suppress(DatabaseError):  # publishing will try again, and report it
        record_facts(session.connection, session.run_id, _facts(found))
    settings = run.settings
    reasons = quality_gates.early_reasons(found.source, session.last, settings.gates, today)
    if not settings.is_forced:
        quality_gates.check_gates(reasons)
    return reasons


def publish_run(
    run: RunContext, session: RunSession, found: Discovered, overridden: Sequence[str]
) -> Published:
    """Publish, and count everybody on the way. Raises GateError and DatabaseError.

    `overridden` are the reasons of the early gates that --force went past. A run whose COMMIT
    succeeded but whose answer was lost is not published again.
    """
    settings, progress = run.settings, run.progress
    reached: list[Published] = []

    def attempt() -> Published:
        with reopened(session, settings, progress.notify) as there:
            if reached and is_published(there.connection, there.run_id):
                return reached[-1]
            _check_nobody_forgotten_since(there, settings.load.store_id)
            return _publish_once(run, there, found, overridden, reached)

    try:
        return with_retries(settings.load.attempts, progress.notify, attempt)
    except DatabaseError:
        if reached and _is_published(run, session):
            return reached[-1]
        raise


def count_everybody(run: RunContext, found: Discovered) -> Counted:
    """Counts of all customers by segment, without publishing them: for a dry run."""
    tally = Tally()
    counts = SegmentCounts(tuple(axis.name for axis in found.model.axes))
    for batch in _assigned(run, None, found, tally):
        counts.add(batch)
    return Counted(tally, counts, final_decisions(found.axes))


def _is_published(run: RunContext, session: RunSession) -> bool:
    with (
        suppress(DatabaseError),
        reopened(session, run.settings, run.progress.notify) as there,
    ):
        return is_published(there.connection, there.run_id)
    return False


def _check_nobody_forgotten_since(session: RunSession, store_id: str) -> None:
    """Raise DatabaseError where a customer was forgotten while a lost connection held no store."""
    if forgotten_hashes(session.connection, store_id) != session.forgotten:
        message = "A customer was forgotten while the connection was lost, and would have come back"
        raise DatabaseError(f"{message}; nothing was published. Run it again.")


def _assigned(
    run: RunContext, session: RunSession | None, found: Discovered, tally: Tally
) -> Iterator[pa.RecordBatch]:
    """Membership batches of everybody; the tally is filled and progress reported on the way."""
    as_of = session.previous.as_of if session and session.previous else None
    since = Since(as_of, found.features.as_of) if as_of else None
    batch_size = run.settings.assign.batch_size
    done = 0
    batches = assign_population(
        run.engine,
        found.model,
        batch_size,
        tally,
        run.previous_model,
        since,
        kept_axes(run.previous_model, found.model) | axes_of_other_inputs(found.axes),
    )
    for batch in batches:
        yield batch
        done += batch.num_rows
        run.progress.advance(done, found.features.n_customers)


def _publish_once(
    run: RunContext,
    session: RunSession,
    found: Discovered,
    overridden: Sequence[str],
    reached: list[Published],
) -> Published:
    """Publish; a second time, with some axes held back, where the first one found them moved."""
    try:
        return _publish_holding(run, session, found, overridden, reached, {})
    except _SharesMovedError as moved:
        run.progress.notify(f"Held back, since shares moved: {', '.join(moved.axes)}.")
        return _publish_holding(run, session, found, overridden, reached, moved.axes)


def _publish_holding(
    run: RunContext,
    session: RunSession,
    found: Discovered,
    overridden: Sequence[str],
    reached: list[Published],
    held: Mapping[str, str],
) -> Published:
    """Publish with the axes of `held` as they are; raises _SharesMovedError where it is empty."""
    tally = Tally()
    model, load = found.model, run.settings.load
    record_facts(session.connection, session.run_id, _facts(found))
    reasons, counted = list(overridden), []

    def check(counts: SegmentCounts, transitions: Sequence[TransitionInfo]) -> None:
        if not held:
            reasons.extend(_check_shares(run, session, found, counts, transitions))
        record_forced(session.connection, session.run_id, reasons)
        decisions = final_decisions(found.axes, transitions, held)
        record_decisions(session.connection, session.run_id, plain_decisions(decisions))
        counted.append(Counted(tally, counts, decisions))

    def note(info: LoadInfo) -> None:
        forced = (f"Published by force, although: {reason}" for reason in reasons)
        notes = (*forced, *info.notes, *embedded_note(load.database_url))
        reached.append((dataclasses.replace(info, notes=notes), counted[-1]))

    publication = Publication(
        session.run_id,
        load.store_id,
        _assigned(run, session, found, tally),
        axes=[axis.name for axis in model.axes],
        definitions=segment_definitions(model),
        model=model.document(),
        absent=load.absent,
        keep_runs=load.keep_runs,
        measures=measure_batches(run.engine, model, run.settings.assign.batch_size),
        previous=_previous_run(run, session, found),
        as_of=found.features.as_of,
        check=check,
        held_axes=tuple(held),
        holds_for=lambda: names_met(model, tally, held),
        before_commit=note,
    )
    publish(session.connection, publication)
    return reached[-1]


def _check_shares(
    run: RunContext,
    session: RunSession,
    found: Discovered,
    counts: SegmentCounts,
    transitions: Sequence[TransitionInfo],
) -> list[str]:
    """Raise _SharesMovedError for axes to hold back; with --force, the reasons instead.

    An axis that the current run held back is not held back again, and stages of a customer's life
    are never held back: in a young shop most customers pass one in the same months.
    """
    limit = run.settings.gates.max_share_shift
    held_before = session.last.held_axes if session.last else frozenset()
    kept = kept_axes(run.previous_model, found.model) - held_before - LIFE_STAGES
    moved = quality_gates.axes_to_hold(
        counts.shares(), transitions, kept, found.features.n_customers, limit
    )
    if moved and not run.settings.is_forced:
        raise _SharesMovedError(moved)
    return [f"{axis}: {text} ([gates] max_share_shift = {limit})" for axis, text in moved.items()]


def _previous_run(run: RunContext, session: RunSession, found: Discovered) -> PreviousRun | None:
    """The current run, and which of its segments are which of the new model's.

    Segments of a given model are matched by name, since their ids may be another store's.
    """
    current, former, model = session.previous, run.previous_model, found.model
    if current is None:
        return None
    is_repeated = (
        former is not None
        and former.hash() == model.hash()
        and current.as_of == found.features.as_of
    )
    known = former if run.given_model is None else None
    names = same_names(known, model)
    kept = kept_axes(run.previous_model, found.model)
    held = _held_before(run, session, found)
    return PreviousRun(current.run_id, names, is_repeated, kept, held)


def _held_before(run: RunContext, session: RunSession, found: Discovered) -> HeldBefore | None:
    """What the current run held back, and who has a ticket since the run before it."""
    last = session.last
    if last is None or not last.held_axes or last.previous_as_of is None:
        return None
    with_ticket: frozenset[str] = frozenset()
    if "tickets" in found.model.inputs:
        until = found.features.as_of
        with_ticket = run.engine.customers_with_tickets(last.previous_as_of, until)
    return HeldBefore(last.held_axes, last.previous_as_of, with_ticket)


def _facts(found: Discovered) -> RunFacts:
    source = found.source
    newest = source.last_ordered_at
    return RunFacts(
        as_of=found.features.as_of,
        input_hash=source.input_hash,
        rows_read=source.n_rows_read,
        rows_rejected=source.n_rows_rejected,
        last_order_on=newest.date() if newest else None,
    )
