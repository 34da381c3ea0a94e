"""How the segments of each axis were found, as text: k-means on every axis, and what is published.

Takes the axes of a report; gives tables. Every figure is of the RunReport.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from segpipe.core.decisions import HELD_BACK, KEPT, REPLACED
from segpipe.core.report import AxisDecision, AxisInfo, CandidateInfo, RunReport
from segpipe.core.text import counted, paragraph, percent, percent_floor, table_text
from segpipe.core.verdicts import GROUPS, K_MEANS, MUST_HOLD, RULES, TIERS, UNAVAILABLE

_KS_ABREAST = 6  # numbers of segments in a line
_NOUNS = {GROUPS: "group", TIERS: "tier", RULES: "kind", K_MEANS: "segment"}
_WHY = {
    GROUPS: "separate",
    TIERS: "no separate groups",  # of a run that kept no reason
    RULES: "by rule",
    K_MEANS: "as asked",
}
_OWN_COLUMN = re.compile(r" \((valley|\d)[^)]*\)")  # figures in a reason, which the tables have
_LEGEND = (
    "K-means runs on every axis in every run. Best K: its number of segments. Silhouette: how much"
    " nearer customers are to their own segment than to the next, from -1 to 1. Valley: how far"
    " customers thin out between two segments, 0 (nobody between them) to 1 (no gap at all)."
)


def discovery_table(axes: Sequence[AxisInfo]) -> str:
    """The best K of each axis, how good it is, what is published and why."""
    tested = [axis for axis in axes if axis.best_k is not None or axis.decision]
    if not tested:
        return ""
    rows = [
        (
            axis.name,
            axis.best_k or "-",
            figure(axis.best_silhouette),
            figure(axis.valley),
            published_phrase(
                axis.verdict, axis.n_clusters, axis.decision, axis.reason, axis.n_empty
            ),
        )
        for axis in axes
    ]
    head = ("Axis", "Best K", "Silhouette", "Valley", "Published")
    return f"{table_text(head, rows)}\n{paragraph(_LEGEND)}"


def published_phrase(
    verdict: str,
    n_segments: int | None,
    decision: AxisDecision | None,
    reason: str | None = None,
    n_empty: int = 0,
) -> str:
    """What is published of an axis and why, in a few words; states are no segments."""
    if verdict == UNAVAILABLE:
        return UNAVAILABLE
    segments = counted(n_segments or 0, _NOUNS.get(verdict, "segment"))
    if n_empty:
        segments += f" ({n_empty} empty)"
    why = _WHY.get(verdict, "")
    if reason and verdict in (TIERS, RULES):
        why = _OWN_COLUMN.sub("", reason)
    if decision and decision.decision == KEPT:
        why = "kept"
    elif decision and decision.decision in (REPLACED, HELD_BACK):
        why = f"{decision.decision}: {decision.cause}" if decision.cause else decision.decision
    return f"{segments}, {why}" if why else segments


def unmet_names(holds_for: Mapping[str, float]) -> str:
    """Names that too few of their customers meet, a clause; empty where there are none."""
    unmet = [
        f"{name} {math.floor(100 * share)}%"
        for name, share in holds_for.items()
        if share < MUST_HOLD
    ]
    if not unmet:
        return ""
    return f"names that fewer than {percent(MUST_HOLD)} of their customers meet: {', '.join(unmet)}"


def figure(value: float | None) -> str:
    """To two decimals; a dash where there is none."""
    return "-" if value is None else f"{value:.2f}"


def tried_table(axes: Sequence[AxisInfo]) -> str:
    """Silhouette, smallest segment and valley of every K that was tried."""
    tried = [axis for axis in axes if axis.candidates]
    ks = sorted({candidate.n_clusters for axis in tried for candidate in axis.candidates})
    tables = []
    for start in range(0, len(ks), _KS_ABREAST):
        some = ks[start : start + _KS_ABREAST]
        rows = [row for axis in tried for row in _tried_rows(axis, some)]
        tables.append(table_text(("Axis", "Figure", *(f"K={k}" for k in some)), rows))
    legend = (
        "Each K that was tried: * best by silhouette, (x) rejected, since a segment is too small or"
        " two halves of the sample disagree."
    )
    return "\n\n".join([*tables[:-1], f"{tables[-1]}\n{paragraph(legend)}"]) if tables else ""


def _tried_rows(axis: AxisInfo, ks: Sequence[int]) -> list[tuple[str, ...]]:
    by_k = {candidate.n_clusters: candidate for candidate in axis.candidates}
    found = [by_k.get(k) for k in ks]
    best = axis.best_k
    rows = [
        (axis.name, "silhouette", *(_trial(c, best) for c in found)),
        ("", "smallest", *(f" {percent(c.smallest_share)} " if c else "" for c in found)),
    ]
    if any(c is not None and c.valley is not None for c in found):
        rows.append(("", "valley", *(f" {figure(c.valley)} " if c else "" for c in found)))
    return rows


def _trial(candidate: CandidateInfo | None, best_k: int | None) -> str:
    if candidate is None:
        return ""
    score = f"{candidate.silhouette:.2f}"
    if candidate.passed_over:
        return f"({score})"
    return f" {score}*" if candidate.n_clusters == best_k else f" {score} "


def choice_table(report: RunReport) -> str:
    """Why each K was chosen, and what clustering everybody would change."""
    chosen = [axis for axis in report.axes if axis.choice or axis.agreement]
    if not chosen:
        return ""
    if not report.has_agreement:
        rows = [(axis.name, axis.best_k or "-", axis.choice or "") for axis in chosen]
        return table_text(("Axis", "K", "Why this K"), rows)
    with_agreement = [
        (
            axis.name,
            axis.best_k or "-",
            percent_floor(axis.agreement.share) if axis.agreement else "-",
            axis.choice or "",
        )
        for axis in chosen
    ]
    table = table_text(("Axis", "K", "Agreement", "Why this K"), with_agreement)
    legend = (
        "Agreement: share of customers who get the same segment when everybody is divided, and"
        " not the sample alone."
    )
    return f"{table}\n{paragraph(legend)}"
