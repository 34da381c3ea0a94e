"""Chances of a customer's counts: tails of beta, binomial and normal distributions.

The only user of SciPy in the model; it is imported when first needed, a sixth of a second.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from segpipe.core.arrays import Floats
from segpipe.model.priors import BetaPrior

_MANY = 1000  # customers from which on it pays to look for those with the same counts
_LARGE = 2.0**26  # more than any count


def posterior_above(threshold: float, part: Floats, whole: Floats, prior: BetaPrior) -> Floats:
    """P(share > threshold), given `part` of `whole`, shape (n,); NaN where a count is missing."""
    from scipy.special import betainc

    def of_counts(part: Floats, whole: Floats) -> Floats:
        above = prior.mean * prior.strength + part
        below = (1.0 - prior.mean) * prior.strength + (whole - part)
        found: Floats = betainc(below, above, 1.0 - threshold)  # 1 - I_t(above, below)
        return found

    return _of_distinct(of_counts, part, whole)


def binomial_tail(at_least: Floats, trials: Floats, chance: Floats) -> Floats:
    """P(X >= at_least) of binomial X, shape (n,); 1 where nothing is asked."""
    from scipy.special import betainc

    asked = np.maximum(at_least, 1.0)
    found: Floats = np.where(at_least > 0, betainc(asked, trials - asked + 1.0, chance), 1.0)
    return found


def normal_below(z: Floats) -> Floats:
    """P(a standard normal figure < z), shape (n,); NaN where z is missing."""
    from scipy.special import ndtr

    found: Floats = ndtr(z)
    return found


def _of_distinct(
    function: Callable[[Floats, Floats], Floats], part: Floats, whole: Floats
) -> Floats:
    """The function of each pair of counts; of many customers each pair is computed once."""
    if len(part) < _MANY:
        return function(part, whole)
    _, first, place = np.unique(part * _LARGE + whole, return_index=True, return_inverse=True)
    return function(part[first], whole[first])[place]
