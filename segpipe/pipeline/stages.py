"""The stages up to clustering, each a function of the run's context and of what came before.

The last one, load, is in publish_step.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from threadpoolctl import threadpool_limits

from segpipe.axes import MEASURES, axes_for
from segpipe.core.errors import InputError
from segpipe.core.report import FeatureInfo, SampleInfo, SourceInfo
from segpipe.core.schema import Reference
from segpipe.core.settings import RunSettings
from segpipe.discovery.sampling import Sample, draw_sample
from segpipe.model.assign import needed_measures
from segpipe.model.document import Model
from segpipe.model.outlook import Outlook
from segpipe.pipeline import checkpoint
from segpipe.pipeline.context import Discovered, RunContext
from segpipe.pipeline.session import RunSession
from segpipe.sources import check_not_overwriting, expand, input_hash

if TYPE_CHECKING:
    from segpipe.discovery.discover import Discovery


def resume(run: RunContext) -> Discovered | None:
    """What an earlier run had discovered when it failed in load, if --resume is given and it fits.

    A run that cannot resume notifies why, and starts from the beginning.
    """
    settings, session = run.settings, run.session
    if not settings.is_resumed or session is None:
        return None
    with run.clock("resume"):
        _check_inputs_not_overwritten(settings)
        store_id = settings.load.store_id
        kept = checkpoint.find(store_id, _origin(run, session, input_hash(settings.source)))
        if isinstance(kept, str):
            message = f"There is nothing to resume: {kept}. The run starts from the beginning."
            run.progress.notify(message)
            return None
        checkpoint.restore(run.engine, store_id, kept)
    note = "Resumed: neither the input was parsed nor the axes clustered again."
    return replace(kept, notes=(note,))


def read_source(run: RunContext) -> tuple[SourceInfo, tuple[str, ...]]:
    """Files → order lines and tickets in the engine; a note if forgotten customers were in them."""
    settings = run.settings
    with run.clock("source"):
        _check_inputs_not_overwritten(settings)
        source = run.engine.read_order_lines(
            settings.source, run.progress.step, is_forced=settings.is_forced
        )
        forgotten = run.session.forgotten if run.session else None
        n_customers, n_lines = run.engine.remove_forgotten(forgotten)
    if not n_customers:
        return source, ()
    customers = "customer" if n_customers == 1 else "customers"
    note = f"Left out: {n_customers:,} forgotten {customers}; their order lines: {n_lines:,}."
    return source, (note,)


def compute_features(run: RunContext, source: SourceInfo) -> tuple[FeatureInfo, Reference]:
    """Order lines → customer_features in the engine, and the reference figures they lean on."""
    reference = run.given_model.reference if run.given_model else None
    with run.clock("features"):
        return run.engine.compute_features(
            source.inputs, run.settings.features.as_of, reference, run.progress.step
        )


def learn_outlook(run: RunContext) -> Outlook:
    """What customers did in the last 90 days → churn risk and expected value of the next."""
    from segpipe.discovery.outlook import Activity, learn_outlook

    def read(days_back: int, horizon_days: int) -> Activity:
        return Activity.of_table(run.engine.read_activity(days_back, horizon_days))

    with run.clock("outlook"), threadpool_limits(1, user_api="blas"):
        return learn_outlook(read)


def sample_customers(run: RunContext) -> tuple[Sample, SampleInfo]:
    """Customers → some thousand of them, each with its population weight."""
    with run.clock("sample"):
        return draw_sample(run.engine, run.settings.sample)


def cluster(
    run: RunContext, source: SourceInfo, sample: Sample, info: SampleInfo
) -> list[Discovery]:
    """Weighted sample → every axis of a model, refitted on everybody."""
    from segpipe.discovery.discover import discover
    from segpipe.discovery.refit import Population

    settings, session = run.settings, run.session
    axes = axes_for(source.inputs, settings.features.axis_paths)
    with run.clock("cluster"):
        return discover(
            sample,
            axes,
            source.inputs,
            settings.cluster,
            settings.sample.seed,
            run.progress.step,
            population=Population(run.engine, info.n_drawn, info.n_customers),
            previous=run.previous_model,
            known_ids=session.previous.known_ids if session and session.previous else {},
        )


def make_model(
    run: RunContext,
    source: SourceInfo,
    reference: Reference,
    outlook: Outlook,
    discovered: list[Discovery],
) -> Model:
    """The discovered axes, the outlook and the reference figures as one document."""
    return Model(
        seed=run.settings.sample.seed,
        inputs=tuple(sorted(source.inputs)),
        timezone=source.timezone,
        reference=reference,
        axes=tuple(found.model for found in discovered),
        outlook=outlook,
    )


def check_model_fits(model: Model, source: SourceInfo) -> None:
    """Raise InputError where the given model cannot be applied to this input."""
    missing = [name for name in model.inputs if name not in source.inputs]
    if missing:
        message = f"The model was made with {', '.join(missing)}, which this input lacks;"
        raise InputError(f"{message} run without --model to discover segments again.")
    unknown = [name for name in needed_measures(model) if name not in MEASURES]
    if unknown:
        message = f"The model looks at {', '.join(unknown)}, which this segpipe does not compute;"
        raise InputError(f"{message} use the version that made the model, or run without --model.")
    if model.timezone != source.timezone:
        message = f"The model was made in time zone {model.timezone},"
        message += f" this run has {source.timezone};"
        raise InputError(f"{message} give --timezone {model.timezone}.")


def keep_for_resume(run: RunContext, found: Discovered) -> Discovered:
    """The same, once it is on disk for a run that resumes; with a note where that failed."""
    if run.session is None:
        return found
    origin = _origin(run, run.session, found.source.input_hash)
    store_id = run.settings.load.store_id
    note = checkpoint.save(run.engine, store_id, origin, found, run.previous_model)
    return replace(found, notes=(*found.notes, note)) if note else found


def _origin(run: RunContext, session: RunSession, hashed: str) -> checkpoint.Origin:
    forgotten = session.forgotten.hashes if session.forgotten else ()
    return checkpoint.origin_of(run.settings, hashed, session.previous, forgotten)


def _check_inputs_not_overwritten(settings: RunSettings) -> None:
    """Raise InputError where the model would be written over a file that the run reads."""
    source = settings.source
    read = [path for given in source.paths for path in expand(given)]
    read += [source.tickets_path] if source.tickets_path else []
    check_not_overwriting(settings.model_out_path, read, "--model-out")
