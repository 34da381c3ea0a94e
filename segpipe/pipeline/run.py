"""The run: every stage in the order in which the data flows.

Takes settings; gives a RunReport, and the published tables. A failure names its stage, and the
previous run stays the current one.
"""

from __future__ import annotations

import resource
import sys
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from segpipe import __version__
from segpipe.core.errors import DatabaseError, GateError, SegpipeError, StageError
from segpipe.core.progress import Progress, StageClock
from segpipe.core.report import LoadInfo, RunDetails, RunReport
from segpipe.core.settings import RunSettings
from segpipe.engines.base import EngineError, EngineMemoryError
from segpipe.model.document import read_model, write_model
from segpipe.pipeline import checkpoint_folder, stages
from segpipe.pipeline.context import Counted, Discovered, RunContext
from segpipe.pipeline.engine import open_run_engine
from segpipe.pipeline.publish_step import count_everybody, early_gate_reasons, publish_run
from segpipe.pipeline.session import (
    RunSession,
    former_model,
    open_run_session,
    record_failure,
    record_stage_of,
    with_connection,
)
from segpipe.pipeline.summary import (
    axis_reports_with_counts,
    discovered_axes,
    outlook_report,
    scatter_points,
)
from segpipe.runs import record_report


def run(settings: RunSettings, progress: Progress) -> RunReport:
    """Run every stage and publish; nothing is written to a database in a dry run.

    Raises SegpipeError with the stage in its text; the previous run then stays the current one.
    """
    clock = StageClock(progress)
    session: RunSession | None = None
    with ExitStack() as opened:
        try:
            stages.check_named_axes(settings)
            given = read_model(settings.model_path) if settings.model_path else None
            if not settings.is_dry_run:
                session = _open_session(settings, clock, opened)
            engine = opened.enter_context(open_run_engine(settings.engine))
            former, notes = former_model(session)
            return _run_stages(RunContext(settings, clock, engine, session, given, former, notes))
        except BaseException as error:
            failure = _failure(error, clock.current)
            if session:
                stage = "gates" if isinstance(failure, GateError) else clock.current
                record_failure(settings, session.run_id, stage, failure)
            if failure is error:
                raise
            raise failure from error


def _run_stages(run: RunContext) -> RunReport:
    """Run every stage, and report."""
    found = stages.resume(run) or _discover(run)
    if run.settings.model_out_path:
        write_model(found.model, run.settings.model_out_path)
    if run.session:
        return _publish(run, run.session, found)
    with run.clock("assign"):
        counted = count_everybody(run, found)
    return _report(run, found, counted, None)


def _discover(run: RunContext) -> Discovered:
    """Source, features, sample and cluster; or, with a given model, the first two."""
    source, notes = stages.read_source(run)
    features, reference = stages.compute_features(run, source)
    if run.given_model:
        stages.check_model_fits(run.given_model, source)
        model, info, axes = run.given_model, None, []
    else:
        outlook = stages.learn_outlook(run)
        sample, info = stages.sample_customers(run)
        axes = stages.cluster(run, source, features.as_of, sample, info)
        model = stages.make_model(run, source, reference, outlook, axes)
    found = Discovered(
        source=source,
        features=features,
        sample=info,
        axes=discovered_axes(model, axes, run.previous_model),
        model=model,
        scatter=scatter_points(axes),
        notes=notes,
    )
    return stages.keep_for_resume(run, found)


def _publish(run: RunContext, session: RunSession, found: Discovered) -> RunReport:
    overridden = early_gate_reasons(run, session, found, datetime.now(UTC).date())
    with run.clock("load"):
        load, counted = publish_run(run, session, found, overridden)
        checkpoint_folder.discard(run.settings.load.store_id)
    load = replace(load, notes=(*found.notes, *run.notes, *load.notes))
    report = _report(run, found, counted, load)
    note = _store_report(run, session, report, found)
    return replace(report, load=replace(load, notes=(*load.notes, note))) if note else report


def _report(
    run: RunContext, found: Discovered, counted: Counted, load: LoadInfo | None
) -> RunReport:
    return RunReport(
        version=__version__,
        seed=run.settings.sample.seed,
        source=found.source,
        features=found.features,
        sample=found.sample,
        axes=axis_reports_with_counts(found.axes, found.model, counted),
        load=load,
        stages=tuple(run.clock.timed),
        model_hash=found.model.hash(),
        peak_memory_mb=_peak_memory_mb(),
        outlook=outlook_report(found.model),
        details=RunDetails(found.model.document(), found.scatter),
    )


def _store_report(
    run: RunContext, session: RunSession, report: RunReport, found: Discovered
) -> str | None:
    """Write the report to the ledger; a note where that failed: the run stays published."""
    try:
        with with_connection(session, run.settings) as connection:
            record_report(connection, session.run_id, report.to_dict(), found.scatter)
    except DatabaseError as error:
        return f"The run is published, but its report could not be stored: {error}"
    return None


def _open_session(settings: RunSettings, clock: StageClock, opened: ExitStack) -> RunSession:
    """Hold the store until the run ends; from then on the ledger knows which stage is at work."""
    with clock("connect"):
        session = opened.enter_context(open_run_session(settings, clock.progress.notify))
    clock.on_stage = lambda stage: record_stage_of(session, stage)
    return session


def _failure(error: BaseException, stage: str) -> BaseException:
    """The error as the user reads it: with the stage, in place of a traceback."""
    if isinstance(error, SegpipeError) or not isinstance(error, Exception):
        return error
    is_of_memory = isinstance(error, MemoryError) and "memory" in str(error).lower()
    if isinstance(error, EngineMemoryError) or is_of_memory:
        message = "the engine ran out of memory; raise memory_limit in [engine] or free some"
        return StageError(stage, message)
    reason = str(error) if isinstance(error, EngineError) else f"{type(error).__name__}: {error}"
    return StageError(stage, reason)


def _peak_memory_mb() -> float:
    with suppress(OSError):  # on Linux, where getrusage may still count the parent's peak
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(status.partition("VmHWM:")[2].split()[0]) / 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
