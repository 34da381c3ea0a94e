"""Identity: segments go on under their number, and what else becomes of them is told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from segpipe.axes import Axis, Claim, Eligibility, Feature, Prototype
from segpipe.config import ClusterSettings
from segpipe.discover import Discovery, discover
from segpipe.model import AxisModel, Model
from segpipe.report import SegmentEvent
from segpipe.sample import Sample

Floats = npt.NDArray[np.float64]
SETTINGS = ClusterSettings(restarts=4, min_reproducibility=-1)
LATELY = Claim("recency_days", "below", value=50.0)
LONG_AGO = Claim("recency_days", "above", value=50.0)
AXIS = Axis(
    "own",
    "?",
    "marketing",
    (Feature("recency_days"),),
    (
        Prototype("fresh", "came lately", {"recency_days": -1.0}, (LATELY,)),
        Prototype("stale", "were long away", {"recency_days": 1.0}, (LONG_AGO,)),
    ),
    (Eligibility("n_orders", 2, "one_time_buyer"),),
)


def _sample(middles: list[float], n: int = 120) -> Sample:
    """n customers around each middle, and ten who are not eligible."""
    draw = np.random.default_rng(3)
    recency_days = np.concatenate([draw.normal(middle, 1.0, n) for middle in middles])
    recency_days = np.concatenate([recency_days, np.full(10, 5.0)])
    n_orders = np.repeat([2.0, 1.0], [n * len(middles), 10])
    ids = [f"c{number:04}" for number in range(len(recency_days))]
    columns = {"customer_id": ids, "recency_days": recency_days, "n_orders": n_orders}
    return Sample(pa.table(columns), np.ones(len(ids)))


def _run(sample: Sample, previous: AxisModel | None = None, k: int | None = None) -> Discovery:
    settings = replace(SETTINGS, min_k=k, max_k=k) if k else SETTINGS
    former = None if previous is None else _model(previous)
    return discover(sample, (AXIS,), frozenset(), settings, seed=1, previous=former)[0]


def _model(axis: AxisModel) -> Model:
    """Only the axes of a previous model are looked at."""
    return Model(1, (), "UTC", None, (axis,))  # type: ignore[arg-type]


def _names(found: Discovery) -> dict[int, str]:
    return {segment.segment_id: segment.name for segment in found.model.segments}


def _told(events: tuple[SegmentEvent, ...]) -> set[tuple[str, str, int, tuple[str, ...]]]:
    return {(e.kind, e.segment, e.segment_id, e.others) for e in events}


def test_the_first_run_counts_from_one_and_tells_no_events() -> None:
    found = _run(_sample([10, 90]))
    assert _names(found) == {1: "fresh", 2: "stale"}
    assert found.events == ()
    assert found.model.next_segment_id == 3


def test_the_same_month_again_gives_the_same_model() -> None:
    sample = _sample([10, 90])
    first = _run(sample)
    again = _run(sample, first.model)
    assert again.model == first.model
    assert _told(again.events) == {("kept", "fresh", 1, ()), ("kept", "stale", 2, ())}
    assert {event.overlap for event in again.events} == {1.0}


def test_a_name_follows_its_segment_while_its_claim_holds() -> None:
    first = _run(_sample([10, 90])).model
    old = tuple(
        replace(segment, name=f"our_{segment.name}", meaning="as we say")
        for segment in first.segments
    )
    found = _run(_sample([15, 92]), replace(first, segments=old))
    assert _names(found) == {1: "our_fresh", 2: "our_stale"}
    assert {segment.meaning for segment in found.model.segments} == {"as we say"}


def test_a_segment_whose_claim_no_longer_holds_is_renamed_under_its_number() -> None:
    first = _run(_sample([30, 90])).model
    assert _names(_run(_sample([30, 90]), first)) == {1: "fresh", 2: "stale"}
    found = _run(_sample([55, 130]), first)  # the lower ones, too, were away for over 50 days
    names = _names(found)
    assert names[2] == "stale"
    assert names[1] not in ("fresh", "stale")
    assert ("renamed", names[1], 1, ("fresh",)) in _told(found.events)


def test_a_segment_that_divides_lives_on_in_one_part_and_the_other_split_off() -> None:
    first = _run(_sample([10, 80, 100]), k=2).model
    found = _run(_sample([10, 80, 100]), first, k=3)
    assert sorted(_names(found)) == [1, 2, 3]
    assert found.model.next_segment_id == 4
    told = _told(found.events)
    assert ("kept", "fresh", 1, ()) in told
    assert ("kept", "stale", 2, ()) in told
    assert ("split", _names(found)[3], 3, ("stale",)) in told


def test_a_segment_that_is_taken_in_merged_and_its_number_is_not_given_again() -> None:
    three = _run(_sample([10, 80, 100]), k=3).model
    two = _run(_sample([10, 80, 100]), three, k=2)
    lost = ({1, 2, 3} - set(_names(two))).pop()
    heir = next(name for number, name in _names(two).items() if number != 1)
    name = next(s.name for s in three.segments if s.segment_id == lost)
    assert ("merged", name, lost, (heir,)) in _told(two.events)
    assert two.model.next_segment_id == 4
    again = _run(_sample([10, 80, 100]), two.model, k=3)
    assert lost not in _names(again)
    assert 4 in _names(again)


def test_customers_of_a_new_kind_are_born() -> None:
    first = _run(_sample([10, 30]), k=2).model
    found = _run(_sample([10, 30, 300]), first, k=3)
    born = [event for event in found.events if event.segment_id == 3]
    assert len(born) == 1
    assert _names(found)[3] == "stale"
    # The old model would have put the new kind with the elder of the old ones.
    assert born[0].kind in ("born", "split")


def test_an_axis_without_segments_keeps_the_numbers_that_were_given() -> None:
    first = _run(_sample([10, 90])).model
    nobody = Sample(_sample([10, 90]).customers.slice(240), np.ones(10))
    gone = _run(nobody, first)
    assert gone.model.verdict == "unavailable"
    assert _told(gone.events) == {("died", "fresh", 1, ()), ("died", "stale", 2, ())}
    back = _run(_sample([10, 90]), gone.model)
    assert _names(back) == {3: "fresh", 4: "stale"}


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_order_of_the_old_segments_does_not_matter(order: tuple[int, int]) -> None:
    first = _run(_sample([10, 90])).model
    old = replace(first, segments=tuple(first.segments[index] for index in order))
    assert _names(_run(_sample([12, 88]), old)) == {1: "fresh", 2: "stale"}


def test_segments_are_found_again_when_the_whole_shop_has_moved() -> None:
    """Every centroid lies elsewhere in days, and at the same place among the customers."""
    first = _run(_sample([10, 20, 30]), k=3).model
    found = _run(_sample([13, 23, 33]), first, k=3)
    by_place = [s.segment_id for s in sorted(found.model.segments, key=lambda s: s.centroid)]
    before = [s.segment_id for s in sorted(first.segments, key=lambda s: s.centroid)]
    assert by_place == before


def test_a_name_that_comes_back_is_the_same_segment() -> None:
    """The old model sees nothing of the new order of things, and yet `stale` is `stale`."""
    first = _run(_sample([10, 90])).model
    scales = tuple(replace(scale, transform="log") for scale in first.scales)
    blind = tuple(replace(s, centroid=(s.segment_id * 1e6,)) for s in first.segments)
    found = _run(_sample([10, 90]), replace(first, scales=scales, segments=blind))
    assert _names(found)[2] == "stale"
    assert found.model.next_segment_id == 3
    assert ("kept", "stale", 2, ()) in _told(found.events)


@pytest.mark.parametrize(
    ("kind", "others", "told"),
    [
        ("born", ["old"], "new_one is new, from old"),
        ("born", [], "new_one is new"),
        ("split", ["old"], "new_one split off from old"),
        ("merged", ["big"], "new_one went into big"),
        ("died", [], "new_one is gone"),
        ("died", ["a", "b"], "new_one is gone, to a and b"),
        ("renamed", ["old"], "new_one has a new name, before: old"),
    ],
)
def test_events_are_told_in_a_sentence(kind: str, others: list[str], told: str) -> None:
    assert SegmentEvent(kind, "new_one", 4, tuple(others)).told == told
