"""The diagnosis as people read it: what was read, the findings, the axes, and the conclusion."""

from __future__ import annotations

from segpipe.core.text import counted, paragraph, percent, table_text, unbroken
from segpipe.doctor.record import STATES, AxisHealth, Diagnosis

_INDENT = 10
_MAX_NAMES = 6


def diagnosis_text(diagnosis: Diagnosis) -> str:
    """The whole diagnosis, ending in a newline."""
    parts = [_head(diagnosis), _findings(diagnosis)]
    if diagnosis.axes:
        parts += [_axes_table(diagnosis.axes), _axes_advice(diagnosis.axes)]
    return "\n\n".join(part for part in (*parts, _conclusion(diagnosis)) if part) + "\n"


def _head(diagnosis: Diagnosis) -> str:
    source, features = diagnosis.source, diagnosis.features
    if source is None:
        return ""
    rows = [
        ("Files", ", ".join(source.paths)),
        ("Source", f"preset {source.preset}"),
        ("Columns", ", ".join(_column(name, header) for name, header in diagnosis.columns)),
    ]
    if diagnosis.unread:
        rows.append(("Not read", ", ".join(diagnosis.unread)))
    rows.append(("Rows", f"{source.n_rows_read:,} read, {source.n_rows_rejected:,} rejected"))
    if features:
        orders = f"{features.n_orders:,} of {features.n_customers:,} customers"
        rows += [("Orders", orders), ("As of", f"{features.as_of}")]
    return "\n".join(paragraph(text, name, _INDENT) for name, text in rows)


def _column(name: str, header: str) -> str:
    """The column with its header, where that has another name, on one line."""
    return name if header == name else unbroken(f"{name}: {header}")


def _findings(diagnosis: Diagnosis) -> str:
    lines = []
    for finding in diagnosis.findings:
        lines.append(paragraph(finding.found, finding.severity, _INDENT))
        if finding.advice:
            lines.append(paragraph(f"→ {finding.advice}", "", _INDENT))
    return "\n".join(lines)


def _axes_table(axes: tuple[AxisHealth, ...]) -> str:
    rows = [
        (
            axis.name,
            axis.state,
            f"{axis.n_eligible:,}",
            percent(axis.eligible_share),
            "; ".join(axis.reasons),
        )
        for axis in axes
    ]
    return table_text(("Axis", "State", "Eligible", "Share", "Why"), rows)


def _axes_advice(axes: tuple[AxisHealth, ...]) -> str:
    """What to do, each advice once, with the axes that it would help."""
    helped: dict[str, list[str]] = {}
    for axis in axes:
        for advice in axis.advice:
            helped.setdefault(advice, []).append(axis.name)
    lines = []
    for advice, names in helped.items():
        who = ", ".join(names) if len(names) <= _MAX_NAMES else f"{len(names)} axes"
        lines.append(paragraph(f"{who}: {advice}", "→ "))
    return "\n".join(lines)


def _conclusion(diagnosis: Diagnosis) -> str:
    n = {s: sum(item.severity == s for item in diagnosis.findings) for s in ("warning", "note")}
    summary = f"{counted(n['warning'], 'warning')}, {counted(n['note'], 'note')}"
    if diagnosis.axes:
        counts = [(sum(axis.state == s for axis in diagnosis.axes), s) for s in STATES[::-1]]
        summary += f"; axes: {', '.join(f'{number} {state}' for number, state in counts)}"
    outcome = "would be refused" if diagnosis.refusals else "would go through"
    return f"The run {outcome}. {summary}."
