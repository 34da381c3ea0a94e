"""The sentences of the page: takes plain values of the report, gives what people read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from markupsafe import Markup, escape

from segpipe.axes import Measure
from segpipe.core.schema import CAUSES
from segpipe.core.text import percent_floor, sentence
from segpipe.core.verdicts import MEANINGS
from segpipe.reports.discovery import unmet_names


def breakable(name: str) -> Markup:
    """The name with places where a narrow column may break it, after each underscore."""
    return Markup("_<wbr>").join(escape(part) for part in name.split("_"))


def axis_title(name: str) -> str:
    """`purchase_value` as a heading: Purchase value."""
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def choice_sentence(axis: Mapping[str, Any]) -> str | None:
    """Why k-means finds this number of segments best, a sentence; None where it did not run."""
    choice = axis.get("choice")
    if not choice:
        return None
    k = axis.get("best_k") or axis["n_clusters"]
    return f"K-means finds {k} segments best: {choice}." if k else sentence(choice)


def verdict_sentences(axis: Mapping[str, Any]) -> str:
    """What the verdict means, and its reason where there is one."""
    verdict, reason = axis["verdict"], axis["reason"]
    meaning = sentence(MEANINGS[verdict]) if verdict in MEANINGS else ""
    is_choice = reason is not None and reason == axis.get("choice")
    return f"{meaning} {sentence(reason)}".strip() if reason and not is_choice else meaning


def verdict_meanings(verdicts: Iterable[str]) -> str:
    """What each of the verdicts means, in one sentence."""
    found = set(verdicts)
    return sentence("; ".join(f"{v}: {text}" for v, text in MEANINGS.items() if v in found))


def agreement_sentence(agreement: Mapping[str, Any]) -> str:
    """How far clustering everybody agrees with clustering the sample."""
    fit = "a fit from scratch" if agreement["method"] == "full" else "a refit"
    text = (
        f"{agreement_percent(agreement)} of the {agreement['n_customers']:,} eligible customers get"
        f" the same segment when everybody is divided ({fit}; adjusted Rand index"
        f" {agreement['adjusted_rand']:.3f}); the segment that moved most moved"
        f" {agreement['centroid_shift']:.2f} standard deviations."
    )
    if agreement.get("is_refined"):
        text += " The segments of everybody are published."
    wanted = agreement["sample_size_wanted"]
    if wanted is not None:
        text += f" A sample of {wanted:,} would reach the agreement you ask for (min_agreement)."
    return text


def agreement_percent(agreement: Mapping[str, Any] | None) -> str | None:
    """Share of the customers who agree, rounded down, so that 100 % is everybody."""
    if agreement is None:
        return None
    return percent_floor(agreement["share"])


def kept_sentence(events: Sequence[Mapping[str, Any]]) -> str:
    """How many segments are the same as in the previous run."""
    kept = sum(event["kind"] == "kept" for event in events)
    if kept and kept == len(events):
        return "The segments are those of the previous run, under the same names."
    some = "1 segment kept its name." if kept == 1 else f"{kept} segments kept their names."
    return some if kept else ""


def causes_text(causes: Mapping[str, int]) -> str:
    """Customers who moved by cause, the most frequent first."""
    named = sorted((cause for cause in CAUSES if causes.get(cause)), key=lambda c: -causes[c])
    return ", ".join(f"{causes[cause]:,} by {cause}" for cause in named)


def notes_of(axis: Mapping[str, Any], measure_of: Callable[[str], Measure]) -> tuple[str, ...]:
    """What else there is to know of an axis."""
    notes = []
    if unmet := unmet_names(axis.get("holds_for", {})):  # an earlier version did not count them
        notes.append(sentence(unmet))
    if axis["dropped_features"]:
        dropped = ", ".join(measure_of(name).label for name in axis["dropped_features"])
        notes.append(f"Left out, as it is the same for everybody: {dropped}.")
    for measure, n in axis["n_filled"].items():
        label = measure_of(measure).label
        who = "1 customer has" if n == 1 else f"{n:,} customers have"
        notes.append(f"{who} no figure for “{label}”: filled with the shop's median.")
    return tuple(notes)
