"""Identity: segments go on under their number, and what else becomes of them is reported."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from segpipe.axes import Axis, Claim, Eligibility, Feature, Prototype
from segpipe.clustering.centroids import CentroidPartition
from segpipe.core.report import SegmentEvent
from segpipe.core.schema import Reference
from segpipe.core.settings import ClusterSettings
from segpipe.discovery.discover import discover
from segpipe.discovery.identity import Overlap, find_events, find_overlap, match_segments
from segpipe.discovery.outcome import Discovery
from segpipe.discovery.sampling import Sample
from segpipe.model.document import AxisModel, Model, Segment
from segpipe.model.preprocessing import FeatureScale
from tests.support.samples import sample_of

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
    return sample_of({"recency_days": recency_days, "n_orders": n_orders})


def _run(
    sample: Sample,
    previous: AxisModel | None = None,
    k: int | None = None,
    rediscover: tuple[str, ...] | None = (),
) -> Discovery:
    """A run that replaces the previous segments, unless they are to stay."""
    settings = replace(SETTINGS, min_k=k, max_k=k) if k else SETTINGS
    former = None if previous is None else _model(previous)
    return discover(
        *(sample, (AXIS,), frozenset(), settings, 1),
        as_of=date(2025, 4, 1),
        previous=former,
        rediscover=rediscover,
    )[0]


def _model(axis: AxisModel) -> Model:
    """The model of a previous run with this axis."""
    return Model(1, (), "UTC", Reference(date(2025, 3, 1), {}, 1.0, (), 30.0), (axis,))


def _names(found: Discovery) -> dict[int, str]:
    return {segment.segment_id: segment.name for segment in found.model.segments}


def _events(events: tuple[SegmentEvent, ...]) -> set[tuple[str, str, int, tuple[str, ...]]]:
    return {(e.kind, e.segment, e.segment_id, e.others) for e in events}


def test_the_first_run_counts_from_one_and_has_no_events() -> None:
    found = _run(_sample([10, 90]))
    assert _names(found) == {1: "fresh", 2: "stale"}
    assert found.events == ()
    assert found.model.next_segment_id == 3


def test_the_same_month_again_gives_the_same_model() -> None:
    sample = _sample([10, 90])
    first = _run(sample)
    for rediscover in ((), None):
        model = _run(sample, first.model, rediscover=rediscover).model
        assert replace(model, made_on=first.model.made_on) == first.model
    again = _run(sample, first.model)
    assert _events(again.events) == {("kept", "fresh", 1, ()), ("kept", "stale", 2, ())}
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
    assert ("renamed", names[1], 1, ("fresh",)) in _events(found.events)


def test_a_segment_that_divides_lives_on_in_one_part_and_the_other_split_off() -> None:
    first = _run(_sample([10, 80, 100]), k=2).model
    found = _run(_sample([10, 80, 100]), first, k=3)
    assert sorted(_names(found)) == [1, 2, 3]
    assert found.model.next_segment_id == 4
    found_events = _events(found.events)
    assert ("kept", "fresh", 1, ()) in found_events
    assert ("kept", "stale", 2, ()) in found_events
    assert ("split", _names(found)[3], 3, ("stale",)) in found_events


def test_a_segment_that_is_taken_in_merged_and_its_number_is_not_given_again() -> None:
    three = _run(_sample([10, 80, 100]), k=3).model
    two = _run(_sample([10, 80, 100]), three, k=2)
    lost = ({1, 2, 3} - set(_names(two))).pop()
    heir = next(name for number, name in _names(two).items() if number != 1)
    name = next(s.name for s in three.segments if s.segment_id == lost)
    assert ("merged", name, lost, (heir,)) in _events(two.events)
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
    assert _events(gone.events) == {("died", "fresh", 1, ()), ("died", "stale", 2, ())}
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
    assert _ids_by_position(found.model) == _ids_by_position(first)


def _ids_by_position(axis: AxisModel) -> list[int]:
    assert axis.partition
    order = axis.partition.positions[:, 0].argsort()
    return [axis.segments[index].segment_id for index in order]


def test_a_name_that_comes_back_is_the_same_segment() -> None:
    """The old model sees nothing of the new order of things, and yet `stale` is `stale`."""
    first = _run(_sample([10, 90])).model
    scales = tuple(replace(scale, transform="log") for scale in first.scales)
    far = CentroidPartition(tuple((s.segment_id * 1e6,) for s in first.segments))
    found = _run(_sample([10, 90]), replace(first, scales=scales, partition=far))
    assert _names(found)[2] == "stale"
    assert found.model.next_segment_id == 3
    assert ("kept", "stale", 2, ()) in _events(found.events)


@pytest.mark.parametrize(
    ("kind", "others", "found_events"),
    [
        ("born", ["old"], "new_one is a new segment, from old"),
        ("born", [], "new_one is a new segment"),
        ("split", ["old"], "new_one split off from old"),
        ("merged", ["big"], "new_one merged into big"),
        ("died", [], "new_one is gone"),
        ("died", ["a", "b"], "new_one is gone, its customers are in a and b"),
        ("renamed", ["old"], "new_one has a new name, formerly old"),
    ],
)
def test_an_event_is_a_sentence(kind: str, others: list[str], found_events: str) -> None:
    assert SegmentEvent(kind, "new_one", 4, tuple(others)).sentence == found_events


def _old(*centroids: float) -> AxisModel:
    """An axis of one feature in its own unit, with a segment at each centroid."""
    scale = FeatureScale("recency_days", "identity", 0.0, -1e9, 1e9, 0.0, 1.0)
    segments = tuple(
        Segment(number, f"s{number}", "", (), "", {}, 0.5)
        for number, _ in enumerate(centroids, start=1)
    )
    partition = CentroidPartition(tuple((centroid,) for centroid in centroids))
    return AxisModel(
        name="own",
        group="marketing",
        verdict="k-means",
        reason=None,
        silhouette=0.5,
        eligibility=(),
        scales=(scale,),
        segments=segments,
        default_state="unavailable",
        partition=partition,
    )


def _matches(
    old: AxisModel, centroids: list[float], overlap: Overlap, is_true: list[list[bool]]
) -> dict[int, int]:
    places = np.array(centroids)[:, None]
    found = match_segments(old, old.scales, places, overlap, np.array(is_true))
    return {index: segment.segment_id for index, segment in found.items()}


def _overlap(common: list[list[float]]) -> Overlap:
    table = np.array(common)
    return Overlap(table, table.sum(axis=1), table.sum(axis=0))


NO_NAMES = [[False, False], [False, False]]


def test_a_pair_too_unlike_does_not_cost_another_its_heir() -> None:
    """Likeness ((0.49, 0.85), (0, 0.49)): the diagonal is more in sum, and is no match at all."""
    overlap = _overlap([[10.0, 90.0], [0.0, 10.0]])
    assert _matches(_old(0.0, 1.0), [0.5, 1.5], overlap, NO_NAMES) == {0: 2}


@pytest.mark.parametrize(("centroid", "found"), [(1.25, {0: 1}), (1.6, {})])
def test_a_pair_is_alike_from_a_half(centroid: float, found: dict[int, int]) -> None:
    """The mean of the Jaccard index, 0.6, and exp(-d²/2): 0.458 at 1.25, 0.278 at 1.6."""
    overlap = Overlap(np.array([[60.0]]), np.array([60.0]), np.array([100.0]))
    assert _matches(_old(0.0), [centroid], overlap, [[False]]) == found


def test_of_two_heirs_alike_the_name_decides() -> None:
    overlap = _overlap([[52.0], [48.0]])
    assert _matches(_old(0.0), [-0.1, 0.1], overlap, [[False], [True]]) == {1: 1}
    assert _matches(_old(0.0), [-0.1, 0.1], overlap, [[False], [False]]) == {0: 1}


def test_near_centroids_without_a_customer_in_common_are_no_match() -> None:
    overlap = Overlap(np.array([[0.0]]), np.array([5.0]), np.array([5.0]))
    assert _matches(_old(0.0), [0.0], overlap, [[True]]) == {}


def test_customers_in_common_are_counted_by_their_weight() -> None:
    labels, old_labels = np.array([0, 0, 1, 1, -1]), np.array([0, 1, 1, 1, 0])
    weights = np.array([5.0, 1.0, 2.0, 4.0, 8.0])
    overlap = find_overlap(labels, 2, old_labels, 2, weights)
    assert overlap.common.tolist() == [[5.0, 1.0], [0.0, 6.0]]
    assert overlap.n_new.tolist() == [6.0, 6.0]
    assert overlap.n_old.tolist() == [13.0, 7.0]
    assert overlap.jaccard.tolist() == [[5 / 14, 1 / 12], [0.0, 6 / 7]]


def test_exactly_half_of_a_segment_is_a_split_or_a_merger() -> None:
    old = _old(0.0, 9.0)
    born = replace(old.segments[0], segment_id=3, name="new_one")
    overlap = Overlap(np.array([[5.0, 2.0]]), np.array([10.0]), np.array([10.0, 10.0]))
    found_events = _events(find_events(old, (born,), overlap))
    assert ("split", "new_one", 3, ("s1",)) in found_events
    assert ("merged", "s1", 1, ("new_one",)) in found_events
    assert ("died", "s2", 2, ()) in found_events


def _first(known: dict[str, dict[str, int]]) -> Discovery:
    """The first run after others whose model is lost, but not their ids."""
    sample, as_of = _sample([10, 90]), date(2025, 4, 1)
    return discover(sample, (AXIS,), frozenset(), SETTINGS, 1, as_of=as_of, known_ids=known)[0]


def test_ids_of_earlier_runs_are_not_given_again_and_their_names_have_them_back() -> None:
    known = {"own": {"stale": 7, "other": 9}, "another": {"fresh": 99}}
    found = _first(known)
    assert _names(found) == {10: "fresh", 7: "stale"}
    assert found.model.next_segment_id == 11


def test_an_id_that_had_two_names_is_given_to_one_of_them() -> None:
    known = {"own": {"fresh": 4, "stale": 4}}
    found = _first(known)
    assert sorted(_names(found)) == [4, 5]


def test_a_name_has_one_id_even_where_its_old_segment_has_another_heir() -> None:
    """`fresh` is the heir of what was called `stale`, and the other way round."""
    first = _run(_sample([10, 90])).model
    names = {1: "stale", 2: "fresh"}
    claims = {s.name: s.claims for s in first.segments}
    swapped = tuple(
        replace(s, name=names[s.segment_id], claims=claims[names[s.segment_id]])
        for s in first.segments
    )
    found = _run(_sample([10, 90]), replace(first, segments=swapped))
    assert _names(found) == {1: "stale", 2: "fresh"}
    assert {event.kind for event in found.events} == {"kept"}
