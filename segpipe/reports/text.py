"""The report of a run as the terminal shows it: every figure is of the RunReport.

The segments come first, then how far they are groups, then the facts of the run. Everything else is
in the verbose report and on the HTML page.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from segpipe.core.report import AxisInfo, CandidateInfo, OutlookInfo, RunReport
from segpipe.core.schema import CAUSES
from segpipe.core.text import counted, paragraph, percent, percent_floor, table_text, unbroken
from segpipe.core.verdicts import MEANINGS, NO_STRUCTURE, STRUCTURED, UNAVAILABLE

_SEASON_ERROR = 0.05  # of churn risk, from which the season may be its cause
_INDENT = 10  # of the facts
_KS_ABREAST = 6  # silhouettes in a line


def report_text(report: RunReport, *, is_verbose: bool = False) -> str:
    """The report, ending in a newline; a verbose one has every figure of the HTML page but charts.

    No line is longer than the terminal of core.text, unless a name or path in it is.
    """
    parts = [_segments(report), _verdicts(report.axes)]
    if is_verbose:
        parts += [_silhouettes(report.axes), _choices(report)]
    parts += [
        _facts(report, is_verbose=is_verbose),
        _changes(report),
        _notes(report, is_verbose=is_verbose),
    ]
    parts.append(_stages(report) if is_verbose else _more(report))
    return "\n\n".join(part for part in parts if part) + "\n"


def _segments(report: RunReport) -> str:
    """Who is in which segment, an axis a line."""
    head = ("Axis", f"Segments and their share of {report.features.n_customers:,} customers")
    return table_text(head, [(axis.name, _shares(axis)) for axis in report.axes])


def _shares(axis: AxisInfo) -> str:
    if axis.verdict == UNAVAILABLE:
        return f"{UNAVAILABLE}: {axis.reason}" if axis.reason else UNAVAILABLE
    return ", ".join(unbroken(f"{name} {percent(share)}") for name, share in axis.shares.items())


def _verdicts(axes: Sequence[AxisInfo]) -> str:
    """How far the segments of each axis are groups, and what the words mean."""
    rows = [
        (axis.name, axis.n_clusters or "-", _score(axis.silhouette), axis.verdict) for axis in axes
    ]
    table = table_text(("Axis", "K", "Silhouette", "Verdict"), rows)
    found = {axis.verdict for axis in axes if axis.n_clusters}
    meanings = [
        paragraph(f"{meaning}.", f"{verdict}: ", 0)
        for verdict, meaning in MEANINGS.items()
        if verdict in found
    ]
    if few := [axis.name for axis in axes if axis.reason and axis.verdict in STRUCTURED]:
        warning = "too few customers to check groups against chance; take them as a hint."
        meanings.append(paragraph(f"{', '.join(few)}: {warning}"))
    return "\n".join([table, *meanings])


def _score(silhouette: float | None) -> str:
    return "-" if silhouette is None else f"{silhouette:.2f}"


def _silhouettes(axes: Sequence[AxisInfo]) -> str:
    """The silhouette of every K that was tried."""
    tried = [axis for axis in axes if axis.candidates]
    ks = sorted({candidate.n_clusters for axis in tried for candidate in axis.candidates})
    tables = []
    for start in range(0, len(ks), _KS_ABREAST):
        some = ks[start : start + _KS_ABREAST]
        head = ("Axis", *(f"K={k}" for k in some), "Structureless")
        tables.append(table_text(head, [_silhouette_row(axis, some) for axis in tried]))
    legend = (
        "Silhouette of each K that was tried: * chosen, (x) rejected, since a segment is too small"
        " or two halves of the sample disagree. Structureless: what data without groups would have"
        " at the chosen K."
    )
    return "\n\n".join([*tables[:-1], f"{tables[-1]}\n{paragraph(legend)}"]) if tables else ""


def _silhouette_row(axis: AxisInfo, ks: Sequence[int]) -> tuple[str, ...]:
    scores = {candidate.n_clusters: candidate for candidate in axis.candidates}
    nulls = [c.null_silhouette for c in axis.candidates if c.null_silhouette is not None]
    return (
        axis.name,
        *(_trial(scores.get(k), is_chosen=k == axis.n_clusters) for k in ks),
        _score(nulls[0] if nulls else None),
    )


def _trial(candidate: CandidateInfo | None, *, is_chosen: bool) -> str:
    if candidate is None:
        return ""
    score = f"{candidate.silhouette:.2f}"
    return f"({score})" if candidate.passed_over else f" {score}*" if is_chosen else f" {score} "


def _choices(report: RunReport) -> str:
    """Why each K was chosen, and what clustering everybody would change."""
    chosen = [axis for axis in report.axes if axis.choice or axis.agreement]
    if not chosen:
        return ""
    if not report.has_agreement:
        rows = [(axis.name, axis.n_clusters or "-", axis.choice or "") for axis in chosen]
        return table_text(("Axis", "K", "Why this K"), rows)
    with_agreement = [
        (
            axis.name,
            axis.n_clusters or "-",
            percent_floor(axis.agreement.share) if axis.agreement else "-",
            axis.choice or "",
        )
        for axis in chosen
    ]
    table = table_text(("Axis", "K", "Agreement", "Why this K"), with_agreement)
    legend = (
        "Agreement: share of customers who get the same segment when everybody is clustered, and"
        " not the sample alone."
    )
    return f"{table}\n{paragraph(legend)}"


def outlook_text(outlook: OutlookInfo | None) -> str:
    """How far the figures of the next 90 days can be relied on, without a statistics word."""
    if outlook is None or not outlook.is_published:
        return f"no churn risk: {outlook.reason}" if outlook and outlook.reason else ""
    text = "churn risk and expected value of the next 90 days"
    if outlook.is_provisional:
        return f"{text}, provisional: {outlook.reason}"
    error = outlook.decile_error or 0.0
    text += f"; 90 days ago they would have been off by {percent(error)} on average"
    return f"{text}; level uncertain: season" if error >= _SEASON_ERROR else text


def outlook_check_text(outlook: OutlookInfo | None) -> str:
    """How a fit made 90 days earlier did; empty where none was judged."""
    if outlook is None or outlook.auc is None or outlook.recency_auc is None:
        return ""
    error, shift = outlook.decile_error or 0.0, outlook.level_shift or 0.0
    return (
        f"AUC {outlook.auc:.3f} (days since the last order alone {outlook.recency_auc:.3f}),"
        f" mean error by decile {error:.3f}, level {shift:+.3f}; {outlook.n_checked:,} customers"
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
    lines = [
        paragraph(f"{event.sentence}.", f"{axis.name}: ", 2)
        for axis in report.axes
        for event in axis.events
        if event.kind != "kept"
    ]
    n_kept = sum(event.kind == "kept" for axis in report.axes for event in axis.events)
    n_moves = {
        cause: sum(t.n_customers for t in load.transitions if t.cause == cause) for cause in CAUSES
    }
    by_cause = ", ".join(f"{n:,} by {cause}" for cause, n in n_moves.items())
    kept = counted(n_kept, "segment")
    moves = f"Moves between segments, all axes: {sum(n_moves.values()):,} ({by_cause})."
    more = " More: segpipe transitions." if load.transitions else ""
    return "\n".join(
        [f"Since run {load.previous_run_id}: {kept} unchanged.", *lines, paragraph(moves + more)]
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
    if axis.verdict == NO_STRUCTURE and not axis.n_clusters and axis.reason:
        yield f"{NO_STRUCTURE}: {axis.reason}."
    agreement = axis.agreement
    if report.has_agreement and agreement and agreement.sample_size_wanted is not None:
        yield (
            f"{percent_floor(agreement.share)} of customers get the same segment when everybody is"
            f" clustered; --sample-size {agreement.sample_size_wanted} would reach the agreement"
            " you ask for (min_agreement)"
            + ("; the segments of everybody are published." if agreement.is_refined else ".")
        )


def _axis_details(axis: AxisInfo) -> Iterator[str]:
    """What explains the figures."""
    if axis.reason and axis.n_clusters and axis.verdict != NO_STRUCTURE:  # else the tables say it
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
