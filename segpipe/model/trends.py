"""Whether a customer's orders rise, fall or have stopped: chances from days with an order.

Takes columns of raw measures, shape (n,), and the shop's priors; gives figures of shape (n,).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from segpipe.core.arrays import Floats
from segpipe.model.posterior import normal_below
from segpipe.model.priors import Priors, log_silence

Columns = Mapping[str, Floats]


def trend(columns: Columns, _: Priors) -> Floats:
    """Occasions of the later half of tenure less those of the earlier, over the root of all."""
    moved = columns["n_later_occasions"] - columns["n_earlier_occasions"]
    return moved / np.sqrt(columns["n_occasions"])


def growing(columns: Columns, priors: Priors) -> Floats:
    """How certain it is that orders rise: 1 - p."""
    return normal_below(trend(columns, priors))


def declining(columns: Columns, priors: Priors) -> Floats:
    """How certain it is that orders fall: 1 - p."""
    return normal_below(-trend(columns, priors))


def silence(columns: Columns, priors: Priors) -> Floats | None:
    """Chance that an active customer stays away for so long; None without a prior."""
    prior = priors.rates.get("occasions")
    if prior is None:
        return None
    chance: Floats = np.exp(log_silence(columns, prior))
    return chance


def steady(columns: Columns, priors: Priors) -> Floats | None:
    """Chance of such a trend, either way, or of such a silence, whichever is less likely."""
    still = silence(columns, priors)
    if still is None:
        return None
    chance = 2.0 * normal_below(-np.abs(trend(columns, priors)))
    found: Floats = np.minimum(chance, still)
    return found
