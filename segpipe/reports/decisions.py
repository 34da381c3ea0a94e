"""What a run did with the segments of each axis, in words that need no statistics.

Takes the report; gives sentences for the terminal and the page: replaced, held back, and what the
next run may replace.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from segpipe.core.decisions import EARLIER_VERSION, HELD_BACK, MEANINGS, REPLACED, SHARES
from segpipe.core.report import AxisDecision, RunReport
from segpipe.core.text import counted, paragraph, table_text, unbroken


def announcements_text(report: RunReport, *, is_verbose: bool = False) -> str:
    """Axes whose segments were replaced or held back; a verbose report also has what is pending."""
    lines = []
    for axis in report.axes:
        if axis.decision is None or is_upgraded(axis.decision):
            continue
        sentences = [decision_sentence(axis.decision)]
        if is_verbose:
            sentences.append(pending_sentence(axis.decision))
        lines += [paragraph(text, f"{axis.name}: ", 2) for text in sentences if text]
    return "\n".join(lines)


def decision_sentence(decision: AxisDecision) -> str:
    """Why the axis was replaced or held back and what it moved; empty where it was kept."""
    if decision.decision not in (REPLACED, HELD_BACK):
        return ""
    cause = MEANINGS.get(decision.cause or "", decision.cause or "")
    figures = f" ({decision.text})" if decision.text else ""
    if decision.decision == HELD_BACK and decision.cause == SHARES:
        return (
            f"held back: {cause}{figures}. Customers keep the segments of the run before; what the"
            " next run finds is published."
        )
    if decision.decision == HELD_BACK:
        return f"replacement held back: {cause}{figures}."
    moved = "nobody has another segment by it"
    if decision.n_moved:
        customers = counted(decision.n_moved, "customer")
        verb = "has" if decision.n_moved == 1 else "have"
        moved = f"{customers}, worth {decision.value_moved:,.0f}, {verb} another segment by it"
    return f"segments replaced: {cause}{figures}; {moved}."


def pending_sentence(decision: AxisDecision) -> str:
    """What the next run must find again before it replaces the axis; empty without that."""
    if not decision.pending:
        return ""
    figures = f" ({decision.text})" if decision.text else ""
    return f"{decision.pending}{figures}: replaced if the next run finds it again."


def renaming_table(report: RunReport) -> str:
    """After an upgrade, who has which new name; empty in every other run."""
    load = report.load
    renamed = [axis.name for axis in report.axes if is_upgraded(axis.decision)]
    if load is None or not renamed:
        return ""
    transitions = [vars(moved) for moved in load.transitions]
    rows = [
        (axis if index == 0 else "", before, ", ".join(unbroken(f"{n} {c:,}") for n, c in now))
        for axis in renamed
        for index, (before, now) in enumerate(renamings(transitions, axis))
    ]
    table = table_text(("Axis", "Before", "Now, with customers"), rows)
    n_axes = counted(len(renamed), "axis") if len(renamed) == 1 else f"{len(renamed)} axes"
    head = paragraph(
        f"The segments of {n_axes} were made by an earlier version of segpipe, and were replaced"
        " once. Customers who have another segment by it:"
    )
    return f"{head}\n{table}" if rows else ""


def is_replaced(decision: AxisDecision | None) -> bool:
    """Whether the axis has other segments from now on, be it under the same names."""
    return decision is not None and decision.decision == REPLACED


def is_upgraded(decision: AxisDecision | None) -> bool:
    """Whether the axis was made by an earlier version, and has other segments from now on."""
    return decision is not None and (decision.decision, decision.cause) == (
        REPLACED,
        EARLIER_VERSION,
    )


def renamings(
    transitions: Iterable[Mapping[str, Any]], axis: str
) -> Sequence[tuple[str, list[tuple[str, int]]]]:
    """Former name → the names that its customers have now, with how many; the largest first."""
    found: dict[str, dict[str, int]] = {}
    for moved in transitions:
        if moved["axis"] == axis:
            now = found.setdefault(moved["from_segment"], {})
            name = moved["to_segment"]
            now[name] = now.get(name, 0) + moved["n_customers"]
    return [
        (before, sorted(found[before].items(), key=lambda item: (-item[1], item[0])))
        for before in sorted(found, key=lambda name: (-sum(found[name].values()), name))
    ]
