"""The run: every stage in the order in which the data flows.

Takes settings; gives a RunReport, and the published tables. A failure is told with its stage, and
leaves the previous run in force.
"""

from __future__ import annotations

import dataclasses
import resource
import sys
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segpipe import __version__
from segpipe.axes import MEASURES, axes_for
from segpipe.core.errors import DatabaseError, GateError, InputError, SegpipeError, StageError
from segpipe.core.progress import Progress, StageClock
from segpipe.core.report import (
    AxisInfo,
    FeatureInfo,
    LoadInfo,
    RunDetails,
    RunReport,
    SampleInfo,
    SourceInfo,
)
from segpipe.core.settings import RunSettings
from segpipe.discovery.sampling import draw_sample
from segpipe.engines.duckdb import Connection as Engine
from segpipe.engines.duckdb import EngineError, open_engine
from segpipe.features import Reference, compute_features
from segpipe.model.assign import Tally, needed_measures
from segpipe.model.document import Model, read_model, write_model
from segpipe.pipeline import checkpoint
from segpipe.pipeline.publish_step import PublishRequest, assigned, early_gate_reasons, publish_run
from segpipe.pipeline.summary import axis_reports_with_counts, discovered_axes, scatter_points
from segpipe.pipeline.target import (
    RunSession,
    former_model,
    open_run_session,
    record_failure,
    record_stage_of,
    with_connection,
)
from segpipe.runs import record_report
from segpipe.sources import check_not_overwriting, expand, input_hash, read_order_lines
from segpipe.sources.forgotten import remove_forgotten

if TYPE_CHECKING:
    from segpipe.discovery.discover import Discovery


@dataclass(frozen=True)
class _Found:
    """What the stages up to clustering gave, in this run or in the one that it resumes."""

    source: SourceInfo
    features: FeatureInfo
    sample: SampleInfo | None
    axes: tuple[AxisInfo, ...]  # nobody is counted yet
    model: Model
    scatter: dict[str, Any]
    notes: tuple[str, ...] = ()


def run(settings: RunSettings, progress: Progress) -> RunReport:
    """Run every stage and publish; nothing is written to a database in a dry run.

    Raises SegpipeError with the stage in its text; the previous run then stays in force.
    """
    stages = StageClock(progress)
    target: RunSession | None = None
    with ExitStack() as opened:
        try:
            given = read_model(settings.model_path) if settings.model_path else None
            if not settings.is_dry_run:
                with stages("connect"):
                    target = opened.enter_context(open_run_session(settings, progress.notify))
                stages.on_stage = _stage_recorder(target)
            engine = opened.enter_context(open_engine(settings.engine))
            return _run_stages(settings, stages, engine, target, given)
        except BaseException as error:
            failure = _failure(error, stages.current)
            if target:
                stage = "gates" if isinstance(failure, GateError) else stages.current
                record_failure(settings, target.run_id, stage, failure)
            if failure is error:
                raise
            raise failure from error


def _run_stages(
    settings: RunSettings,
    stages: StageClock,
    engine: Engine,
    target: RunSession | None,
    given: Model | None,
) -> RunReport:
    former, former_notes = former_model(target)
    found = _resumed(settings, stages, engine, target) or _discovered(
        settings, stages, engine, target, given, former
    )
    if settings.model_out_path:
        write_model(found.model, settings.model_out_path)
    forced_past: tuple[str, ...] = ()
    if target:
        today = datetime.now(UTC).date()
        forced_past = early_gate_reasons(
            settings, target, found.source, found.axes, found.features.as_of, today
        )
    request = PublishRequest(found.model, former, found.source, found.features, forced_past)
    load: LoadInfo | None = None
    with stages("load" if target else "assign"):
        if target:
            load, tally = publish_run(settings, engine, target, request, stages.progress)
            notes = (*found.notes, *former_notes, *load.notes)
            load = dataclasses.replace(load, notes=notes)
            checkpoint.discard(settings.load.store_id)
        else:
            tally = Tally()
            batches = assigned(settings, engine, None, request, tally, stages.progress)
            deque(batches, maxlen=0)  # for the tally alone
    report = _report(settings, stages, found, tally, load)
    return _recorded(settings, report, target) if target else report


def _check_inputs_not_overwritten(settings: RunSettings) -> None:
    """Raise InputError where the model would be written over a file that the run reads."""
    source = settings.source
    read = [path for given in source.paths for path in expand(given)]
    read += [source.tickets_path] if source.tickets_path else []
    check_not_overwriting(settings.model_out_path, read, "--model-out")


def _resumed(
    settings: RunSettings, stages: StageClock, engine: Engine, target: RunSession | None
) -> _Found | None:
    """What a run that failed in load had found, where that was asked for and serves."""
    if not settings.is_resumed or target is None:
        return None
    with stages("resume"):
        _check_inputs_not_overwritten(settings)
        origin = _origin(settings, target, input_hash(settings.source))
        kept = checkpoint.find(settings.load.store_id, origin)
        if isinstance(kept, str):
            stages.progress.notify(f"There is nothing to resume: {kept}. Everything is done anew.")
            return None
        checkpoint.restore(engine, settings.load.store_id, kept)
    note = "Resumed: neither the input was parsed nor the axes clustered again."
    return _Found(
        kept.source, kept.features, kept.sample, kept.axes, kept.model, kept.scatter, (note,)
    )


def _discovered(
    settings: RunSettings,
    stages: StageClock,
    engine: Engine,
    target: RunSession | None,
    given: Model | None,
    former: Model | None,
) -> _Found:
    with stages("source"):
        _check_inputs_not_overwritten(settings)
        source = read_order_lines(
            engine, settings.source, stages.progress.step, is_forced=settings.is_forced
        )
        notes = _without_forgotten(engine, target)
    with stages("features"):
        features, reference = compute_features(
            engine,
            source.inputs,
            settings.features.as_of,
            given.reference if given else None,
            stages.progress.step,
        )
    sample: SampleInfo | None = None
    discovered: list[Discovery] = []
    if given is None:
        sample, discovered = _discover(settings, stages, engine, source, former, target)
        model = _model(settings, source, reference, discovered)
    else:
        model = _checked(given, settings, source)
    axes = discovered_axes(model, discovered)
    found = _Found(source, features, sample, axes, model, scatter_points(discovered), notes)
    return _kept(settings, engine, target, found, former) if target else found


def _without_forgotten(engine: Engine, target: RunSession | None) -> tuple[str, ...]:
    """A note of the customers who asked to be forgotten, whose lines are removed."""
    n_customers, n_lines = remove_forgotten(engine, target.forgotten if target else None)
    if not n_customers:
        return ()
    customers = "customer" if n_customers == 1 else "customers"
    return (f"Left out: {n_customers:,} forgotten {customers}; their order lines: {n_lines:,}.",)


def _discover(
    settings: RunSettings,
    stages: StageClock,
    engine: Engine,
    source: SourceInfo,
    former: Model | None,
    target: RunSession | None,
) -> tuple[SampleInfo, list[Discovery]]:
    from segpipe.discovery.discover import discover
    from segpipe.discovery.refit import Population

    axes = axes_for(source.inputs, settings.features.axis_paths)
    with stages("sample"):
        sample, info = draw_sample(engine, settings.sample)
    with stages("cluster"):
        return info, discover(
            sample,
            axes,
            source.inputs,
            settings.cluster,
            settings.sample.seed,
            stages.progress.step,
            population=Population(engine, info.n_drawn, info.n_customers),
            previous=former,
            known_ids=target.previous.known_ids if target and target.previous else {},
        )


def _model(
    settings: RunSettings, source: SourceInfo, reference: Reference, discovered: list[Discovery]
) -> Model:
    return Model(
        seed=settings.sample.seed,
        inputs=tuple(sorted(source.inputs)),
        timezone=settings.source.timezone,
        reference=reference,
        axes=tuple(found.model for found in discovered),
    )


def _checked(given: Model, settings: RunSettings, source: SourceInfo) -> Model:
    missing = [name for name in given.inputs if name not in source.inputs]
    if missing:
        msg = f"The model was made with {', '.join(missing)}, which this input lacks;"
        raise InputError(f"{msg} discover anew without --model.")
    unknown = [name for name in needed_measures(given) if name not in MEASURES]
    if unknown:
        msg = f"The model looks at {', '.join(unknown)}, which this segpipe does not compute;"
        raise InputError(f"{msg} use the version that made the model, or run without --model.")
    if given.timezone != settings.source.timezone:
        msg = f"The model was made in time zone {given.timezone}, this run has"
        raise InputError(f"{msg} {settings.source.timezone}; give --timezone {given.timezone}.")
    return given


def _kept(
    settings: RunSettings, engine: Engine, target: RunSession, found: _Found, former: Model | None
) -> _Found:
    """The same, once it is on disk for a run that would resume; with a note where it cannot be."""
    kept = checkpoint.Resumable(
        _origin(settings, target, found.source.input_hash),
        found.source,
        found.features,
        found.sample,
        found.axes,
        found.model,
        found.scatter,
    )
    note = checkpoint.save(engine, settings.load.store_id, kept, former)
    return dataclasses.replace(found, notes=(*found.notes, note)) if note else found


def _origin(settings: RunSettings, target: RunSession, hashed: str) -> checkpoint.Origin:
    forgotten = target.forgotten.hashes if target.forgotten else ()
    return checkpoint.origin_of(settings, hashed, target.previous, forgotten)


def _report(
    settings: RunSettings, stages: StageClock, found: _Found, tally: Tally, load: LoadInfo | None
) -> RunReport:
    return RunReport(
        version=__version__,
        seed=settings.sample.seed,
        source=found.source,
        features=found.features,
        sample=found.sample,
        axes=axis_reports_with_counts(found.axes, found.model, tally),
        load=load,
        stages=tuple(stages.timed),
        model_hash=found.model.hash(),
        peak_memory_mb=_peak_memory_mb(),
        details=RunDetails(found.model.document(), found.scatter),
    )


def _recorded(settings: RunSettings, report: RunReport, target: RunSession) -> RunReport:
    """The report, stored; with a note where it could not be: what is published stays published."""
    assert report.load  # noqa: S101 - there is a target
    assert report.details  # noqa: S101 - as above
    try:
        with with_connection(target, settings) as connection:
            record_report(connection, target.run_id, report.to_dict(), report.details.scatter)
    except DatabaseError as error:
        note = f"The run is published, but its report could not be stored: {error}"
        load = dataclasses.replace(report.load, notes=(*report.load.notes, note))
        return dataclasses.replace(report, load=load)
    return report


def _stage_recorder(target: RunSession) -> Callable[[str], None]:
    return lambda stage: record_stage_of(target, stage)


def _failure(error: BaseException, stage: str) -> BaseException:
    """What the user is told: the stage, in place of a traceback."""
    if isinstance(error, SegpipeError) or not isinstance(error, Exception):
        return error
    if isinstance(error, RuntimeError) and "interrupted" in str(error).lower():
        return KeyboardInterrupt()  # the engine noticed the signal first
    if isinstance(error, EngineError | MemoryError) and "memory" in str(error).lower():
        msg = "the engine ran out of memory; raise memory_limit in [engine] or free some"
        return StageError(stage, msg)
    return StageError(stage, f"{type(error).__name__}: {error}")


def _peak_memory_mb() -> float:
    with suppress(OSError):  # Linux; what getrusage says there may be the parent's, from before
        told = Path("/proc/self/status").read_text(encoding="ascii")
        return int(told.partition("VmHWM:")[2].split()[0]) / 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
