"""Groups that are planted are found, clouds without groups are not, and nothing else decides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segpipe.clustering.centroids import KMeans
from segpipe.clustering.line_density import Line
from segpipe.clustering.valley import ENTER, KS, LEAVE, find_valleys, is_separate
from segpipe.core.arrays import Floats

Draw = np.random.Generator


def _standardised(points: Floats) -> Floats:
    """As an axis has them: clipped at 1 and 99 %."""
    clipped = np.clip(points, *np.quantile(points, [0.01, 0.99], axis=0))
    scaled: Floats = (clipped - clipped.mean(axis=0)) / clipped.std(axis=0)
    return scaled


def _groups(
    shares: Sequence[float],
    distance: float,
    d: int,
    seed: int,
    n: int = 2000,
    n_informative: int = 1,
) -> Floats:
    """Normal groups in a row, neighbours so many deviations apart."""
    draw = np.random.default_rng(seed)
    points = draw.normal(size=(n, d))
    places = distance * draw.choice(len(shares), n, p=shares)
    points[:, :n_informative] += places[:, None] / np.sqrt(n_informative)
    return _standardised(points)


def _ones(points: Floats) -> Floats:
    return np.ones(len(points))


def _is_found(points: Floats, seed: int = 0) -> bool:
    return any(map(is_separate, find_valleys(points, _ones(points), seed).least))


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.85, 0.15), (0.7, 0.2, 0.1)])
@pytest.mark.parametrize(("d", "n_informative"), [(1, 1), (3, 1), (3, 3)])
def test_groups_four_deviations_apart_are_found(
    shares: tuple[float, ...], d: int, n_informative: int, seed: int
) -> None:
    points = _groups(shares, 4.0, d, seed, n_informative=n_informative)
    found = find_valleys(points, _ones(points), seed)
    assert is_separate(found.least[len(shares) - 2])


def test_two_heavy_tailed_groups_are_found() -> None:
    draw = np.random.default_rng(1)
    points = draw.standard_t(4, (2000, 3)) / np.sqrt(2)
    points[:, 0] += 4.0 * draw.integers(0, 2, 2000)
    assert _is_found(_standardised(points))


def _coin_tosses(draw: Draw, n: int) -> Floats:
    """Shares of a few occasions, everybody with the same chance, shrunk."""
    occasions = 1 + draw.geometric(0.15, (n, 1))
    return (draw.binomial(occasions, 0.3, (n, 3)) + 0.3 * 30) / (occasions + 30)


WITHOUT_GROUPS: dict[str, Callable[[Draw, int], Floats]] = {
    "normal": lambda draw, n: draw.normal(size=(n, 3)),
    "uniform": lambda draw, n: draw.uniform(size=(n, 3)),
    "uniform, one feature": lambda draw, n: draw.uniform(size=(n, 1)),
    "lognormal": lambda draw, n: draw.lognormal(size=(n, 3)),
    "coin tosses": _coin_tosses,
}


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("name", WITHOUT_GROUPS)
def test_a_cloud_without_groups_is_not_divided(name: str, seed: int) -> None:
    points = WITHOUT_GROUPS[name](np.random.default_rng(seed), 2000)
    assert not _is_found(_standardised(points), seed)


def test_segments_of_a_large_uniform_cube_show_no_valley() -> None:
    """K-means cuts a cube into cells whose shape alone leaves gaps between projections."""
    points = _standardised(np.random.default_rng(1).uniform(size=(5000, 3)))
    assert min(find_valleys(points, _ones(points), 3).all_features) > 0.9


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_order_of_the_points_changes_nothing(seed: int) -> None:
    draw = np.random.default_rng(seed)
    points = _groups((0.5, 0.5), 3.0, 2, seed, n=400)
    points[:, 1] = points[:, 1].round(1)  # ties
    weights = draw.integers(1, 5, 400).astype(float)
    shuffled = draw.permutation(400)
    found = find_valleys(points, weights, 7)
    assert find_valleys(points[shuffled], weights[shuffled], 7) == found


def test_a_seed_gives_the_same_valleys_again() -> None:
    points = _groups((0.5, 0.5), 3.0, 2, 1)
    first, again, other = (find_valleys(points, _ones(points), seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_a_common_factor_of_the_weights_changes_nothing() -> None:
    points = _groups((0.7, 0.3), 3.5, 2, 1)
    weights = np.random.default_rng(2).uniform(1, 30, len(points))
    one, other = (find_valleys(points, w, 1).least for w in (weights, weights * 7))
    assert one == pytest.approx(other, abs=1e-9)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_weight_of_two_is_nearly_two_customers(seed: int) -> None:
    points = _groups((0.6, 0.4), 3.5, 2, seed, n=3000)
    counts = np.random.default_rng(seed).integers(1, 3, len(points))
    weighted = find_valleys(points, counts.astype(float), 1)
    repeated = find_valleys(np.repeat(points, counts, axis=0), np.ones(counts.sum()), 1)
    assert weighted.least[0] == pytest.approx(repeated.least[0], abs=0.06)
    assert is_separate(weighted.least[0])


def test_weights_say_how_deep_a_valley_is_in_the_population() -> None:
    """A sample that draws those between two groups rarely shows them apart; the shop does not."""
    draw = np.random.default_rng(1)
    values = draw.uniform(size=4000)
    is_between = np.abs(values - 0.5) < 0.15
    drawn = values[~is_between | (draw.uniform(size=4000) < 0.2)][:, None]
    weights = np.where(np.abs(drawn[:, 0] - 0.5) < 0.15, 5.0, 1.0)
    points = _standardised(drawn)
    assert is_separate(find_valleys(points, _ones(points), 1).least[0])
    assert not is_separate(find_valleys(points, weights, 1).least[0])


def test_a_group_below_a_hundredth_of_the_population_is_none() -> None:
    points = _groups((0.9, 0.1), 9.0, 1, 1)
    weights = np.where(points[:, 0] > 1.5, 0.05, 1.0)
    assert is_separate(find_valleys(points, _ones(points), 1).least[0])
    assert find_valleys(points, weights, 1).least[0] == 1.0


def test_a_value_that_many_share_is_no_group() -> None:
    draw = np.random.default_rng(1)
    amounts = draw.normal(3.0, 1.0, 2000)
    points = _standardised(np.where(draw.uniform(size=2000) < 0.4, 0.0, amounts)[:, None])
    spread = points + draw.normal(0, 0.01, points.shape)
    assert _is_found(spread)
    assert not _is_found(points)


def test_groups_beside_a_shared_value_are_found() -> None:
    draw = np.random.default_rng(1)
    points = _groups((0.5, 0.5), 5.0, 1, 1)
    points[draw.uniform(size=2000) < 0.2] = points.mean()
    assert _is_found(points)


@pytest.mark.parametrize("n", [150, 300])  # 300: half of them share a value
def test_too_few_customers_make_no_groups(n: int) -> None:
    points = _groups((0.5, 0.5), 6.0, 1, 1, n=n)
    if n == 300:
        points[::2] = 0.0
    assert find_valleys(points, _ones(points), 1).least == (1.0,) * len(KS)


def test_the_main_measure_alone_shows_groups_that_other_features_drown() -> None:
    points = _groups((0.85, 0.15), 4.0, 5, 1)
    found = find_valleys(points, _ones(points), 1)
    assert found.main_measure is not None
    assert found.main_measure[0] < min(found.all_features)
    assert found.least == tuple(map(min, found.all_features, found.main_measure))


def test_one_feature_is_the_main_measure() -> None:
    points = _groups((0.5, 0.5), 4.0, 1, 1)
    found = find_valleys(points, _ones(points), 1)
    assert found.all_features == found.main_measure


class _Counting(KMeans):
    """K-means that counts its fits."""

    n_fits = 0

    def fit_each(self, *arguments: Any) -> Any:  # noqa: ANN401 - passed on as they are
        type(self).n_fits += 1
        return super().fit_each(*arguments)


@pytest.mark.parametrize(("distance", "n_splits"), [(0.0, 2), (3.0, 10), (9.0, 2)])
def test_two_splits_are_enough_where_every_k_is_clear(distance: float, n_splits: int) -> None:
    points = _groups((0.5, 0.5), distance, 1, 1)
    _Counting.n_fits = 0
    find_valleys(points, _ones(points), 1, clusterer=_Counting())
    assert _Counting.n_fits == 2 * n_splits


def test_current_groups_are_kept_more_easily() -> None:
    between = (ENTER + LEAVE) / 2
    assert not is_separate(between)
    assert is_separate(between, is_current=True)
    assert not is_separate(LEAVE, is_current=True)


def test_the_valley_of_a_line_is_its_smoothed_density_by_hand() -> None:
    draw = np.random.default_rng(1)
    places = np.concatenate([draw.normal(0, 0.2, 600), draw.normal(1, 0.2, 300)])
    weights = draw.uniform(1, 3, 900)
    mean = np.average(places, weights=weights)
    n = weights.sum() ** 2 / np.square(weights).sum()
    width = np.sqrt(np.average((places - mean) ** 2, weights=weights)) * n**-0.2
    at = np.linspace(-1, 2, 301)
    density = np.exp(-0.5 * ((at[:, None] - places) / width) ** 2) @ weights * n / weights.sum()
    low = density[116:185].min()
    expected = (low + 12) / (density[at > 0.8].max() + 12)
    assert Line(places, weights).valley() == pytest.approx(expected, abs=0.01)
    assert Line(places, weights).reversed().valley() == pytest.approx(expected, abs=0.01)


def test_a_density_that_falls_all_the_way_has_no_valley() -> None:
    places = np.random.default_rng(1).exponential(0.5, 3000)
    assert Line(places, np.ones(3000)).valley() == 1.0


def test_customers_far_from_the_line_do_not_fill_its_valley() -> None:
    draw = np.random.default_rng(1)
    own = np.concatenate([draw.normal([0, 0], 0.2, (300, 2)), draw.normal([1, 0], 0.2, (300, 2))])
    points = np.concatenate([own, draw.normal([0.5, 3], 0.2, (600, 2))])
    ends = np.array([0.0, 0.0]), np.array([1.0, 0.0])
    is_own = np.arange(1200) < 600
    alone = Line.between(*ends, own, np.ones(600), is_own[:600]).valley()
    assert Line.between(*ends, points, np.ones(1200), is_own).valley() == pytest.approx(alone)
    assert alone < 0.5
