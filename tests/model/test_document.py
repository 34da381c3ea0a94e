"""The model document: exact through JSON, and refused in words where it is none."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segpipe.axes import Claim, Eligibility
from segpipe.clustering.centroids import CentroidPartition
from segpipe.core.errors import InputError
from segpipe.core.schema import Reference
from segpipe.model.document import AxisModel, Model, Segment, model_of, read_model, write_model
from segpipe.model.preprocessing import FeatureScale

CLAIM = Claim("lifetime_value", "above", quantile=0.8)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
VALUE = AxisModel(
    name="purchase_value",
    group="marketing",
    verdict="k-means",
    reason=None,
    silhouette=0.1 + 0.2,
    eligibility=(Eligibility("n_orders", 2, "too_few_orders", needs=("product",)),),
    scales=(FeatureScale("lifetime_value", "signed_log", 1 / 3, -1.5, 9.25, 2.0, 0.7),),
    segments=(
        Segment(1, "low_value", "", (), "are worth least", {"lifetime_value": 12.5}, 0.6),
        Segment(2, "whale", "größer", (CLAIM,), "größer: 9", {}, 0.4),
    ),
    default_state="unavailable",
    partition=CentroidPartition(((-1.1,), (1.7,))),
)
NOBODY = AxisModel("own", "marketing", "unavailable", "no x", None, (), (), (), "unavailable")
MODEL = Model(
    seed=42,
    inputs=("category", "product"),
    timezone="Europe/Berlin",
    reference=Reference(date(2025, 3, 1), {"Tee": 3.5, "Café": 0.1}, 9.99, ("web", "pos"), 31.25),
    axes=(VALUE, NOBODY),
)


def test_through_json_the_model_is_the_same_to_the_bit(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    write_model(MODEL, path)
    again = read_model(path)
    assert again == MODEL
    assert again.hash() == MODEL.hash()
    assert path.read_text(encoding="utf-8") == MODEL.to_json() + "\n"


@given(st.lists(NUMBER, min_size=1, max_size=1), NUMBER, st.dictionaries(st.text(), NUMBER))
def test_any_number_survives(centroid: list[float], fill: float, prices: dict[str, float]) -> None:
    axis = replace(
        VALUE,
        scales=(replace(VALUE.scales[0], fill=fill),),
        segments=VALUE.segments[:1],
        partition=CentroidPartition((tuple(centroid),)),
    )
    reference = replace(MODEL.reference, category_prices=prices)
    model = replace(MODEL, axes=(axis,), reference=reference)
    assert model_of(json.loads(model.to_json())) == model


def test_the_hash_depends_on_what_was_learnt_and_on_nothing_else() -> None:
    backwards = dict(reversed(MODEL.reference.category_prices.items()))
    same = replace(MODEL, reference=replace(MODEL.reference, category_prices=backwards))
    assert same.hash() == MODEL.hash()
    assert replace(MODEL, seed=43).hash() != MODEL.hash()
    assert len(MODEL.hash()) == 64


def test_a_number_that_is_none_is_never_written() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        replace(MODEL, axes=(replace(VALUE, silhouette=float("nan")),)).to_json()


def test_the_vocabulary_is_segments_then_states_each_once() -> None:
    assert VALUE.vocabulary() == ("low_value", "whale", "too_few_orders")
    assert NOBODY.vocabulary() == ("unavailable",)


@pytest.mark.parametrize("document", [None, [], "text", {}, {"format": 99}, {"format": "1"}])
def test_a_foreign_document_is_refused(document: object) -> None:
    with pytest.raises(
        InputError, match=r"has format .*; expected 2 or 3 or 4: run discovery again"
    ):
        model_of(document)


def _without_axes(document: dict[str, Any]) -> None:
    del document["axes"]


def _with_a_day_that_is_none(document: dict[str, Any]) -> None:
    document["reference"]["as_of"] = "30 February"


def _with_a_foreign_key(document: dict[str, Any]) -> None:
    document["axes"][0]["scales"][0]["surprise"] = 1


def _with_text_for_an_axis(document: dict[str, Any]) -> None:
    document["axes"][0] = "purchase_value"


def _with_text_for_a_number(document: dict[str, Any]) -> None:
    document["axes"][0]["partition"]["centroids"][0] = ["far"]


def _with_a_short_centroid(document: dict[str, Any]) -> None:
    document["axes"][0]["partition"]["centroids"][0] = []


def _with_nan(document: dict[str, Any]) -> None:
    document["axes"][0]["partition"]["centroids"][0] = [float("nan")]


def _with_a_partition_of_another_kind(document: dict[str, Any]) -> None:
    document["axes"][0]["partition"]["kind"] = "magic"


def _with_a_segment_less(document: dict[str, Any]) -> None:
    del document["axes"][0]["segments"][0]


def _without_deviation(document: dict[str, Any]) -> None:
    document["axes"][0]["scales"][0]["deviation"] = 0.0


@pytest.mark.parametrize(
    "damage",
    [
        _without_axes,
        _with_a_day_that_is_none,
        _with_a_foreign_key,
        _with_text_for_an_axis,
        _with_text_for_a_number,
        _with_a_short_centroid,
        _with_nan,
        _with_a_partition_of_another_kind,
        _with_a_segment_less,
        _without_deviation,
    ],
)
def test_a_damaged_document_is_refused_in_words(damage: Callable[[dict[str, Any]], None]) -> None:
    document = json.loads(MODEL.to_json())
    damage(document)
    with pytest.raises(InputError, match=r"is damaged .*; run discovery again"):
        model_of(document)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"not json"])
def test_a_file_that_is_no_json_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match="is not JSON"):
        read_model(path)


def test_a_missing_or_unwritable_file_gets_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_model(tmp_path / "none.json")
    with pytest.raises(InputError, match="cannot be written"):
        write_model(MODEL, tmp_path)
