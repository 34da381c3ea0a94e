"""How far two partitions of the same customers agree.

Takes labels; gives counts of customers in common and the adjusted Rand index (Hubert and Arabie,
1985), in whole numbers up to the last division.
"""

from __future__ import annotations

import numpy as np

from segpipe.core.arrays import Ints, Labels


def in_common(first: Labels, second: Labels) -> Ints:
    """Customers by first and second label, shape (k, l); labels (n,) from 0."""
    shape = int(first.max()) + 1, int(second.max()) + 1
    cells = first * shape[1] + second
    return np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape)


def adjusted_rand(first: Labels, second: Labels) -> float:
    """1 where the partitions are the same, about 0 where they agree as chance has it."""
    common = in_common(first, second)
    n = len(first)
    both = int(np.square(common).sum())
    in_first = int(np.square(common.sum(axis=1)).sum())
    in_second = int(np.square(common.sum(axis=0)).sum())
    # Ordered pairs of customers: together in both, apart in both, together in one alone.
    together, of_second, of_first = both - n, in_second - both, in_first - both
    if of_first == of_second == 0:
        return 1.0
    apart = n * n - in_first - in_second + both
    above = 2 * (together * apart - of_first * of_second)
    below = (together + of_first) * (of_first + apart)
    below += (together + of_second) * (of_second + apart)
    return above / below
