"""The run: every stage in the order in which the data flows.

Takes settings; gives a RunReport, and the published tables. A failure is told with its stage, and
leaves the previous run in force.
"""

from __future__ import annotations

import dataclasses
import platform
import resource
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from threading import Thread
from time import perf_counter
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from segpipe import __version__
from segpipe.assign import Tally, assign_batches
from segpipe.axes import axes_for
from segpipe.config import RunSettings
from segpipe.engine import Connection as Engine
from segpipe.engine import EngineError, open_engine
from segpipe.errors import DatabaseError, InputError, SegpipeError, StageError
from segpipe.features import Reference, compute_features
from segpipe.load import (
    RunFacts,
    SegmentDefinition,
    fail_run,
    publish,
    record_facts,
    record_report,
    start_run,
)
from segpipe.model import Model, read_model, write_model
from segpipe.postgres import Connection
from segpipe.progress import Progress
from segpipe.report import (
    AxisInfo,
    FeatureInfo,
    LoadInfo,
    RunReport,
    SampleInfo,
    SourceInfo,
    StageInfo,
)
from segpipe.sample import draw_sample
from segpipe.source import read_order_lines, refuse_overwriting
from segpipe.store import embedded_note, open_store

if TYPE_CHECKING:
    from segpipe.discover import Discovery

_LIBRARIES = ("duckdb", "ibis-framework", "numpy", "pyarrow", "scikit-learn")


class Stages:
    """Times the stages, tells the progress of each, and knows which one is at work."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.current = "settings"
        self.timed: list[StageInfo] = []

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Time the block as the stage `name`."""
        self.current = name
        self.progress.stage(name)
        started = perf_counter()
        yield
        self.timed.append(StageInfo(name, perf_counter() - started))


def run(settings: RunSettings, progress: Progress) -> RunReport:
    """Run every stage and publish; nothing is written to a database in a dry run.

    Raises SegpipeError with the stage in its text; the previous run then stays in force.
    """
    stages = Stages(progress)
    store: Connection | None = None
    run_id: int | None = None
    with ExitStack() as opened:
        try:
            given = read_model(settings.model_path) if settings.model_path else None
            if not settings.is_dry_run:
                with stages("connect"):
                    store = opened.enter_context(open_store(settings.load.database_url))
                    run_id = start_run(store, settings.load.store_id, _facts(settings))
            engine = opened.enter_context(open_engine(settings.engine))
            return _run_stages(settings, stages, engine, store, run_id, given)
        except BaseException as error:
            failure = _failure(error, stages.current)
            if run_id is not None:
                _tell_ledger(settings.load.database_url, run_id, stages.current, failure)
            if failure is error:
                raise
            raise failure from error


def _run_stages(
    settings: RunSettings,
    stages: Stages,
    engine: Engine,
    store: Connection | None,
    run_id: int | None,
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
    sample: SampleInfo | None = None
    discovered: list[Discovery] = []
    if given is None:
        sample, discovered = _discover(settings, stages, engine, source)
        model = _model(settings, source, reference, discovered)
    else:
        model = _checked(given, settings, source)
    if settings.model_out_path:
        write_model(model, settings.model_out_path)
    tally = Tally()
    with stages("load" if store else "assign"):
        batches = assign_batches(engine, model, settings.assign.batch_size, tally)
        load = _load(settings, stages, store, run_id, batches, model, source, features)
    report = RunReport(
        version=__version__,
        seed=settings.sample.seed,
        source=source,
        features=features,
        sample=sample,
        axes=_axis_infos(model, discovered, tally),
        load=load,
        stages=tuple(stages.timed),
        model_hash=model.hash(),
        peak_memory_mb=_peak_memory_mb(),
    )
    if store is None or run_id is None or load is None:
        return report
    try:
        record_report(store, run_id, report.to_dict())
    except DatabaseError as error:  # what is published stays published
        note = f"The run is published, but its report could not be stored: {error}"
        return dataclasses.replace(
            report, load=dataclasses.replace(load, notes=(*load.notes, note))
        )
    return report


def _discover(
    settings: RunSettings, stages: Stages, engine: Engine, source: SourceInfo
) -> tuple[SampleInfo, list[Discovery]]:
    from segpipe.discover import discover

    axes = axes_for(source.inputs, settings.features.axis_paths)
    with stages("sample"):
        sample, info = draw_sample(engine, settings.sample)
    with stages("cluster"):
        seed = settings.sample.seed
        step = stages.progress.step
        return info, discover(sample, axes, source.inputs, settings.cluster, seed, step)


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
    stages: Stages,
    store: Connection | None,
    run_id: int | None,
    batches: Iterable[pa.RecordBatch],
    model: Model,
    source: SourceInfo,
    features: FeatureInfo,
) -> LoadInfo | None:
    counted = _counted(batches, stages.progress, features.n_customers)
    if store is None or run_id is None:
        for _ in counted:
            pass
        return None
    facts = RunFacts(
        as_of=features.as_of,
        input_hash=source.input_hash,
        rows_read=source.n_rows_read,
        rows_rejected=source.n_rows_rejected,
    )
    record_facts(store, run_id, facts)
    info = publish(
        store,
        run_id,
        settings.load.store_id,
        counted,
        axes=[axis.name for axis in model.axes],
        definitions=_definitions(model),
        model=model.document(),
        absent=settings.load.absent,
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


def _definitions(model: Model) -> list[SegmentDefinition]:
    """Every segment, then every state, of every axis."""
    definitions = []
    for axis in model.axes:
        definitions += [
            SegmentDefinition(
                axis=axis.name,
                segment_id=segment.segment_id,
                segment=segment.name,
                kind="segment",
                description=segment.description,
                centroid=segment.medians,
                silhouette=axis.silhouette,
            )
            for segment in axis.segments
        ]
        states = axis.vocabulary()[len(axis.segments) :]
        for number, state in enumerate(states, start=1):
            told = axis.reason if state == axis.default_state and axis.reason else "named state"
            definitions.append(SegmentDefinition(axis.name, -number, state, "state", told))
    return definitions


def _axis_infos(model: Model, discovered: list[Discovery], tally: Tally) -> tuple[AxisInfo, ...]:
    found = {discovery.model.name: discovery for discovery in discovered}
    infos = []
    for axis in model.axes:
        counts = tally.customers[axis.name]
        by_size = sorted(zip(-counts, axis.vocabulary(), strict=True))
        discovery = found.get(axis.name)
        infos.append(
            AxisInfo(
                name=axis.name,
                group=axis.group,
                verdict=axis.verdict,
                reason=axis.reason,
                n_clusters=len(axis.segments) or None,
                silhouette=axis.silhouette if axis.segments else None,
                candidates=discovery.candidates if discovery else (),
                dropped_features=discovery.dropped_features if discovery else (),
                n_filled=tally.n_filled.get(axis.name, {}),
                shares={name: float(-n / tally.n_customers) for n, name in by_size if n},
            )
        )
    return tuple(infos)


def _facts(settings: RunSettings) -> RunFacts:
    parameters = _plain(dataclasses.asdict(settings))
    parameters["load"].pop("database_url")
    versions = {name: version(name) for name in _LIBRARIES}
    versions |= {"segpipe": __version__, "python": platform.python_version()}
    return RunFacts(seed=settings.sample.seed, parameters=parameters, versions=versions)


def _plain(value: Any) -> Any:  # noqa: ANN401 - any setting
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, int | float | str) else str(value)


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
