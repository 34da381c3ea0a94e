"""What a run takes over from the current one: reference figures, and axes to replace with them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from segpipe.core.errors import InputError
from segpipe.core.progress import Quiet, StageClock
from segpipe.core.report import AxisDecision, SourceInfo
from segpipe.core.schema import Reference
from segpipe.core.settings import AxisSettings, RunSettings
from segpipe.discovery.outcome import Discovery
from segpipe.model.document import FORMAT, AxisModel, Model, Segment
from segpipe.model.outlook import Outlook
from segpipe.model.preprocessing import FeatureScale
from segpipe.pipeline import stages
from segpipe.pipeline.context import RunContext
from segpipe.pipeline.session import RunSession
from segpipe.runs import PublishedRun
from tests.support.features import AS_OF
from tests.support.page_values import SOURCE

REFERENCE = Reference(AS_OF, {"shoes": 40.0}, 20.0, ("web", "store"), 30.0)
INPUTS = frozenset({"category", "channel", "product"})


def _axis(name: str, measure: str) -> AxisModel:
    scale = FeatureScale(measure, "identity", 0.0, -1.0, 1.0, 0.0, 1.0)
    return AxisModel(name, "marketing", "groups", None, 0.5, (), (scale,), (), "unavailable")


MODEL = Model(
    42,
    tuple(sorted(INPUTS)),
    "UTC",
    REFERENCE,
    (_axis("value_sophistication", "price_position"), _axis("purchase_value", "lifetime_value")),
)


def _context(
    model: Model | None = MODEL,
    model_format: int = FORMAT,
    **settings: Any,  # noqa: ANN401
) -> RunContext:
    published = PublishedRun(1, AS_OF, {"format": model_format})
    session = RunSession(None, 2, published, None, None)  # type: ignore[arg-type] # no connection
    clock = StageClock(Quiet())
    engine: Any = None
    return RunContext(RunSettings(**settings), clock, engine, session, None, model)


def _source(*missing: str, **more: str) -> SourceInfo:
    return replace(SOURCE, inputs=(INPUTS - set(missing)) | set(more))


@pytest.mark.parametrize("rediscover", [None, ("purchase_value",)])
def test_usual_prices_stay_while_their_axes_do(rediscover: tuple[str, ...] | None) -> None:
    run = _context(rediscover=rediscover)
    for source in (_source(), _source("product"), _source(tickets="yes")):
        assert stages.current_reference(run, source) == REFERENCE
        assert stages.axes_to_rediscover(run, source) == rediscover


@pytest.mark.parametrize(
    ("rediscover", "missing", "also"),
    [
        (("value_sophistication",), (), ("value_sophistication",)),
        ((), (), ()),
        (None, ("category",), ("value_sophistication",)),
        (("purchase_value",), ("channel",), ("purchase_value", "value_sophistication")),
    ],
)
def test_usual_prices_are_learnt_again_together_with_their_axes(
    rediscover: tuple[str, ...] | None, missing: tuple[str, ...], also: tuple[str, ...]
) -> None:
    run, source = _context(rediscover=rediscover), _source(*missing)
    assert stages.current_reference(run, source) is None
    assert stages.axes_to_rediscover(run, source) == also


@pytest.mark.parametrize(
    "run", [_context(None), _context(model_format=3), replace(_context(), session=None)]
)
def test_without_a_current_model_of_this_format_all_is_learnt(run: RunContext) -> None:
    assert stages.current_reference(run, _source()) is None
    assert stages.axes_to_rediscover(run, _source()) is None


def test_a_settings_file_changes_the_cuts_of_one_axis() -> None:
    settings = RunSettings(axes={"purchase_value": AxisSettings("quantiles")})
    stages.check_named_axes(settings)
    cuts = {axis.name: axis.cuts for axis in stages.axes_of_run(settings, INPUTS)}
    assert cuts.pop("purchase_value") == "quantiles"
    assert set(cuts.values()) == {"breaks"}
    with pytest.raises(InputError, match="purchase_value"):
        stages.check_named_axes(RunSettings(axes={"purchase_valu": AxisSettings()}))


def test_an_axis_of_tickets_can_be_asked_for_only_with_tickets(tmp_path: Path) -> None:
    asked = RunSettings(rediscover=("support_history",))
    with pytest.raises(InputError, match="support_history") as error:
        stages.check_named_axes(asked)
    assert "problem_complexity_profile" in str(error.value)
    assert str(error.value).count("support_history") == 1
    with_tickets = replace(asked.source, tickets_path=tmp_path / "tickets.csv")
    stages.check_named_axes(replace(asked, source=with_tickets))


def test_descriptions_and_measures_of_a_model_name_the_shops_channels() -> None:
    text = "places 80% of orders in the shop's second channel (shop median 5%)"
    segment = Segment(1, "in_store", "", (), text, {}, 0.5)
    axis = replace(_axis("communication_preference", "channel_2_share"), segments=(segment,))
    found = Discovery(axis, AxisDecision("new"))
    outlook = Outlook(90, None, None, None, is_provisional=False, reason="short", check=None)
    model = stages.make_model(_context(), _source(), REFERENCE, outlook, [found])
    (named,) = model.axes[0].segments
    assert "second channel (store) (shop median" in named.description
    assert model.measure("channel_2_share").label == "orders in the shop's second channel (store)"
    assert "(web)" in model.measure("n_channel_1_orders").phrase
