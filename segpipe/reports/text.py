"""The report of a run as the terminal shows it: every figure is of the RunReport.

The segments come first, then how they were found, then what changed and the facts of the run.
Everything else is in the verbose report and on the HTML page.
"""

from __future__ import annotations

from collections.abc import Iterator

from segpipe.core.report import AxisInfo, OutlookInfo, RunReport
from segpipe.core.schema import CAUSES
from segpipe.core.text import counted, paragraph, percent, percent_floor, table_text, unbroken
from segpipe.core.verdicts import MEANINGS, UNAVAILABLE
from segpipe.reports.decisions import announcements_text, is_replaced, is_upgraded, renaming_table
from segpipe.reports.discovery import choice_table, discovery_table, tried_table, unmet_names

_SEASON_ERROR = 0.05  # of churn risk, from which the season may be its cause
_INDENT = 10  # of the facts


def report_text(report: RunReport, *, is_verbose: bool = False) -> str:
    """The report, ending in a newline; a verbose one has every figure of the HTML page but charts.

    No line is longer than the terminal of core.text, unless a name or path in it is.
    """
    parts = [_segments(report), discovery_table(report.axes)]
    if is_verbose:
        parts += [tried_table(report.axes), choice_table(report)]
    parts += [
        announcements_text(report, is_verbose=is_verbose),
        renaming_table(report),
        _facts(report, is_verbose=is_verbose),
        _changes(report),
        _notes(report, is_verbose=is_verbose),
    ]
    parts.append(_stages(report) if is_verbose else _more(report))
    return "\n\n".join(part for part in parts if part) + "\n"


def _segments(report: RunReport) -> str:
    """Who is in which segment and what they are worth, an axis a line."""
    n_customers = report.features.n_customers
    head = ("Axis", "Verdict", f"Segments: share of {n_customers:,} customers / of their value")
    rows = [(axis.name, axis.verdict, _shares(axis)) for axis in report.axes]
    found = {axis.verdict for axis in report.axes}
    meanings = [
        paragraph(f"{meaning}.", f"{verdict}: ", 0)
        for verdict, meaning in MEANINGS.items()
        if verdict in found
    ]
    return "\n".join([table_text(head, rows), *meanings])


def _shares(axis: AxisInfo) -> str:
    if axis.verdict == UNAVAILABLE:
        return axis.reason or "-"
    return ", ".join(
        unbroken(f"{name} {percent(share)} / {percent(axis.value_shares.get(name, 0.0))}")
        for name, share in axis.shares.items()
    )


def outlook_text(outlook: OutlookInfo | None) -> str:
    """How far the figures of the next 90 days can be relied on, without a statistics word."""
    if outlook is None:
        return ""
    has_value = outlook.is_value_published
    has_value = outlook.is_published if has_value is None else has_value
    if outlook.is_published and has_value and outlook.is_provisional:
        text = "churn risk and expected value of the next 90 days, provisional"
        return f"{text}: {outlook.reason}"
    if (
        not outlook.is_published
        and not has_value
        and outlook.value_reason
        in {
            None,
            outlook.reason,
        }
    ):
        return f"no churn risk and no expected value: {outlook.reason}" if outlook.reason else ""
    return f"{_churn_text(outlook)}; {_value_text(outlook, has_value=has_value)}"


def _churn_text(outlook: OutlookInfo) -> str:
    if not outlook.is_published:
        return f"no churn risk: {outlook.reason}"
    error = outlook.decile_error or 0.0
    text = "churn risk of the next 90 days: 90 days ago it would have been off by"
    text += f" {percent(error)} on average"
    return f"{text}, level uncertain: season" if error >= _SEASON_ERROR else text


def _value_text(outlook: OutlookInfo, *, has_value: bool) -> str:
    if not has_value:
        return f"no expected value: {outlook.value_reason}"
    if outlook.value_error is None:
        return "expected value: not checked"
    error = percent(outlook.value_error)
    return f"expected value: off by {error} of the mean on average by group"


def outlook_check_text(outlook: OutlookInfo | None) -> str:
    """How a fit of churn made 90 days earlier did; empty where none was judged."""
    if outlook is None or outlook.auc is None or outlook.recency_auc is None:
        return ""
    error, shift = outlook.decile_error or 0.0, outlook.level_shift or 0.0
    return (
        f"AUC {outlook.auc:.3f} (days since the last order alone {outlook.recency_auc:.3f}),"
        f" mean error by decile {error:.3f}, level {shift:+.3f}; {outlook.n_checked:,} customers"
    )


def value_check_text(outlook: OutlookInfo | None) -> str:
    """How a fit of value made 90 days earlier did; empty where none was judged."""
    if outlook is None or outlook.value_error is None:
        return ""
    ratio, rank, lifetime = outlook.value_ratio, outlook.value_rank, outlook.lifetime_rank
    return (
        f"mean error over five groups by expected value {outlook.value_error:.3f} of mean revenue,"
        f" expected over true revenue {ratio or 0.0:.3f}, rank correlation {rank or 0.0:.3f}"
        f" (lifetime value alone {lifetime or 0.0:.3f}); {outlook.n_checked:,} customers"
    )


def _facts(report: RunReport, *, is_verbose: bool) -> str:
    source, features = report.source, report.features
    rows = [
        ("Rows", _rows(report)),
        ("Source", f"preset {source.preset}, {counted(len(source.paths), 'file')}"),
        ("Orders", f"{features.n_orders:,} by {features.n_customers:,} customers"),
        ("As of", f"{features.as_of}"),
    ]
    if source.n_guest_lines:
        rows.append(("Guests", f"{source.n_guest_lines:,} lines without a customer, not segmented"))
    if source.n_return_lines or features.n_return_only_customers:
        only = f"{features.n_return_only_customers:,} customers with returns only, not segmented"
        rows.append(("Returns", f"{source.n_return_lines:,} lines; {only}"))
    if features.n_future_lines:
        future = f"{features.n_future_lines:,} lines after {features.as_of} left out"
        rows.append(("Future", future))
    if report.sample:
        rows.append(("Sample", _sample(report)))
    if outlook := outlook_text(report.outlook):
        rows.append(("Outlook", outlook))
    if is_verbose and (check := outlook_check_text(report.outlook)):
        rows.append(("Check", f"of the outlook, 90 days earlier: {check}"))
    rows += [("Published", _published(report)), ("Time", _time(report))]
    return "\n".join(paragraph(text, name, _INDENT) for name, text in rows)


def _rows(report: RunReport) -> str:
    source = report.source
    counts = f"{source.n_rows_read:,} read, {source.n_rows_rejected:,} rejected"
    reasons = ", ".join(f"{n:,} {why}" for why, n in source.reject_reasons.items())
    return f"{counts} ({reasons}), see {source.rejects_path}" if reasons else counts


def _sample(report: RunReport) -> str:
    sample = report.sample
    if sample is None or sample.is_everybody:
        return "everybody"
    strata = ", ".join(unbroken(f"{s.name} {s.n_drawn:,}/{s.n_customers:,}") for s in sample.strata)
    return f"{sample.n_drawn:,} customers ({strata})"


def _published(report: RunReport) -> str:
    load = report.load
    if load is None:
        return "nothing, this was a dry run"
    unchanged = f", {load.n_unchanged:,} unchanged" if load.n_unchanged else ""
    text = f"run {load.run_id} of store {load.store_id}: {load.n_published:,} profiles"
    text += f" ({load.n_inserted:,} new, {load.n_updated:,} updated{unchanged})"
    if load.n_absent_kept:
        text += f"; {load.n_absent_kept:,} absent customers kept with their old run"
    if load.n_absent_deleted:
        text += f"; {load.n_absent_deleted:,} absent customers deleted"
    return text


def _time(report: RunReport) -> str:
    seconds = sum(stage.seconds for stage in report.stages)
    memory = f"peak memory {report.peak_memory_mb:,.0f} MB"
    return f"{seconds:.1f} s, {memory}; model {report.model_hash[:12]}"


def _changes(report: RunReport) -> str:
    """What became of the segments and the customers since the previous run."""
    load = report.load
    if load is None or load.previous_run_id is None:
        return ""
    # After an upgrade the table of names has what became of every segment.
    axes = [axis for axis in report.axes if not is_upgraded(axis.decision)]
    lines = [
        paragraph(f"{event.sentence}.", f"{axis.name}: ", 2)
        for axis in axes
        for event in axis.events
        if event.kind != "kept"
    ]
    kept = [axis for axis in axes if not is_replaced(axis.decision)]
    n_kept = sum(event.kind == "kept" for axis in kept for event in axis.events)
    n_moves = {
        cause: sum(t.n_customers for t in load.transitions if t.cause == cause) for cause in CAUSES
    }
    by_cause = ", ".join(f"{n:,} by {cause}" for cause, n in n_moves.items())
    unchanged = ":"
    if n_kept:
        n_axes = counted(len(kept), "axis") if len(kept) == 1 else f"{len(kept)} axes"
        unchanged = f": {counted(n_kept, 'segment')} of {n_axes} unchanged."
    moves = f"Moves between segments, all axes: {sum(n_moves.values()):,} ({by_cause})."
    more = " More: segpipe transitions." if load.transitions else ""
    return "\n".join(
        [f"Since run {load.previous_run_id}{unchanged}", *lines, paragraph(moves + more)]
    )


def _notes(report: RunReport, *, is_verbose: bool) -> str:
    """What the user should know of the input, of publishing and of the axes."""
    notes = [*report.source.notes, *(report.load.notes if report.load else ())]
    for axis in report.axes:
        notes += [f"{axis.name}: {note}" for note in _axis_notes(axis, report)]
        if is_verbose:
            notes += [f"{axis.name}: {note}" for note in _axis_details(axis)]
    return "\n".join(paragraph(note, "Note: ", 0) for note in notes)


def _axis_notes(axis: AxisInfo, report: RunReport) -> Iterator[str]:
    """What asks for a decision."""
    if unmet := unmet_names(axis.holds_for):
        yield f"{unmet}."
    agreement = axis.agreement
    if report.has_agreement and agreement and agreement.sample_size_wanted is not None:
        yield (
            f"{percent_floor(agreement.share)} of customers get the same segment when everybody is"
            f" divided; --sample-size {agreement.sample_size_wanted} would reach the agreement"
            " you ask for (min_agreement)"
            + ("; the segments of everybody are published." if agreement.is_refined else ".")
        )


def _axis_details(axis: AxisInfo) -> Iterator[str]:
    """What explains the figures."""
    if axis.reason and axis.verdict != UNAVAILABLE:  # else the first table has it
        yield f"{axis.verdict}: {axis.reason}."
    if axis.dropped_features:
        yield f"left out, the same for everybody: {', '.join(axis.dropped_features)}."
    for measure, n in axis.n_filled.items():
        yield f"{measure} missing for {counted(n, 'customer')}, filled with the shop's median."


def _stages(report: RunReport) -> str:
    rows = [(stage.name, f"{stage.seconds:.2f}") for stage in report.stages]
    rows.append(("total", f"{sum(stage.seconds for stage in report.stages):.2f}"))
    return table_text(("Stage", "Seconds"), rows)


def _more(report: RunReport) -> str:
    page = f"segpipe report {report.load.run_id}" if report.load else "--report FILE"
    return f"Every figure: --verbose. A page to look at: {page}."
