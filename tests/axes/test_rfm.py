"""The axis rfm: opt-in by name, by scores and twelve rules; and a fixed number of segments."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from segpipe.axes import Axis, Feature, axes_for
from segpipe.axes.catalogue import axis_path, read_axis, shipped_axes
from segpipe.clustering.choose_k import choose_partition
from segpipe.core.errors import InputError
from segpipe.core.settings import ClusterSettings
from segpipe.core.verdicts import GROUPS, K_MEANS, RULES
from segpipe.discovery.discover import discover
from segpipe.discovery.outcome import Discovery
from segpipe.discovery.sampling import Sample
from segpipe.model.assign import Tally, assign_axis
from segpipe.model.derived import derive
from segpipe.model.rules import RuleList, SegmentRule, meets
from tests.support.commands import AXIS_NAMES, FEW_KS, call, profiles, shop_lines, write_shop
from tests.support.samples import AS_OF, sample_of

RFM = Path("rfm")
SETTINGS = ClusterSettings(restarts=4)
BY_K_MEANS = replace(SETTINGS, method="kmeans")


def test_the_shipped_axis_is_there_only_when_asked_for_by_name() -> None:
    assert "rfm" not in [axis.name for axis in axes_for(frozenset())]
    axis = axes_for(frozenset(), [RFM])[-1]
    assert axis.features == (
        Feature("recency_days", "log"),
        Feature("n_occasions", "log"),
        Feature("lifetime_value", "signed_log"),
    )
    assert not axis.has_groups
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


# The contract's table: one name a line, for recency, FM, value, occasions and tenure.
NAMES = {
    "new_customers": (5, 2, 1, 1, 90),
    "champions": (4, 5, 5, 2, 400),
    "cannot_lose": (2, 4, 4, 2, 400),
    "loyal": (3, 4, 4, 2, 400),
    "potential_loyalist": (4, 3.5, 4, 2, 400),
    "big_spenders": (3, 4, 4, 1, 91),
    "promising": (4, 2, 3, 1, 91),
    "at_risk": (1, 3, 3, 4, 400),
    "needs_attention": (3, 3.5, 4, 4, 400),
    "about_to_sleep": (3, 2.5, 2, 4, 400),
    "hibernating": (2, 2.5, 2, 4, 400),
    "lost": (1, 2.5, 2, 4, 400),
}
FIGURES = ("recency_score", "fm_score", "monetary_score", "n_occasions", "tenure_days")


def _rules(axis: Axis) -> RuleList:
    return RuleList(tuple(SegmentRule(index, rule.any_of) for index, rule in enumerate(axis.rules)))


def test_the_first_rule_that_holds_gives_one_of_twelve_names() -> None:
    axis = read_axis(RFM)
    assert [rule.name for rule in axis.rules] == list(NAMES)
    figures = np.array(list(NAMES.values())).T
    columns = dict(zip(FIGURES, figures, strict=True))
    labels, _ = _rules(axis).assign(columns)
    assert labels.tolist() == list(range(12))
    for rule, index in zip(axis.rules, labels, strict=True):
        assert meets(rule.claim, {name: v[[index]] for name, v in columns.items()}, 1).all()


def test_everybody_has_a_name_and_every_claim_follows_from_the_rules() -> None:
    axis = read_axis(RFM)
    scores, middles, occasions = range(1, 6), np.arange(1, 5.5, 0.5), (1, 2, 9)
    table = np.array(list(product(scores, middles, scores, occasions, (90, 91)))).T
    columns = dict(zip(FIGURES, table, strict=True))
    labels, _ = _rules(axis).assign(columns)
    assert set(labels.tolist()) == set(range(12))
    for index, rule in enumerate(axis.rules):
        mine = {name: values[labels == index] for name, values in columns.items()}
        assert meets(rule.claim, mine, int((labels == index).sum())).all(), rule.name


def test_scores_are_fifths_of_the_shop() -> None:
    n = 1000
    draw = np.random.default_rng(7)
    columns = {
        "recency_days": draw.permutation(n) * 1.0,
        "tenure_days": np.full(n, 1500.0),
        "n_occasions": np.where(np.arange(n) < 500, 1.0, draw.integers(2, 20, n)),
        "lifetime_value": draw.lognormal(4, 1, n),
    }
    found = _discovered(read_axis(RFM), sample_of(columns)).model
    assert (found.verdict, len(found.segments)) == (RULES, 12)
    scores = derive(columns, ["recency_score", "rfm_score"], found.priors)
    assert np.bincount(scores["recency_score"].astype(int)).tolist() == [0, *[200] * 5]
    assert scores["recency_score"][columns["recency_days"] == 0] == 5
    labels, _ = assign_axis(found, columns, n, Tally())
    champions = scores["rfm_score"][labels == list(NAMES).index("champions")]
    assert set(champions.tolist()) == {455, 555}


def _shop(groups: dict[str, tuple[float, ...]], n: int = 60) -> tuple[Sample, list[str]]:
    """A sample of groups of n, each at recency, occasions, value and tenure; their names."""
    draw = np.random.default_rng(7)
    middles = np.repeat(np.array(list(groups.values())), n, axis=0)
    values = middles * np.exp(draw.normal(0, 0.05, middles.shape))
    values[:, 1] = np.maximum(values[:, 1], 1)
    values[:, 3] = np.maximum(values[:, 3], values[:, 0])
    measures = ("recency_days", "n_occasions", "lifetime_value", "tenure_days")
    return sample_of(dict(zip(measures, values.T, strict=True))), list(groups)


def _discovered(axis: Axis, sample: Sample, settings: ClusterSettings = SETTINGS) -> Discovery:
    return discover(sample, [axis], frozenset(), settings, 42, as_of=AS_OF)[0]


def test_with_k_means_each_group_of_a_shop_gets_its_usual_rfm_name() -> None:
    sample, names = _shop(
        {
            "champions": (8, 30, 4000, 900),
            "loyal": (9, 20, 300, 800),
            "new_customers": (10, 1, 50, 10),
            "cannot_lose": (250, 22, 3500, 900),
            "hibernating": (400, 4, 120, 700),
            "lost": (900, 1, 40, 900),
        }
    )
    found = _discovered(read_axis(RFM), sample, BY_K_MEANS)
    assert found.model.verdict in (K_MEANS, GROUPS)
    assert {segment.name for segment in found.model.segments} == set(names)
    champion = next(s for s in found.model.segments if s.name == "champions")
    assert champion.medians["n_occasions"] == pytest.approx(30, rel=0.05)
    assert champion.description.startswith("Bought recently, often and for much: the typical one ")


def test_a_fixed_number_is_the_only_one_that_is_tried() -> None:
    sample, _ = _shop({"a": (8, 30, 4000, 900), "b": (300, 2, 90, 700)})
    found = _discovered(replace(read_axis(RFM), n_segments=2), sample, BY_K_MEANS)
    assert [candidate.n_clusters for candidate in found.candidates] == [2]
    assert found.choice == "fixed by the axis"
    assert (found.model.verdict, len(found.model.segments)) == (K_MEANS, 2)


def test_a_fixed_number_may_be_outside_the_searched_range() -> None:
    sample, _ = _shop({"a": (8, 30, 4000, 900), "b": (300, 2, 90, 700)})
    found = _discovered(replace(read_axis(RFM), n_segments=9), sample, BY_K_MEANS)
    assert len(found.model.segments) == 9
    assert found.choice
    assert found.choice.startswith("fixed by the axis")
    assert found.model.silhouette == found.candidates[0].silhouette


def test_a_small_segment_of_a_fixed_number_is_reported_and_kept() -> None:
    draw = np.random.default_rng(3)
    middles = np.repeat([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]], [300, 294, 6], axis=0)
    points = middles + draw.normal(0, 0.2, middles.shape)
    found = choose_partition(draw.permutation(points), np.ones(600), SETTINGS, seed=1, n_segments=3)
    assert found.partition
    assert found.choice == "fixed by the axis, though smallest segment 1.0% below 2%"


def test_fewer_customers_than_fixed_segments_have_none() -> None:
    points = np.array([[0.0], [1.0], [2.0]]).repeat(100, axis=0)
    found = choose_partition(points, np.ones(300), SETTINGS, seed=1, n_segments=5)
    assert found.partition is None
    assert found.choice == "only 3 distinct customers, and the axis asks for 5 segments"


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
    assert all(re.fullmatch("[1-5]{3}", row["rfm_score"]) for row in found)
    assert given <= {segment["name"] for segment in with_rfm["axes"][-1]["segments"]}
