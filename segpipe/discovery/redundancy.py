"""Shares of channels that add up to the whole, of which the smallest says nothing new."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from segpipe.axes import Feature
from segpipe.core.arrays import Floats
from segpipe.model.priors import CHANNEL_RANKS, SHARES, TICKET_KINDS

_MOST = 3  # shares of channels in an axis
_CHANNELS = {
    f"expected_{name}_share": SHARES[name]
    for name in (*CHANNEL_RANKS, *(f"ticket_{kind}" for kind in TICKET_KINDS))
}
CHANNEL_COUNTS = tuple(  # raw measures that without_smallest_channel looks at
    dict.fromkeys(count for share in _CHANNELS.values() for count in (share.part, share.whole))
)


def without_smallest_channel(
    features: Sequence[Feature], columns: Mapping[str, Floats], weights: Floats
) -> tuple[Feature, ...]:
    """The features without the smallest of channels that are all there are, and three at most.

    columns are CHANNEL_COUNTS of the eligible customers, (n,), as far as the features need them;
    a channel that nobody uses is left out, too.
    """
    found = tuple(features)
    wholes = dict.fromkeys(
        _CHANNELS[feature.measure].whole for feature in features if feature.measure in _CHANNELS
    )
    for whole in wholes:
        mine = [f for f in found if f.measure in _CHANNELS and _CHANNELS[f.measure].whole == whole]
        counts = {f.measure: np.nan_to_num(columns[_CHANNELS[f.measure].part]) for f in mine}
        totals = {name: float((weights * count).sum()) for name, count in counts.items()}
        used = sorted((name for name in totals if totals[name] > 0), key=lambda name: -totals[name])
        is_all = np.array_equal(np.add.reduce(list(counts.values())), np.nan_to_num(columns[whole]))
        kept = used[: min(_MOST, max(len(used) - 1, 1) if is_all else len(used))]
        found = tuple(f for f in found if f not in mine or f.measure in kept)
    return found
