"""The report as people read it: plain text, every figure from the RunReport."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from segpipe.report import AxisInfo, RunReport


def report_text(report: RunReport) -> str:
    """The whole report, ending in a newline."""
    parts = [_head(report), _axes_table(report.axes), _remarks(report), _stages_table(report)]
    return "\n\n".join(part for part in parts if part) + "\n"


def table_text(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Columns side by side; numbers to the right, everything else to the left."""
    body = [[_cell(value) for value in row] for row in rows]
    raw = [head, *body]
    widths = [max(len(row[i]) for row in raw) for i in range(len(head))]
    numeric = [bool(body) and all(_is_number(row[i]) for row in body) for i in range(len(head))]
    lines = []
    for row in raw:
        cells = [
            cell.rjust(width) if is_number else cell.ljust(width)
            for cell, width, is_number in zip(row, widths, numeric, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


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
    told += f" ({load.n_inserted:,} new, {load.n_updated:,} updated)"
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
            ", ".join(f"{name} {_share(share)}" for name, share in axis.shares.items()),
        )
        for axis in axes
    ]
    return table_text(("Axis", "Verdict", "K", "Silhouette", "Segments"), rows)


def _remarks(report: RunReport) -> str:
    lines = [f"Note: {note}" for note in report.source.notes]
    if report.load:
        lines += [f"Note: {note}" for note in report.load.notes]
    for axis in report.axes:
        if axis.reason:
            lines.append(f"Note: {axis.name}: {axis.verdict}: {axis.reason}.")
        if axis.dropped_features:
            dropped = ", ".join(axis.dropped_features)
            lines.append(f"Note: {axis.name}: left out, as they do not vary: {dropped}.")
        for measure, n in axis.n_filled.items():
            lines.append(f"Note: {axis.name}: {n:,} customers lack {measure}, given the median.")
    return "\n".join(lines)


def _stages_table(report: RunReport) -> str:
    rows = [(stage.name, f"{stage.seconds:.2f}") for stage in report.stages]
    rows.append(("total", f"{sum(stage.seconds for stage in report.stages):.2f}"))
    memory = f"Peak memory {report.peak_memory_mb:,.0f} MB; model {report.model_hash[:12]}"
    return table_text(("Stage", "Seconds"), rows) + "\n\n" + memory


def _share(share: float) -> str:
    return f"{share:.1%}" if share < 0.1 else f"{share:.0%}"


def _cell(value: Any) -> str:  # noqa: ANN401 - any value of a database row
    if isinstance(value, float):
        return f"{value:,.2f}"
    return "" if value is None else str(value)


def _is_number(text: str) -> bool:
    return text in ("", "-") or text.replace(",", "").replace(".", "").lstrip("-").isdigit()
