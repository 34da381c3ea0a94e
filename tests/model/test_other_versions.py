"""Models of other versions: an older format, measures that this version does not know, tiers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from segpipe import answers, postgres
from segpipe.axes import MEASURES
from segpipe.axes.catalogue import read_axis
from segpipe.core.errors import InputError
from segpipe.model.assign import needed_measures
from segpipe.model.document import model_of, read_model
from segpipe.postgres import Connection
from segpipe.realtime import Assigned, assign_customers, customer_of, prepare_features
from tests.support.commands import FEW_KS, call, shop_lines, write_shop

NEW = {
    "name": "brand_affinity",
    "label": "affinity to one brand",
    "unit": "share",
    "definition": "largest brand's lines / lines",
    "phrase": "buys {} of one brand",
    "format": "percent",
}
TIERS = """
name = "value_tiers"
question = "How much are they worth?"
clusterer = "cuts"

[[features]]
measure = "lifetime_value"
transform = "signed_log"

[[features]]
measure = "n_orders"
transform = "log"
"""
REQUEST: dict[str, Any] = {
    "customer_id": "new",
    "orders": [
        {"order_id": "1", "order_date": "2025-04-01", "total_price": Decimal(80)},
        {"order_id": "2", "order_date": "2025-05-01", "total_price": Decimal(20)},
    ],
}


def _as_format_2(document: dict[str, Any]) -> dict[str, Any]:
    """The same model as an earlier version wrote it."""
    axes = []
    for axis in document["axes"]:
        partition = axis["partition"]
        own = {name: value for name, value in axis.items() if name != "partition"}
        if axis["rules"]:  # which format 2 did not have
            own["partition"] = None
        elif partition:
            own["segments"] = [
                {**segment, "centroid": centroid}
                for segment, centroid in zip(axis["segments"], partition["centroids"], strict=True)
            ]
        axes.append(own)
    kept = {name: value for name, value in document.items() if name != "measures"}
    return {**kept, "format": 2, "axes": axes}


def _with_unknown_measure(document: dict[str, Any], old: str = "n_categories") -> dict[str, Any]:
    """The model with a measure that this version does not compute in one's place."""
    text = json.dumps(document).replace(f'"{old}"', f'"{NEW["name"]}"')
    changed: dict[str, Any] = json.loads(text)
    changed["measures"][NEW["name"]] = NEW
    return changed


@pytest.fixture
def shop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """The model of a small shop, beside its lines."""
    lines, model = write_shop(tmp_path / "lines.csv", shop_lines(120)), tmp_path / "model.json"
    run = call(capsys, "run", lines, *FEW_KS, "--dry-run", "--quiet", "--model-out", model)
    assert run.status == 0, run.err
    return model


@pytest.fixture
def published(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], database_url: str
) -> Iterator[tuple[str, Connection]]:
    """A published run whose stored model then is that of another version."""
    lines = write_shop(tmp_path / "lines.csv", shop_lines(120))
    run = call(capsys, "run", lines, *FEW_KS, "--quiet", "--database-url", database_url)
    assert run.status == 0, run.err
    with postgres.connect(database_url) as connection:
        (document,) = postgres.fetch_one(connection, "SELECT model FROM segmentation_runs")
        connection.execute(
            "UPDATE segmentation_runs SET model = %s::text::json",
            [json.dumps(_with_unknown_measure(document))],
        )
        yield database_url, connection


def test_a_model_of_format_2_is_the_same_model(shop: Path) -> None:
    model = read_model(shop)
    old = _as_format_2(model.document())
    again = model_of(json.loads(json.dumps(old)))
    assert again == model
    assert again.hash() == model.hash()


def test_better_words_make_no_other_model(shop: Path) -> None:
    model = read_model(shop)
    document = json.loads(model.to_json())
    for axis in document["axes"]:
        axis["reason"] = "another reason"
        for segment in axis["segments"]:
            segment["description"] = segment["meaning"] = "Another sentence."
    document["measures"]["n_occasions"]["label"] = "purchases"
    assert model_of(document).hash() == model.hash()
    document["axes"][1]["segments"][0]["name"] = "another_name"
    assert model_of(document).hash() != model.hash()


def test_what_a_newer_version_says_of_a_measure_is_left_out(shop: Path) -> None:
    document = read_model(shop).document()
    newer = json.loads(json.dumps(document))
    for measure in newer["measures"].values():
        measure["since_version"] = "9.0"
    assert model_of(newer) == model_of(document)
    del newer["measures"]["n_occasions"]["label"]
    with pytest.raises(InputError, match=r"damaged .*label"):
        model_of(newer)


def test_the_words_of_its_measures_travel_with_the_model(shop: Path) -> None:
    document = read_model(shop).document()
    named = {scale["measure"] for axis in document["axes"] for scale in axis["scales"]}
    assert named <= set(document["measures"])
    assert document["measures"]["n_occasions"]["label"] == MEASURES["n_occasions"].label
    other = model_of(_with_unknown_measure(document))
    assert other.measure("brand_affinity").label == "affinity to one brand"
    assert other.hash() != read_model(shop).hash()


def test_a_new_customer_gets_a_segment_by_a_model_with_an_unknown_measure(shop: Path) -> None:
    model = model_of(_with_unknown_measure(read_model(shop).document()))
    assert "brand_affinity" in needed_measures(model)
    with prepare_features(model) as prepared:
        (answer,) = assign_customers(prepared, model, [customer_of(REQUEST)])
    assert isinstance(answer, Assigned)
    assert set(answer.segment_memberships) == {axis.name for axis in model.axes}


def test_a_run_with_a_given_model_says_which_measure_it_lacks(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = _with_unknown_measure(read_model(shop).document())
    shop.write_text(json.dumps(document), encoding="utf-8")
    run = call(capsys, "run", shop.with_name("lines.csv"), "--dry-run", "--model", shop)
    assert run.status == 2
    assert "brand_affinity" in run.err


def test_a_published_model_with_an_unknown_measure_is_explained_reported_and_served(
    published: tuple[str, Connection], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    url, connection = published
    explained = call(capsys, "explain", "c0001", "--database-url", url)
    assert explained.status == 0, explained.err
    whole = answers.explain_customer(connection, "default", "c0001")
    assert whole
    figures = [figure for axis in whole["axes"] for figure in axis["figures"]]
    labels = {figure["label"] for figure in figures if figure["measure"] == "brand_affinity"}
    assert labels <= {"affinity to one brand"}
    axes = answers.read_axes(connection, "default")
    assert axes
    features = [feature for axis in axes["axes"] for feature in axis["features"]]
    (new,) = [f for f in features if f["measure"] == "brand_affinity"][:1]
    assert (new["label"], new["unit"]) == ("affinity to one brand", "share")
    page = tmp_path / "report.html"
    reported = call(capsys, "report", "latest", "--out", page, "--database-url", url)
    assert reported.status == 0, reported.err
    assert "affinity to one brand" in page.read_text(encoding="utf-8")


def test_the_next_run_goes_on_after_a_model_with_an_unknown_measure(
    published: tuple[str, Connection], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    url, connection = published
    lines = tmp_path / "lines.csv"
    run = call(capsys, "run", lines, *FEW_KS, "--force", "--quiet", "--database-url", url)
    assert run.status == 0, run.err
    (n_runs,) = postgres.fetch_one(
        connection, "SELECT count(*) FROM segmentation_runs WHERE status = 'published'"
    )
    assert n_runs == 2


def test_an_axis_of_tiers_is_published_and_served_like_any_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], database_url: str
) -> None:
    own = tmp_path / "value_tiers.toml"
    own.write_text(TIERS, encoding="utf-8")
    lines = write_shop(tmp_path / "lines.csv", shop_lines(120))
    url = ("--database-url", database_url)
    run = call(capsys, "run", lines, *FEW_KS, "--axis-file", own, "--quiet", *url)
    assert run.status == 0, run.err
    with postgres.connect(database_url) as connection:
        (document,) = postgres.fetch_one(connection, "SELECT model FROM segmentation_runs")
        rows = connection.execute(
            "SELECT segment_memberships->>'value_tiers', min(lifetime_value), max(lifetime_value)"
            " FROM customer_profiles GROUP BY 1 ORDER BY 2"
        ).fetchall()
    (axis,) = [axis for axis in document["axes"] if axis["name"] == "value_tiers"]
    assert axis["partition"]["kind"] == "cuts"
    assert [scale["measure"] for scale in axis["scales"]] == ["lifetime_value"]
    assert len(rows) == len(axis["partition"]["cuts"]) + 1
    bounds = [(low, high) for _, low, high in rows]
    assert all(high <= low for (_, high), (low, _) in pairwise(bounds))
    explained = call(capsys, "explain", "c0001", "--axis", "value_tiers", *url)
    assert explained.status == 0, explained.err
    model = model_of(document)
    with prepare_features(model) as prepared:
        (answer,) = assign_customers(prepared, model, [customer_of(REQUEST)])
    assert isinstance(answer, Assigned)
    assert answer.segment_memberships["value_tiers"] in {name for name, *_ in rows}


def test_a_clusterer_that_is_not_known_is_refused(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text(TIERS.replace('"cuts"', '"magic"'), encoding="utf-8")
    with pytest.raises(InputError, match="clusterer is 'magic'; expected 'kmeans' or 'cuts'"):
        read_axis(own)
