"""The section of one axis: all that the template shows of it, counted and worded.

Takes the axis from the report, the model and the ledger; gives one record.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from segpipe.axes import Measure, axes_for
from segpipe.axes.guidance import describe_state
from segpipe.core.report import AxisDecision, SegmentEvent
from segpipe.core.schema import INPUTS
from segpipe.core.text import percent
from segpipe.core.verdicts import UNAVAILABLE
from segpipe.model.document import eligibility_of
from segpipe.reports.decisions import (
    decision_sentence,
    is_upgraded,
    pending_sentence,
    renamings,
)
from segpipe.reports.discovery import published_phrase
from segpipe.reports.html import wording
from segpipe.reports.html.charts import (
    ScatterChart,
    SilhouetteChart,
    colour_of,
    mark_of,
    scatter_chart,
    silhouette_chart,
)
from segpipe.reports.html.heat import HeatMap, heat_map

_MOST_MOVES = 12  # shown of an axis


@dataclass(frozen=True)
class Size:
    """A segment or state with its share; colour and mark are None for a state."""

    name: str
    share: float
    n_customers: int
    value_share: float | None  # of the shop's lifetime value; None where it is not known
    description: str
    colour: int | None
    mark: str | None
    holds_for: float | None  # share of its customers who meet the name; None: not said of one


@dataclass(frozen=True)
class Trial:
    """One K that was tried, in words."""

    n_clusters: int
    silhouette: str
    smallest: str
    valley: str
    halves: str
    outcome: str
    is_chosen: bool


@dataclass(frozen=True)
class Move:
    """Customers who went from one segment to another; width is a share of the largest move."""

    from_segment: str
    to_segment: str
    n_customers: int
    lifetime_value: float
    causes: str
    width: float


@dataclass(frozen=True)
class AxisView:
    """Everything that the page shows of an axis."""

    name: str
    title: str
    question: str | None  # None: an axis of a user's own
    group: str
    verdict: str
    verdict_text: str
    n_clusters: int | None
    best_k: int | None  # by silhouette, of k-means
    best_silhouette: str
    valley: str
    published: str  # what, and why, in a few words
    decision: str  # a sentence where the segments were replaced or held back
    pending: str
    renamings: tuple[tuple[str, str], ...]  # name before → names now, after an upgrade
    agreement: str | None
    agreement_text: str | None
    sizes: tuple[Size, ...]
    has_values: bool
    trials: tuple[Trial, ...]
    choice: str | None
    silhouettes: SilhouetteChart | None
    heat: HeatMap | None
    scatter: ScatterChart | None
    kept: str
    events: tuple[str, ...]
    moves: tuple[Move, ...]
    n_moved: int
    n_moves_left: int  # not shown
    notes: tuple[str, ...]


def axis_view(
    axis: Mapping[str, Any],
    model: Mapping[str, Any] | None,
    scatter: Mapping[str, Any] | None,
    segments: Mapping[str, Mapping[str, Any]],
    transitions: Sequence[Mapping[str, Any]],
    n_customers: int,
    measure_of: Callable[[str], Measure],
) -> AxisView:
    """The axis of the report, with its part of the model, its points and its transitions.

    segments are the ledger's rows by name; empty where nothing was published. measure_of gives the
    words for a measure.
    """
    model = model or {"segments": [], "scales": [], "eligibility": []}
    scales = {scale["measure"]: scale for scale in model["scales"]}
    names = [segment["name"] for segment in model["segments"]]
    questions = {known.name: known.question for known in axes_for(frozenset(INPUTS))}
    candidates = axis["candidates"]
    agreement = axis.get("agreement")
    events = axis.get("events", [])
    moves = _moves(transitions)
    sizes = _sizes(axis, model, segments, n_customers, measure_of)
    decision = AxisDecision(**axis["decision"]) if axis.get("decision") else None
    best_k = axis.get("best_k") or axis["n_clusters"]  # an earlier version published the best
    return AxisView(
        name=axis["name"],
        title=wording.axis_title(axis["name"]),
        question=questions.get(axis["name"]),
        group=axis["group"],
        verdict=axis["verdict"],
        verdict_text=wording.verdict_sentences(axis),
        n_clusters=axis["n_clusters"],
        best_k=best_k,
        best_silhouette=_figure(axis.get("best_silhouette", axis["silhouette"])),
        valley=_figure(axis.get("valley")),
        published=_published(axis, decision),
        decision=decision_sentence(decision) if decision else "",
        pending=pending_sentence(decision) if decision else "",
        renamings=_renamings(axis["name"], decision, transitions),
        agreement=wording.agreement_percent(agreement),
        agreement_text=wording.agreement_sentence(agreement) if agreement else None,
        sizes=sizes,
        has_values=any(size.value_share is not None for size in sizes),
        trials=tuple(_trial(candidate, best_k) for candidate in candidates),
        choice=wording.choice_sentence(axis),
        silhouettes=silhouette_chart(candidates, best_k),
        heat=heat_map(model, measure_of),
        scatter=scatter_chart(scatter, scales, names, measure_of),
        kept=wording.kept_sentence(events),
        events=tuple(f"{SegmentEvent(**e).sentence}." for e in events if e["kind"] != "kept"),
        moves=moves[:_MOST_MOVES],
        n_moved=sum(move.n_customers for move in moves),
        n_moves_left=sum(move.n_customers for move in moves[_MOST_MOVES:]),
        notes=wording.notes_of(axis, measure_of),
    )


def _published(axis: Mapping[str, Any], decision: AxisDecision | None) -> str:
    n_empty = axis.get("n_empty", 0)  # an earlier version did not count them
    return published_phrase(axis["verdict"], axis["n_clusters"], decision, axis["reason"], n_empty)


def _sizes(
    axis: Mapping[str, Any],
    model: Mapping[str, Any],
    rows: Mapping[str, Mapping[str, Any]],
    n_customers: int,
    measure_of: Callable[[str], Measure],
) -> tuple[Size, ...]:
    """Segments in the order of the model, then the states that somebody is in, largest first."""
    shares = axis["shares"]
    segments = {segment["name"]: segment["description"] for segment in model["segments"]}
    states = sorted((name for name in shares if name not in segments), key=lambda n: -shares[n])
    rules = [eligibility_of(rule) for rule in model["eligibility"]]
    # Without a model a state looks like a segment; all are shown as segments.
    has_model = bool(segments or rules) or axis["verdict"] == UNAVAILABLE
    sizes = []
    for index, name in enumerate([*segments, *states]):
        row = rows.get(name, {})
        is_state = has_model and name not in segments
        sentence = (
            describe_state(name, rules, measure_of, axis["reason"])
            if is_state
            else segments.get(name, "")
        )
        sizes.append(
            Size(
                name=name,
                share=shares.get(name, 0.0),
                n_customers=row.get("n_customers", round(shares.get(name, 0.0) * n_customers)),
                value_share=row.get("value_share", axis.get("value_shares", {}).get(name)),
                description=sentence,
                colour=None if is_state else colour_of(index),
                mark=None if is_state else mark_of(index),
                holds_for=axis.get("holds_for", {}).get(name),
            )
        )
    return tuple(sizes)


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _renamings(
    axis: str, decision: AxisDecision | None, transitions: Sequence[Mapping[str, Any]]
) -> tuple[tuple[str, str], ...]:
    if not is_upgraded(decision):
        return ()
    return tuple(
        (before, ", ".join(f"{name} {n:,}" for name, n in now))
        for before, now in renamings(transitions, axis)
    )


def _trial(candidate: Mapping[str, Any], best_k: int | None) -> Trial:
    is_best = candidate["n_clusters"] == best_k
    rejected = candidate["passed_over"]
    outcome = f"rejected: {rejected}" if rejected else "accepted, not the best"
    return Trial(
        n_clusters=candidate["n_clusters"],
        silhouette=f"{candidate['silhouette']:.2f}",
        smallest=percent(candidate["smallest_share"]),
        valley=_figure(candidate.get("valley")),
        halves=_figure(candidate["reproducibility"]),
        outcome="best" if is_best else outcome,
        is_chosen=is_best,
    )


def _moves(transitions: Sequence[Mapping[str, Any]]) -> tuple[Move, ...]:
    """One move from a segment to another, the causes together; the largest first."""
    counts: dict[tuple[str, str], dict[str, int]] = {}
    values: dict[tuple[str, str], float] = {}
    for moved in transitions:
        way = (moved["from_segment"], moved["to_segment"])
        causes = counts.setdefault(way, {})
        causes[moved["cause"]] = causes.get(moved["cause"], 0) + moved["n_customers"]
        values[way] = values.get(way, 0.0) + moved["lifetime_value"]
    sizes = {way: sum(causes.values()) for way, causes in counts.items()}
    largest = max(sizes.values(), default=1)
    return tuple(
        Move(*way, sizes[way], values[way], wording.causes_text(counts[way]), sizes[way] / largest)
        for way in sorted(counts, key=lambda way: (-sizes[way], way))
    )
