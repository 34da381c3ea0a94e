"""The run: every stage in the order in which the data flows.

Takes settings; gives a RunReport, and the published tables. A failure is told with its stage, and
leaves the previous run in force.
"""

from __future__ import annotations

import dataclasses
import platform
import resource
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import pyarrow as pa

from segpipe import __version__
from segpipe.account import axis_infos, definitions, run_details
from segpipe.assign import Since, Tally, assign_batches
from segpipe.axes import axes_for
from segpipe.config import RunSettings
from segpipe.engine import Connection as Engine
from segpipe.engine import EngineError, open_engine
from segpipe.errors import DatabaseError, InputError, SegpipeError, StageError
from segpipe.features import Reference, compute_features
from segpipe.load import (
    PreviousRun,
    PublishedRun,
    RunFacts,
    fail_run,
    measure_batches,
    publish,
    read_published,
    record_facts,
    record_report,
    start_run,
)
from segpipe.model import Model, model_of, read_model, write_model
from segpipe.postgres import Connection
from segpipe.progress import Progress
from segpipe.report import (
    FeatureInfo,
    LoadInfo,
    RunReport,
    SampleInfo,
    SourceInfo,
    plain_values,
)
from segpipe.sample import draw_sample
from segpipe.source import read_order_lines, refuse_overwriting
from segpipe.stages import Stages
from segpipe.store import embedded_note, open_store
from segpipe.transitions import same_names

if TYPE_CHECKING:
    from segpipe.discover import Discovery

_LIBRARIES = ("duckdb", "ibis-framework", "numpy", "pyarrow", "scikit-learn")


@dataclass(frozen=True)
class _Target:
    """Where a run is published, and what is in force there."""

    connection: Connection
    run_id: int
    previous: PublishedRun | None


def run(settings: RunSettings, progress: Progress) -> RunReport:
    """Run every stage and publish; nothing is written to a database in a dry run.

    Raises SegpipeError with the stage in its text; the previous run then stays in force.
    """
    stages = Stages(progress)
    target: _Target | None = None
    with ExitStack() as opened:
        try:
            given = read_model(settings.model_path) if settings.model_path else None
            if not settings.is_dry_run:
                with stages("connect"):
                    store = opened.enter_context(open_store(settings.load.database_url))
                    target = _start(store, settings)
            engine = opened.enter_context(open_engine(settings.engine))
            return _run_stages(settings, stages, engine, target, given)
        except BaseException as error:
            failure = _failure(error, stages.current)
            if target:
                _tell_ledger(settings.load.database_url, target.run_id, stages.current, failure)
            if failure is error:
                raise
            raise failure from error


def _start(store: Connection, settings: RunSettings) -> _Target:
    run_id = start_run(store, settings.load.store_id, _facts(settings))
    return _Target(store, run_id, read_published(store, settings.load.store_id))


def _run_stages(
    settings: RunSettings,
    stages: Stages,
    engine: Engine,
    target: _Target | None,
    given: Model | None,
) -> RunReport:
    # scikit-learn takes a second to import, and the engine parses without the interpreter.
    if given is None:
        Thread(target=import_module, args=("segpipe.discover",), daemon=True).start()
    with stages("source"):
        source = read_order_lines(engine, settings.source, stages.progress.step)
        refuse_overwriting(settings.model_out_path, map(Path, source.paths), "--model-out")
    with stages("features"):
        features, reference = compute_features(
            engine,
            source.inputs,
            settings.features.as_of,
            given.reference if given else None,
            stages.progress.step,
        )
    former, notes = _former_model(target)
    sample: SampleInfo | None = None
    discovered: list[Discovery] = []
    if given is None:
        known_ids = target.previous.known_ids if target and target.previous else {}
        sample, discovered = _discover(settings, stages, engine, source, former, known_ids)
        model = _model(settings, source, reference, discovered)
    else:
        model = _checked(given, settings, source)
    if settings.model_out_path:
        write_model(model, settings.model_out_path)
    tally = Tally()
    with stages("load" if target else "assign"):
        size = settings.assign.batch_size
        batches = assign_batches(engine, model, size, tally, former, _since(target, features))
        counted = _counted(batches, stages.progress, features.n_customers)
        load = None
        if target is None:
            deque(counted, maxlen=0)  # for the tally alone
        else:
            load = _load(settings, target, engine, counted, model, former, source, features)
            load = dataclasses.replace(load, notes=(*notes, *load.notes))
    report = RunReport(
        version=__version__,
        seed=settings.sample.seed,
        source=source,
        features=features,
        sample=sample,
        axes=axis_infos(model, discovered, tally),
        load=load,
        stages=tuple(stages.timed),
        model_hash=model.hash(),
        peak_memory_mb=_peak_memory_mb(),
        details=run_details(model, discovered),
    )
    return _recorded(report, target) if target else report


def _recorded(report: RunReport, target: _Target) -> RunReport:
    """The report, stored; with a note where it could not be: what is published stays published."""
    assert report.load  # noqa: S101 - there is a target
    assert report.details  # noqa: S101 - as above
    try:
        record_report(target.connection, target.run_id, report.to_dict(), report.details.scatter)
    except DatabaseError as error:
        note = f"The run is published, but its report could not be stored: {error}"
        load = dataclasses.replace(report.load, notes=(*report.load.notes, note))
        return dataclasses.replace(report, load=load)
    return report


def _former_model(target: _Target | None) -> tuple[Model | None, tuple[str, ...]]:
    """Model of the run in force, from which segments take their identity; a note where it cannot.

    None at a store's first run and in a dry run.
    """
    if target is None or target.previous is None or target.previous.model is None:
        return None, ()
    try:
        return model_of(target.previous.model, f"of run {target.previous.run_id}"), ()
    except InputError as error:
        return None, (f"Segments could not be matched, and have names given afresh: {error}",)


def _since(target: _Target | None, features: FeatureInfo) -> Since | None:
    """From the date of the run in force to this one's."""
    before = target.previous.as_of if target and target.previous else None
    return Since(before, features.as_of) if before else None


def _previous(target: _Target, former: Model | None, model: Model) -> PreviousRun | None:
    """The run in force, and which of its segments are which of the model's.

    Without `former`, as with a given model, whose ids may be another store's: told by name.
    """
    if target.previous is None:
        return None
    return PreviousRun(target.previous.run_id, same_names(former, model))


def _discover(
    settings: RunSettings,
    stages: Stages,
    engine: Engine,
    source: SourceInfo,
    former: Model | None,
    known_ids: Mapping[str, Mapping[str, int]],
) -> tuple[SampleInfo, list[Discovery]]:
    from segpipe.discover import discover
    from segpipe.refit import Population

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
            known_ids=known_ids,
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
    if given.timezone != settings.source.timezone:
        msg = f"The model was made in time zone {given.timezone}, this run has"
        raise InputError(f"{msg} {settings.source.timezone}; give --timezone {given.timezone}.")
    return given


def _load(
    settings: RunSettings,
    target: _Target,
    engine: Engine,
    batches: Iterable[pa.RecordBatch],
    model: Model,
    former: Model | None,
    source: SourceInfo,
    features: FeatureInfo,
) -> LoadInfo:
    facts = RunFacts(
        as_of=features.as_of,
        input_hash=source.input_hash,
        rows_read=source.n_rows_read,
        rows_rejected=source.n_rows_rejected,
    )
    record_facts(target.connection, target.run_id, facts)
    info = publish(
        target.connection,
        target.run_id,
        settings.load.store_id,
        batches,
        axes=[axis.name for axis in model.axes],
        definitions=definitions(model),
        model=model.document(),
        absent=settings.load.absent,
        measures=measure_batches(engine, model, settings.assign.batch_size),
        previous=_previous(target, former if settings.model_path is None else None, model),
        as_of=features.as_of,
    )
    notes = (*info.notes, *embedded_note(settings.load.database_url))
    return dataclasses.replace(info, notes=notes)


def _counted(
    batches: Iterable[pa.RecordBatch], progress: Progress, total: int
) -> Iterator[pa.RecordBatch]:
    done = 0
    for batch in batches:
        yield batch
        done += batch.num_rows
        progress.advance(done, total)


def _facts(settings: RunSettings) -> RunFacts:
    parameters = plain_values(dataclasses.asdict(settings))
    parameters["load"].pop("database_url")
    versions = {name: version(name) for name in _LIBRARIES}
    versions |= {"segpipe": __version__, "python": platform.python_version()}
    return RunFacts(seed=settings.sample.seed, parameters=parameters, versions=versions)


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


def _tell_ledger(url: str | None, run_id: int, stage: str, failure: BaseException) -> None:
    """The ledger keeps the reason; a database that is down keeps `running`.

    Over a connection of its own, for the run's may be what failed.
    """
    told = str(failure) if isinstance(failure, Exception) else "ended by a signal"
    with suppress(SegpipeError), open_store(url) as store:
        fail_run(store, run_id, stage, told)


def _peak_memory_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
