"""Clouds of customers whose structure is known: without groups in ten families, and with groups.

Each is drawn by a NumPy generator, n rows of a few features, the main measure first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from segpipe.core.arrays import Floats

Cloud = Callable[[np.random.Generator, int], Floats]

_T_FREEDOM = 4  # degrees of freedom of the heavy-tailed groups; their deviation is √2


def standardised(points: Floats) -> Floats:
    """Points (n, d) as an axis has them: clipped at 1 and 99 %, with mean 0 and deviation 1."""
    low, high = np.quantile(points, [0.01, 0.99], axis=0)
    clipped = np.clip(points, low, high)
    scaled: Floats = (clipped - clipped.mean(axis=0)) / clipped.std(axis=0)
    return scaled


@dataclass(frozen=True)
class Groups:
    """Planted groups: how large, how far apart, of what shape, in how many features."""

    shares: tuple[float, ...]
    distance: float  # between neighbours, in deviations within a group
    is_normal: bool
    n_informative: int  # features in which the groups differ, together by the distance
    n_features: int
    is_triangle: bool = False  # three groups each next to the two others; else in a row

    def points(self, draw: np.random.Generator, n: int) -> Floats:
        """Points (n, d)."""
        steps = np.arange(len(self.shares))[:, None]
        if self.is_triangle:
            corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(0.75)]])
            turned = np.linalg.qr(draw.normal(size=(self.n_informative, self.n_informative)))[0]
            places = corners @ turned[:2]
        else:
            places = steps * np.full(self.n_informative, self.n_informative**-0.5)
        labels = draw.choice(len(self.shares), n, p=self.shares)
        shape = (n, self.n_features)
        if self.is_normal:
            points = draw.normal(size=shape)
        else:
            points = draw.standard_t(_T_FREEDOM, shape) / np.sqrt(2)
        points[:, : self.n_informative] += self.distance * places[labels]
        return points


def _normal(d: int) -> Cloud:
    return lambda draw, n: draw.normal(size=(n, d))


def _correlated(d: int) -> Cloud:
    return lambda draw, n: 0.9 * draw.normal(size=(n, 1)) + 0.44 * draw.normal(size=(n, d))


def _lognormal(d: int, deviation: float) -> Cloud:
    return lambda draw, n: draw.lognormal(0.0, deviation, (n, d))


def _uniform(d: int) -> Cloud:
    return lambda draw, n: draw.uniform(size=(n, d))


def _heavy(d: int) -> Cloud:
    return lambda draw, n: draw.standard_t(3, (n, d))


def _elliptic(draw: np.random.Generator, n: int) -> Floats:
    """Tails that all three features share."""
    points: Floats = draw.normal(size=(n, 3)) / np.sqrt(draw.chisquare(4, (n, 1)) / 4)
    return points


def _exponential(d: int) -> Cloud:
    return lambda draw, n: draw.exponential(size=(n, d))


def _zeros_and_tail(draw: np.random.Generator, n: int) -> Floats:
    tail = np.abs(draw.standard_t(3, n))
    return np.column_stack([np.where(draw.uniform(size=n) < 0.65, 0.0, tail), draw.normal(size=n)])


def _zeros_and_amounts(draw: np.random.Generator, n: int) -> Floats:
    amounts = np.log1p(draw.lognormal(1.0, 1.0, (n, 1)))
    return np.where(draw.uniform(size=(n, 1)) < 0.4, 0.0, amounts)


def _zeros_twice(draw: np.random.Generator, n: int) -> Floats:
    return np.where(draw.uniform(size=(n, 2)) < 0.3, 0.0, draw.exponential(size=(n, 2)))


def _shares(means: Sequence[float], strength: float | None) -> Cloud:
    """Shares of a few occasions, shrunk by a beta prior.

    Everybody has the same chance, as of a coin, where `strength` is None; else customers' own
    chances follow a beta distribution of that strength.
    """

    def drawn(draw: np.random.Generator, n: int) -> Floats:
        occasions = 1 + draw.geometric(0.15, n)
        columns = []
        for mean in means:
            own = draw.beta(mean * strength, (1 - mean) * strength, n) if strength else mean
            prior = strength or 30.0
            hits = draw.binomial(occasions, own)
            columns.append((hits + mean * prior) / (occasions + prior))
        return np.column_stack(columns)

    return drawn


def _occasions(draw: np.random.Generator, n: int) -> Floats:
    """Shrunk rate, expected gap and number of occasions, as of purchase_frequency."""
    months = draw.uniform(2.0, 12.0, n)
    occasions = 2 + draw.poisson(draw.gamma(1.2, 1.0, n) * months)
    rate = (occasions - 1 + 1.2) / (months + 1)
    gap = months * 30.4 / (occasions - 1) * draw.lognormal(0.0, 0.3, n)
    points: Floats = np.log(np.column_stack([rate, 1 + gap, occasions]))
    return points


def _counts(draw: np.random.Generator, n: int) -> Floats:
    points: Floats = np.log(2.0 + draw.negative_binomial(1.2, 0.15, (n, 1)))
    return points


def _amounts(draw: np.random.Generator, n: int) -> Floats:
    """Lifetime value, mean order value and largest order, as of purchase_value."""
    most = 12
    is_order = np.arange(most) < draw.geometric(0.3, (n, 1)).clip(max=most)
    own = draw.normal(3.0, 0.6, (n, 1))
    orders = np.exp(own + 0.5 * draw.normal(size=(n, most))) * is_order
    total = orders.sum(axis=1)
    means = total / is_order.sum(axis=1)
    points: Floats = np.log1p(np.column_stack([total, means, orders.max(axis=1)]))
    return points


def _curved(draw: np.random.Generator, n: int) -> Floats:
    along = draw.normal(size=n)
    return np.column_stack([along, along**2 + 0.5 * draw.normal(size=n)])


def _triangle(draw: np.random.Generator, n: int) -> Floats:
    return np.sort(draw.uniform(size=(n, 2)), axis=1)


# Family → its clouds.
WITHOUT_GROUPS: dict[str, tuple[Cloud, ...]] = {
    "normal": (_normal(1), _normal(2), _normal(3), _normal(5)),
    "correlated": (_correlated(2), _correlated(3), _correlated(5)),
    "lognormal": (_lognormal(1, 1.0), _lognormal(3, 1.0), _lognormal(3, 1.2)),
    "uniform": (_uniform(1), _uniform(2), _uniform(3), _uniform(5), _triangle),
    "heavy tails": (_heavy(1), _heavy(3), _heavy(5), _elliptic),
    "exponential": (_exponential(1), _exponential(2), _exponential(3)),
    "zero-inflated": (_zeros_and_tail, _zeros_and_amounts, _zeros_twice),
    "shrunk coin tosses": (_shares((0.3,), None), _shares((0.3, 0.4, 0.3), None)),
    "shrunk shares": (_shares((0.3,), 4.0), _shares((0.3, 0.4, 0.3), 6.0)),
    "counts and amounts": (_occasions, _counts, _amounts),
    "curved": (_curved,),
}
