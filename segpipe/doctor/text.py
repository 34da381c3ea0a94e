"""The diagnosis as people read it: what was read, the findings, the axes, and the answer."""

from __future__ import annotations

import textwrap

from segpipe.core.text import counted, percent, table_text
from segpipe.doctor.record import STATES, AxisHealth, Diagnosis

_WIDTH = 100
_INDENT = 10
_MAX_NAMES = 6
_NO_BREAK = "\u00a0"


def diagnosis_text(diagnosis: Diagnosis) -> str:
    """The whole diagnosis, ending in a newline."""
    parts = [_head(diagnosis), _findings(diagnosis)]
    if diagnosis.axes:
        parts += [_axes_table(diagnosis.axes), _axes_advice(diagnosis.axes)]
    return "\n\n".join(part for part in (*parts, _answer(diagnosis)) if part) + "\n"


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
    return "\n".join(_hung(name, text) for name, text in rows)


def _column(name: str, header: str) -> str:
    """On one line, and the header only where it has another name."""
    return name if header == name else f"{name}: {header}".replace(" ", _NO_BREAK)


def _findings(diagnosis: Diagnosis) -> str:
    lines = []
    for finding in diagnosis.findings:
        lines.append(_hung(finding.severity, finding.found))
        if finding.advice:
            lines.append(_hung("", f"→ {finding.advice}"))
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
        told = ", ".join(names) if len(names) <= _MAX_NAMES else f"{len(names)} axes"
        lines.append(_hung("→", f"{told}: {advice}", 2))
    return "\n".join(lines)


def _answer(diagnosis: Diagnosis) -> str:
    n = {s: sum(item.severity == s for item in diagnosis.findings) for s in ("warning", "note")}
    told = f"{counted(n['warning'], 'warning')}, {counted(n['note'], 'note')}"
    if diagnosis.axes:
        counts = [(sum(axis.state == s for axis in diagnosis.axes), s) for s in STATES[::-1]]
        told += f"; axes: {', '.join(f'{number} {state}' for number, state in counts)}"
    verdict = "would be refused" if diagnosis.refusals else "would go through"
    return f"The run {verdict}. {told}."


def _hung(name: str, text: str, indent: int = _INDENT) -> str:
    """The name, and the text beside it, wrapped."""
    filled = textwrap.fill(
        text,
        _WIDTH,
        initial_indent=f"{name:<{indent}}",
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return filled.replace(_NO_BREAK, " ")
