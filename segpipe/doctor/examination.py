"""The examination: the run's own stages up to the sample, and what they find in the input.

Takes RunSettings; gives a Diagnosis. No database is opened and no file is written, not even the
rejects. What the run would refuse is a finding like the others, and the checks go on.
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
from segpipe.doctor.lines import order_findings, record_findings
from segpipe.doctor.queries import create_known_orders
from segpipe.doctor.record import SEVERITIES, AxisHealth, Diagnosis, Finding
from segpipe.engines.duckdb import Connection, DuckDbMemoryError, open_engine
from segpipe.features import compute_features
from segpipe.sources import load_presets
from segpipe.sources.files import expand, inspect_file
from segpipe.sources.lines import Intake, finish_order_lines, ingest_order_lines, refusals
from segpipe.sources.recognise import named_preset

Notify = Callable[[str], None]


def examine(settings: RunSettings, today: date, notify: Notify = lambda _: None) -> Diagnosis:
    """The diagnosis of the files that the settings name; dates are compared with `today`.

    Raises InputError for wrong usage, as opposed to wrong data: a file that does not exist, an
    unknown preset, an axis file or a setting that cannot be used.
    """
    _check_settings(settings)
    with open_engine(settings.engine) as engine:
        try:
            intake = ingest_order_lines(engine, settings.source, notify)
            return _examined(engine, settings, intake, today, notify)
        except InputError as error:
            return Diagnosis((Finding("refused", "file", str(error)),))
        except DuckDbMemoryError:
            found = "The engine ran out of memory."
            advice = "Raise memory_limit in [engine], or free some memory."
            return Diagnosis((Finding("refused", "memory", found, advice),))


def _check_settings(settings: RunSettings) -> None:
    """Raise InputError for usage that the run itself would notice only later."""
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
    engine: Connection, settings: RunSettings, intake: Intake, today: date, notify: Notify
) -> Diagnosis:
    reasons = refusals(intake, settings.source, None)
    findings = [Finding("refused", "run", reason) for reason in reasons]
    findings += column_findings(intake)
    notify("columns")
    findings += record_findings(engine, intake)
    notify("records")
    source = finish_order_lines(engine, intake, None)
    features: FeatureInfo | None = None
    axes: tuple[AxisHealth, ...] = ()
    if intake.outcome.n_kept:
        create_known_orders(engine)
        findings += order_findings(engine, source)
        notify("orders")
        try:
            features, _ = compute_features(
                engine, source.inputs, settings.features.as_of, progress=notify
            )
        except InputError as error:
            findings.append(Finding("refused", "orders", str(error)))
        findings += date_findings(engine, settings, source, features, today)
    if features:
        findings += customer_findings(engine, source, features)
        axes = axis_healths(engine, settings, source, intake.parts, features.as_of)
    return Diagnosis(
        findings=tuple(sorted(findings, key=lambda item: SEVERITIES.index(item.severity))),
        source=source,
        features=features,
        columns=columns_read(intake.parts),
        unread=headers_unread(intake.parts),
        axes=axes,
    )
