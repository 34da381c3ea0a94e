"""The stages up to clustering, each a function of the run's context and of what came before.

The last one, load, is in publish_step.py.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

from threadpoolctl import threadpool_limits

from segpipe.axes import MEASURES, Axis, axes_for
from segpipe.axes.channel_names import name_channels
from segpipe.core.decisions import ASKED
from segpipe.core.decisions import INPUTS as CAUSE_INPUTS
from segpipe.core.errors import InputError
from segpipe.core.report import FeatureInfo, SampleInfo, SourceInfo
from segpipe.core.schema import INPUTS, Reference
from segpipe.core.settings import RunSettings
from segpipe.core.suggestions import did_you_mean
from segpipe.discovery.sampling import Sample, draw_sample
from segpipe.model.assign import needed_measures
from segpipe.model.compare import uses_reference
from segpipe.model.document import FORMAT, AxisModel, Model
from segpipe.model.outlook import Outlook
from segpipe.pipeline import checkpoint
from segpipe.pipeline.context import Discovered, RunContext
from segpipe.pipeline.session import RunSession
from segpipe.sources import check_not_overwriting, expand, input_hash

if TYPE_CHECKING:
    from segpipe.discovery.outcome import Discovery

_REFERENCE_INPUTS = frozenset({"category", "channel"})  # on which the reference figures depend


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
    note = "Resumed: neither the input was parsed nor the axes discovered again."
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
    source = replace(source, notes=(*settings.notes, *source.notes))
    if not n_customers:
        return source, ()
    customers = "customer" if n_customers == 1 else "customers"
    note = f"Left out: {n_customers:,} forgotten {customers}; their order lines: {n_lines:,}."
    return source, (note,)


def compute_features(run: RunContext, source: SourceInfo) -> tuple[FeatureInfo, Reference]:
    """Order lines → customer_features in the engine, and the reference figures they lean on."""
    reference = run.given_model.reference if run.given_model else current_reference(run, source)
    with run.clock("features"):
        info, reference = run.engine.compute_features(
            source.inputs, run.settings.features.as_of, reference, run.progress.step
        )
    return info, replace(reference, as_of=info.as_of)


def check_named_axes(settings: RunSettings) -> None:
    """Raise InputError where the settings name an axis that no run could have."""
    if settings.rediscover is not None and settings.model_path:
        message = "--rediscover was given with --model, which discovers nothing; expected one"
        raise InputError(f"{message} of them: leave the other out.")
    named = [(f"[axes.{name}]", name) for name in settings.axes]
    named += [("--rediscover", name) for name in settings.rediscover or ()]
    if not named:
        return
    inputs = frozenset(INPUTS)
    if settings.source.tickets_path is None:
        inputs -= {"tickets"}
    known = [axis.name for axis in axes_for(inputs, settings.features.axis_paths)]
    for where, name in named:
        if name not in known:
            message = f"{where} names {name!r}, which is no axis of this run."
            raise InputError(f"{message} {did_you_mean(name, known)}")


def axes_of_run(settings: RunSettings, inputs: frozenset[str]) -> tuple[Axis, ...]:
    """The axes of these inputs, as the settings change them."""
    axes = axes_for(inputs, settings.features.axis_paths)
    cuts = {name: changed.cuts for name, changed in settings.axes.items() if changed.cuts}
    return tuple(replace(axis, cuts=cuts.get(axis.name, axis.cuts)) for axis in axes)


def current_reference(run: RunContext, source: SourceInfo) -> Reference | None:
    """Usual prices and biggest channels of the current model; None where they are learnt.

    As long as its segments are kept, nobody may move because the shop's prices did. They are learnt
    at a store's first run, when categories or channels have come or gone, after an earlier version,
    and when an axis that looks at them is to be replaced.
    """
    model, asked = _readable_current(run), run.settings.rediscover
    if model is None or asked == () or _has_other_reference(model, source):
        return None
    is_replaced = any(axis.name in (asked or ()) and uses_reference(axis) for axis in model.axes)
    return None if is_replaced else model.reference


def axes_to_rediscover(run: RunContext, source: SourceInfo) -> tuple[str, ...] | None:
    """Axes that are asked for; with new reference figures also those that look at them."""
    asked, model = run.settings.rediscover, _readable_current(run)
    if model is None or asked == () or current_reference(run, source) is not None:
        return asked
    others = (axis.name for axis in model.axes if uses_reference(axis))
    return tuple(dict.fromkeys((*(asked or ()), *others))) or None


def _readable_current(run: RunContext) -> Model | None:
    """The current model if it is of this format; segments of an earlier one are replaced anyway."""
    published = run.session.previous if run.session else None
    is_of_format = published is not None and (published.model or {}).get("format") == FORMAT
    return run.previous_model if is_of_format else None


def _has_other_reference(model: Model, source: SourceInfo) -> bool:
    return _REFERENCE_INPUTS.intersection(model.inputs) != _REFERENCE_INPUTS & source.inputs


def _with_own_cause(found: Discovery, asked: tuple[str, ...] | None) -> Discovery:
    """With the cause `inputs` where nobody asked, and other reference figures are the reason."""
    decision = found.decision
    if asked == () or found.model.name in (asked or ()) or decision.cause != ASKED:
        return found
    text = "usual prices and biggest channels were learnt again"
    return replace(found, decision=replace(decision, cause=CAUSE_INPUTS, text=text))


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
    run: RunContext, source: SourceInfo, as_of: date, sample: Sample, info: SampleInfo
) -> list[Discovery]:
    """Weighted sample → every axis: the current one, or what was discovered in its place."""
    from segpipe.discovery.discover import discover
    from segpipe.discovery.refit import Population

    settings, session = run.settings, run.session
    axes = axes_of_run(settings, source.inputs)
    with run.clock("cluster"):
        found = discover(
            sample,
            axes,
            source.inputs,
            settings.cluster,
            settings.sample.seed,
            run.progress.step,
            population=Population(run.engine, info.n_drawn, info.n_customers),
            previous=run.previous_model,
            known_ids=session.previous.known_ids if session and session.previous else {},
            rediscover=axes_to_rediscover(run, source),
            as_of=as_of,
        )
    return [_with_own_cause(one, settings.rediscover) for one in found]


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
        axes=tuple(_with_channels(found.model, reference) for found in discovered),
        outlook=outlook,
    )


def _with_channels(axis: AxisModel, reference: Reference) -> AxisModel:
    """The axis whose descriptions name the shop's biggest channels."""
    segments = (
        replace(one, description=name_channels(one.description, reference.biggest_channels))
        for one in axis.segments
    )
    return replace(axis, segments=tuple(segments))


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
