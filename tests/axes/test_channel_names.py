"""The shop's channels by name in texts that know their ranks."""

from __future__ import annotations

import pytest

from segpipe.axes import MEASURES
from segpipe.axes.channel_names import name_channels, with_channels
from segpipe.axes.figures import describe_value
from segpipe.model.priors import CHANNEL_RANKS


@pytest.mark.parametrize(
    ("channels", "text"),
    [
        (("web", "store"), "orders in the shop's second channel (store)"),
        (("web",), "orders in the shop's second channel"),
        ((), "orders in the shop's second channel"),
    ],
)
def test_a_rank_is_named_where_the_shop_has_that_many(channels: tuple[str, ...], text: str) -> None:
    found = name_channels("orders in the shop's second channel", channels)
    assert found == text
    assert name_channels(found, channels) == text  # once is enough


@pytest.mark.parametrize("place", range(3))
def test_every_measure_of_a_channel_is_named(place: int) -> None:
    channels = ("web", "store", "phone")
    rank = CHANNEL_RANKS[place]
    for name in (f"{rank}_share", f"n_{rank}_orders", f"expected_{rank}_share"):
        measure = with_channels(MEASURES[name], channels)
        assert f"channel ({channels[place]})" in measure.label
        assert f"channel ({channels[place]})" in describe_value(0.5, measure)
