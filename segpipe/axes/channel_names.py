"""The shop's biggest channels by their names, where a text knows them by their rank alone.

Takes a label, phrase or description; gives it with `the shop's second channel (store)`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from segpipe.axes.record import Measure

_RANKS = ("biggest", "second", "third")
_RANKED = re.compile(rf"the shop's ({'|'.join(_RANKS)}) channel")


def name_channels(text: str, channels: Sequence[str]) -> str:
    """The text with the names of the channels, the biggest first; as it is where it has them."""

    def named(found: re.Match[str]) -> str:
        rank = _RANKS.index(found[1])
        name = f" ({channels[rank]})" if rank < len(channels) else ""
        return found[0] if text.startswith(name, found.end()) else found[0] + name

    return _RANKED.sub(named, text)


def with_channels(measure: Measure, channels: Sequence[str]) -> Measure:
    """The measure whose label and phrase name the channels of one shop."""
    return replace(
        measure,
        label=name_channels(measure.label, channels),
        phrase=name_channels(measure.phrase, channels),
    )
