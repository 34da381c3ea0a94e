"""The axis rfm: opt-in by name, with true names; and a fixed number of segments."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from segpipe.axes import Axis, Feature, axes_for
from segpipe.axes.catalogue import axis_path, read_axis, shipped_axes
from segpipe.clustering.choose_k import choose_partition
from segpipe.core.errors import InputError
from segpipe.core.settings import ClusterSettings
from segpipe.discovery.discover import Discovery, discover
from segpipe.discovery.sampling import Sample
from tests.support.commands import AXIS_NAMES, FEW_KS, call, profiles, shop_lines, write_shop

RFM = Path("rfm")
SETTINGS = ClusterSettings(restarts=4)


def test_the_shipped_axis_is_there_only_when_asked_for_by_name() -> None:
    assert "rfm" not in [axis.name for axis in axes_for(frozenset())]
    axis = axes_for(frozenset(), [RFM])[-1]
    assert axis.features == (
        Feature("recency_days", "log"),
        Feature("n_orders", "log"),
        Feature("lifetime_value", "signed_log"),
    )
    assert (axis.name, axis.group, axis.n_segments) == ("rfm", "marketing", None)
    assert [name for name in shipped_axes() if name == "rfm"]


def test_a_file_of_the_user_replaces_the_shipped_axis(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    RFM.mkdir()
    assert axis_path(RFM) == shipped_axes()["rfm"]  # a folder is no file
    RFM.rmdir()
    text = 'name = "own"\nquestion = "?"\nfeatures = [{ measure = "n_orders" }]\n'
    RFM.write_text(text, encoding="utf-8")
    assert read_axis(RFM).name == "own"


def test_an_unknown_name_is_an_error_that_suggests_a_shipped_axis() -> None:
    with pytest.raises(InputError, match=r"no axis file rmf; .* Did you mean rfm\?"):
        read_axis(Path("rmf"))


def test_the_axis_cannot_be_asked_for_twice() -> None:
    with pytest.raises(InputError, match="the axis name 'rfm' is taken"):
        axes_for(frozenset(), [RFM, RFM])


@pytest.mark.parametrize("number", ["1", "21", "true", '"5"', "2.5"])
def test_an_impossible_number_of_segments_is_an_error(tmp_path: Path, number: str) -> None:
    text = shipped_axes()["rfm"].read_text(encoding="utf-8")
    path = tmp_path / "own.toml"
    path.write_text(
        text.replace("# n_segments = 5 #", f"n_segments = {number} #"), encoding="utf-8"
    )
    with pytest.raises(InputError, match=r"n_segments is .*; expected a whole number"):
        read_axis(path)


def test_the_line_in_the_shipped_file_fixes_the_number(tmp_path: Path) -> None:
    text = shipped_axes()["rfm"].read_text(encoding="utf-8")
    path = tmp_path / "own.toml"
    path.write_text(text.replace("# n_segments = 5 #", "n_segments = 5 #"), encoding="utf-8")
    assert read_axis(path) == replace(read_axis(RFM), n_segments=5)


def _shop(groups: dict[str, tuple[float, ...]], n: int = 60) -> tuple[Sample, list[str]]:
    """A sample of groups of n, each at recency, orders, value, tenure and overdue; their names."""
    draw = np.random.default_rng(7)
    middles = np.repeat(np.array(list(groups.values())), n, axis=0)
    values = middles * np.exp(draw.normal(0, 0.05, middles.shape))
    measures = (
        "recency_days",
        "n_orders",
        "lifetime_value",
        "tenure_days",
        "recency_over_expected_gap",
    )
    columns = {"customer_id": pa.array([f"c{i:04d}" for i in range(len(values))])}
    columns |= {name: pa.array(values[:, i]) for i, name in enumerate(measures)}
    return Sample(pa.table(columns), np.ones(len(values))), list(groups)


def _discovered(axis: Axis, sample: Sample) -> Discovery:
    return discover(sample, [axis], frozenset(), SETTINGS, 42)[0]


def test_each_group_of_a_shop_gets_its_usual_rfm_name() -> None:
    sample, names = _shop(
        {
            "champions": (8, 30, 4000, 900, 0.4),
            "loyal": (9, 20, 300, 800, 0.6),
            "new_customers": (10, 1, 50, 10, 0.5),
            "cannot_lose": (250, 22, 3500, 900, 6.0),
            "hibernating": (400, 4, 120, 700, 3.0),
            "lost": (900, 1, 40, 900, 9.0),
        }
    )
    found = _discovered(read_axis(RFM), sample)
    assert found.model.verdict == "clustered"
    by_recency = sorted(found.model.segments, key=lambda s: s.medians["recency_days"])
    assert {segment.name for segment in by_recency} == set(names)
    champion = next(s for s in found.model.segments if s.name == "champions")
    assert champion.medians["n_orders"] == pytest.approx(30, rel=0.05)
    assert champion.description.startswith("Bought recently, often and for much: the typical one ")


def test_a_name_whose_claims_fail_is_not_given() -> None:
    """Frequent and valuable as champions are, but overdue: no name may say `lately` of them."""
    sample, _ = _shop({"best": (200, 30, 4000, 900, 6.0), "rest": (20, 3, 100, 300, 0.5)})
    found = _discovered(replace(read_axis(RFM), n_segments=2), sample)
    names = {segment.name for segment in found.model.segments}
    assert names == {"cannot_lose", "promising"}


def test_a_fixed_number_is_the_only_one_that_is_tried() -> None:
    sample, _ = _shop({"a": (8, 30, 4000, 900, 0.4), "b": (300, 2, 90, 700, 6.0)})
    found = _discovered(replace(read_axis(RFM), n_segments=2), sample)
    assert [candidate.n_clusters for candidate in found.candidates] == [2]
    assert found.choice == "fixed by the axis"
    assert (found.model.verdict, len(found.model.segments)) == ("clustered", 2)


def test_a_fixed_number_may_be_outside_the_searched_range() -> None:
    sample, _ = _shop({"a": (8, 30, 4000, 900, 0.4), "b": (300, 2, 90, 700, 6.0)})
    found = _discovered(replace(read_axis(RFM), n_segments=9), sample)
    assert len(found.model.segments) == 9
    assert found.model.verdict == "no structure"
    assert found.choice == "fixed by the axis"
    assert found.model.silhouette == found.candidates[0].silhouette


def test_halves_that_disagree_are_the_verdict_of_a_fixed_number() -> None:
    points = np.random.default_rng(3).normal(size=(400, 3))
    strict = replace(SETTINGS, min_reproducibility=0.99, min_segment_share=0.0)
    found = choose_partition(points, np.ones(400), strict, seed=1, n_segments=5)
    halves = found.candidates[0].reproducibility
    assert found.partition is not None
    assert found.choice == f"fixed by the axis, though halves agree {halves:.2f}, below 0.99"
    assert found.verdict == "no structure"
    assert found.reason is not None
    assert f"halves agree {halves:.2f}, below 0.99" in found.reason


def test_a_small_segment_of_a_fixed_number_is_reported_and_kept() -> None:
    draw = np.random.default_rng(3)
    middles = np.repeat([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]], [300, 294, 6], axis=0)
    points = middles + draw.normal(0, 0.2, middles.shape)
    found = choose_partition(draw.permutation(points), np.ones(600), SETTINGS, seed=1, n_segments=3)
    assert found.verdict == "clustered"
    assert found.choice == "fixed by the axis, though smallest segment 1.0% below 2%"


def test_fewer_customers_than_fixed_segments_have_no_structure() -> None:
    points = np.array([[0.0], [1.0], [2.0]]).repeat(100, axis=0)
    found = choose_partition(points, np.ones(300), SETTINGS, seed=1, n_segments=5)
    assert found.partition is None
    assert found.reason == "only 3 distinct customers, and the axis asks for 5 segments"


def test_a_run_publishes_the_axis_next_to_the_unchanged_13(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, database_url: str
) -> None:
    shop = write_shop(tmp_path / "shop.csv", shop_lines())
    config = tmp_path / "segpipe.toml"
    config.write_text('[features]\naxis_paths = ["rfm"]\n', encoding="utf-8")
    models: list[dict[str, Any]] = []
    for more in (("--dry-run",), ("--config", config, "--database-url", database_url)):
        path = tmp_path / "model.json"
        done = call(
            capsys, "run", "--csv-path", shop, *FEW_KS, "--quiet", "--model-out", path, *more
        )
        assert done.status == 0, done.err
        models.append(json.loads(path.read_text(encoding="utf-8")))
    plain, with_rfm = models
    assert [axis["name"] for axis in plain["axes"]] == AXIS_NAMES
    assert [axis["name"] for axis in with_rfm["axes"]] == [*AXIS_NAMES, "rfm"]
    assert with_rfm["axes"][:-1] == plain["axes"]
    found = profiles(database_url)
    assert found
    assert all(set(row["segment_memberships"]) == {*AXIS_NAMES, "rfm"} for row in found)
    given = {row["segment_memberships"]["rfm"] for row in found}
    assert given == {segment["name"] for segment in with_rfm["axes"][-1]["segments"]}
