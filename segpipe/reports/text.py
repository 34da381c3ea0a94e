"""The report as people read it: plain text, every figure from the RunReport."""

from __future__ import annotations

from collections.abc import Sequence

from segpipe.core.report import AxisInfo, CandidateInfo, RunReport
from segpipe.core.schema import CAUSES
from segpipe.core.text import percent, percent_floor, table_text
from segpipe.core.verdicts import MEANINGS, NO_STRUCTURE


def report_text(report: RunReport) -> str:
    """The whole report, ending in a newline."""
    parts = [
        _head(report),
        _axes_table(report.axes),
        _choices_table(report.axes),
        _changes(report),
        _remarks(report),
        _stages_table(report),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(report: RunReport) -> str:
    source, features = report.source, report.features
    reasons = ", ".join(f"{n:,} {why}" for why, n in source.reject_reasons.items())
    rows = [
        ("Rows", f"{source.n_rows_read:,} read, {source.n_rows_rejected:,} rejected"),
        ("Source", f"preset {source.preset}, {len(source.paths)} file(s)"),
        ("Orders", f"{features.n_orders:,} of {features.n_customers:,} customers"),
        ("As of", f"{features.as_of}"),
    ]
    if reasons:
        rows[0] = ("Rows", f"{rows[0][1]} ({reasons}), see {source.rejects_path}")
    if source.n_guest_lines:
        rows.append(("Guests", f"{source.n_guest_lines:,} lines without a customer, not segmented"))
    if source.n_return_lines or features.n_return_only_customers:
        only = f"{features.n_return_only_customers:,} customers seen only through returns"
        rows.append(("Returns", f"{source.n_return_lines:,} lines; {only}, not segmented"))
    if features.n_future_lines:
        rows.append(
            ("Future", f"{features.n_future_lines:,} lines after {features.as_of} left out")
        )
    if report.sample:
        strata = ", ".join(
            f"{s.name} {s.n_drawn:,}/{s.n_customers:,}" for s in report.sample.strata
        )
        rows.append(("Sample", f"{report.sample.n_drawn:,} customers ({strata})"))
    rows.append(("Published", _published(report)))
    return "\n".join(f"{name:<10}{text}" for name, text in rows)


def _published(report: RunReport) -> str:
    load = report.load
    if load is None:
        return "nothing, this was a dry run"
    told = f"run {load.run_id} of store {load.store_id}: {load.n_published:,} profiles"
    unchanged = f", {load.n_unchanged:,} unchanged" if load.n_unchanged else ""
    told += f" ({load.n_inserted:,} new, {load.n_updated:,} updated{unchanged})"
    if load.n_absent_kept:
        told += f"; {load.n_absent_kept:,} absent customers kept with their old run"
    if load.n_absent_deleted:
        told += f"; {load.n_absent_deleted:,} absent customers deleted"
    return told


def _axes_table(axes: Sequence[AxisInfo]) -> str:
    rows = [
        (
            axis.name,
            axis.verdict,
            axis.n_clusters or "-",
            "-" if axis.silhouette is None else f"{axis.silhouette:.2f}",
            ", ".join(f"{name} {percent(share)}" for name, share in axis.shares.items()),
        )
        for axis in axes
    ]
    return table_text(("Axis", "Verdict", "K", "Silhouette", "Segments"), rows)


def _choices_table(axes: Sequence[AxisInfo]) -> str:
    """Silhouette of every K that was tried, and what a fit of everybody agrees with."""
    tried = [axis for axis in axes if axis.candidates]
    if not tried:
        return ""
    ks = sorted({candidate.n_clusters for axis in tried for candidate in axis.candidates})
    rows = []
    for axis in tried:
        scores = {candidate.n_clusters: candidate for candidate in axis.candidates}
        nulls = [c.null_silhouette for c in axis.candidates if c.null_silhouette is not None]
        rows.append(
            (
                axis.name,
                *(_score(scores.get(k), is_chosen=k == axis.n_clusters) for k in ks),
                f"{nulls[0]:.2f}" if nulls else "-",
                percent_floor(axis.agreement.share) if axis.agreement else "-",
                axis.choice or axis.reason or "",
            )
        )
    head = ("Axis", *(f"K={k}" for k in ks), "One cloud", "Agreement", "Choice")
    legend = (
        "Silhouette by K, * chosen, in brackets passed over: a segment too small, or two halves of"
        " the sample\ndisagree. One cloud: what data without groups would have at that K."
        " Agreement: customers whom a fit\nof everybody puts where the sample's does."
    )
    return f"{table_text(head, rows)}\n{legend}"


def _score(candidate: CandidateInfo | None, *, is_chosen: bool) -> str:
    if candidate is None:
        return ""
    told = f"{candidate.silhouette:.2f}"
    return f"({told})" if candidate.passed_over else f" {told}*" if is_chosen else f" {told} "


def _changes(report: RunReport) -> str:
    """What became of the segments and the customers since the previous run."""
    load = report.load
    if load is None or load.previous_run_id is None:
        return ""
    lines = [
        f"{axis.name}: {event.sentence}."
        for axis in report.axes
        for event in axis.events
        if event.kind != "kept"
    ]
    n_kept = sum(event.kind == "kept" for axis in report.axes for event in axis.events)
    n_moves = {
        cause: sum(t.n_customers for t in load.transitions if t.cause == cause) for cause in CAUSES
    }
    told = ", ".join(f"{n:,} by {cause}" for cause, n in n_moves.items())
    head = f"Since run {load.previous_run_id}: {n_kept} segments kept their name and place."
    moves = f"Moves between segments, all axes: {sum(n_moves.values()):,} ({told})."
    more = " More: segpipe transitions." if load.transitions else ""
    return "\n".join([head, *lines, moves + more])


def _remarks(report: RunReport) -> str:
    lines = [f"Note: {note}" for note in report.source.notes]
    if report.load:
        lines += [f"Note: {note}" for note in report.load.notes]
    cuts = [a.name for a in report.axes if a.verdict == NO_STRUCTURE and a.n_clusters]
    if cuts:
        lines.append(f"Note: no structure means {MEANINGS[NO_STRUCTURE]}: {', '.join(cuts)}.")
    for axis in report.axes:
        lines += _agreement_notes(axis, report)
        if axis.reason and axis.name not in cuts:
            lines.append(f"Note: {axis.name}: {axis.verdict}: {axis.reason}.")
        if axis.dropped_features:
            dropped = ", ".join(axis.dropped_features)
            lines.append(f"Note: {axis.name}: left out, as they do not vary: {dropped}.")
        for measure, n in axis.n_filled.items():
            lines.append(f"Note: {axis.name}: {n:,} customers lack {measure}, given the median.")
    return "\n".join(lines)


def _agreement_notes(axis: AxisInfo, report: RunReport) -> list[str]:
    agreement = axis.agreement
    if agreement is None or agreement.sample_size_wanted is None or report.sample is None:
        return []
    told = f"the sample's fit agrees with everybody's for {agreement.share:.1%} of customers"
    asked = f"--sample-size {agreement.sample_size_wanted} would reach what is asked"
    if agreement.is_refined:
        asked += "; everybody's is published"
    return [f"Note: {axis.name}: {told}; {asked}."]


def _stages_table(report: RunReport) -> str:
    rows = [(stage.name, f"{stage.seconds:.2f}") for stage in report.stages]
    rows.append(("total", f"{sum(stage.seconds for stage in report.stages):.2f}"))
    memory = f"Peak memory {report.peak_memory_mb:,.0f} MB; model {report.model_hash[:12]}"
    return table_text(("Stage", "Seconds"), rows) + "\n\n" + memory
