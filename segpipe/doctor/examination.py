"""The examination: the run's own stages up to the sample, and what they say of the input.

Takes RunSettings; gives a Diagnosis. No database is opened and no file is written, not even that
of rejects; what the run would refuse is told, and the rest is looked at all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from segpipe.axes import axes_for
from segpipe.core.errors import InputError
from segpipe.core.report import FeatureInfo
from segpipe.core.settings import RunSettings
from segpipe.doctor.axes import axis_healths
from segpipe.doctor.columns import column_findings, columns_read, headers_unread
from segpipe.doctor.customers import customer_findings
from segpipe.doctor.dates import date_findings
from segpipe.doctor.lines import make_orders, order_findings, record_findings
from segpipe.doctor.record import SEVERITIES, AxisHealth, Diagnosis, Finding
from segpipe.engines.duckdb import Connection, EngineError, open_engine
from segpipe.features import compute_features
from segpipe.sources import load_presets
from segpipe.sources.files import expand, inspect_file
from segpipe.sources.lines import Intake, finish_order_lines, ingest_order_lines, refusals
from segpipe.sources.recognise import named_preset

Say = Callable[[str], None]


def examine(settings: RunSettings, today: date, say: Say = lambda _: None) -> Diagnosis:
    """Examine the files that the settings name; dates are held against `today`.

    Raises InputError for what is a slip of the command rather than of the data: a file that does
    not exist, an unknown preset, an axis file or a setting that cannot be used.
    """
    _check_settings(settings)
    with open_engine(settings.engine) as engine:
        try:
            intake = ingest_order_lines(engine, settings.source, say)
            return _examined(engine, settings, intake, today, say)
        except InputError as error:
            return Diagnosis((Finding("refused", "file", str(error)),))
        except EngineError as error:
            if "memory" not in str(error).lower():
                raise
            told = "The engine ran out of memory."
            advice = "Raise memory_limit in [engine], or free some."
            return Diagnosis((Finding("refused", "memory", told, advice),))


def _check_settings(settings: RunSettings) -> None:
    """What the run would notice only on its way."""
    source = settings.source
    tickets = (str(source.tickets_path),) if source.tickets_path else ()
    for path in (*source.paths, *tickets):
        for found in expand(path):
            if found.is_dir():
                inspect_file(found)  # which says what to name instead
    presets = load_presets(source.preset_paths)
    if source.preset:
        named_preset(source.preset, presets)
    axes_for(frozenset(), settings.features.axis_paths)


def _examined(
    engine: Connection, settings: RunSettings, intake: Intake, today: date, say: Say
) -> Diagnosis:
    findings = [Finding("refused", "run", told) for told in refusals(intake, settings.source, None)]
    findings += column_findings(intake)
    say("columns")
    findings += record_findings(engine, intake)
    say("records")
    source = finish_order_lines(engine, intake, None)
    features: FeatureInfo | None = None
    axes: tuple[AxisHealth, ...] = ()
    if intake.outcome.n_kept:
        make_orders(engine)
        findings += order_findings(engine, source)
        say("orders")
        try:
            features, _ = compute_features(
                engine, source.inputs, settings.features.as_of, progress=say
            )
        except InputError as error:
            findings.append(Finding("refused", "orders", str(error)))
        findings += date_findings(engine, settings, source, features, today)
    if features:
        findings += customer_findings(engine, source, features)
        axes = axis_healths(engine, settings, source, intake.parts)
    return Diagnosis(
        findings=tuple(sorted(findings, key=lambda item: SEVERITIES.index(item.severity))),
        source=source,
        features=features,
        columns=columns_read(intake.parts),
        unread=headers_unread(intake.parts),
        axes=axes,
    )
