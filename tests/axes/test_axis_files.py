"""A user's own axis is read from a file, comes last, and is checked strictly."""

from __future__ import annotations

from pathlib import Path

import pytest

from segpipe.axes import axes_for
from segpipe.axes.catalogue import read_axis
from segpipe.axes.record import Condition, Feature, Learnt, Rule, Tier
from segpipe.core.errors import InputError
from segpipe.core.schema import INPUTS

ORDERS = frozenset(INPUTS) - {"tickets"}

OWN = """
name = "rfm"
question = "How recent, frequent and valuable?"
min_segments = 3

[[eligibility]]
measure = "n_orders"
at_least = 1
state = "nobody"

[[features]]
measure = "recency_days"
transform = "log"

[[features]]
measure = "n_products"
needs = ["product"]

[[prototypes]]
name = "champion"
description = "are the best"
position = { recency_days = -1.0 }

[[prototypes.claims]]
measure = "recency_days"
side = "below"
quantile = 0.3
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "rfm.toml"
    path.write_text(OWN, encoding="utf-8")
    return path


def test_an_axis_of_the_user_is_read_and_comes_last(own: Path) -> None:
    axis = axes_for(ORDERS, [own])[-1]
    assert (axis.name, axis.group, axis.min_segments) == ("rfm", "marketing", 3)
    assert axis.features == (
        Feature("recency_days", "log"),
        Feature("n_products", needs=("product",)),
    )
    assert axis.prototypes[0].claims[0].quantile == 0.3
    assert axis.prototypes[0].position == {"recency_days": -1.0}
    assert axis.eligibility[0].state == "nobody"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "rfm"', 'name = "purchase_value"', "'purchase_value' is taken"),
        ('name = "rfm"', 'name = "support_history"', "'support_history' is taken"),
        ('name = "rfm"', "", "axis file .*: name is missing"),
        ('name = "rfm"', 'nome = "rfm"', "'nome' is not a known key; known: name, question"),
        (
            '"recency_days"\ntransform',
            '"recency"\ntransform',
            "'recency'. Did you mean rec",
        ),
        ('transform = "log"', 'transform = "sqrt"', "transform is 'sqrt'; expected 'identity' or"),
        ('side = "below"', 'side = "under"', "side is 'under'; expected 'above' or 'below'"),
        ("quantile = 0.3", "quantil = 0.3", r"'quantil' is not a key of \[prototypes.claims\]"),
        ('state = "nobody"', "", "eligibility.state is missing"),
        ("[[eligibility]]", "[eligibility]", r"write each as \[\[eligibility\]\]"),
        ('name = "rfm"', 'name = "rfm"\ngroup = "sales"', "group is 'sales'; expected 'marketing'"),
        ('name = "rfm"', "name = rfm", "is not TOML"),
    ],
)
def test_a_wrong_axis_file_is_an_error_that_says_why(
    own: Path, old: str, new: str, message: str
) -> None:
    own.write_text(OWN.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError, match=message):
        axes_for(ORDERS, [own])


def test_an_axis_without_features_or_file_is_an_error(tmp_path: Path) -> None:
    empty = tmp_path / "empty.toml"
    empty.write_text('name = "x"\nquestion = "?"\n', encoding="utf-8")
    with pytest.raises(InputError, match=r"has no \[\[features\]\]"):
        read_axis(empty)
    with pytest.raises(InputError, match="no axis file"):
        read_axis(tmp_path / "none.toml")


def test_two_files_with_one_name_are_an_error(own: Path, tmp_path: Path) -> None:
    twin = tmp_path / "twin.toml"
    twin.write_text(OWN, encoding="utf-8")
    with pytest.raises(InputError, match="'rfm' is taken"):
        axes_for(ORDERS, [own, twin])


LADDER = """
name = "spenders"
question = "How much do they spend?"
cuts = "quantiles"

[[eligibility]]
measure = "n_orders"
at_least = 1
state = "nobody"
only = [{ measure = "n_lines", side = "below", bound = 5 }]

[[main]]
measure = "lifetime_value"
transform = "signed_log"

[[features]]
measure = "lifetime_value"
transform = "signed_log"

[[rules]]
name = "regulars"
meaning = "come often"
any_of = [[{ measure = "n_orders", side = "at_least", learnt = { quantile = 0.9, least = 5 } }]]
within = "small"

[[tiers]]
name = "small"
meaning = "spend least"
top = 0.5

[[tiers]]
name = "big"
meaning = "spend most"
top = 1
also = [{ measure = "n_lines", side = "above", bound = 2 }]
"""


def test_an_axis_of_the_user_may_have_tiers_and_rules(tmp_path: Path) -> None:
    path = tmp_path / "ladder.toml"
    path.write_text(LADDER, encoding="utf-8")
    axis = read_axis(path)
    assert (axis.cuts, axis.has_vocabulary) == ("quantiles", True)
    assert axis.eligibility[0].only == (Condition("n_lines", "below", 5.0),)
    learnt = Condition("n_orders", "at_least", learnt=Learnt(quantile=0.9, least=5.0))
    assert axis.rules == (Rule("regulars", "come often", ((learnt,),), within="small"),)
    assert axis.tiers == (
        Tier("small", "spend least", 0.5),
        Tier("big", "spend most", 1.0, also=(Condition("n_lines", "above", 2.0),)),
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('within = "small"', 'within = "tiny"', "'regulars' is within 'tiny'; tiers: small, big"),
        ("top = 0.5", "top = 1.5", r"tops .* are \[1.5, 1.0\]; expected shares from low to high"),
        ("top = 1\n", "top = 0.9\n", "the last one 1"),
        ('[[main]]\nmeasure = "lifetime_value"\ntransform = "signed_log"', "", r"no \[\[main\]\]"),
        ('side = "above"', 'side = "over"', "side is 'over'; expected 'at_least' or 'above'"),
        ('"n_lines", side = "above"', '"n_rows", side = "above"', "no measure 'n_rows'"),
        ('"n_lines", side = "below"', '"n_rows", side = "below"', "no measure 'n_rows'"),
        ('"n_orders", side', '"orders", side', "no measure 'orders'"),
        ("least = 5", 'least = 5, among = "age"', "no measure 'age'"),
        ('measure = "lifetime_value"\n', 'measure = "value"\n', "no measure 'value'"),
        ('state = "nobody"', 'state = "big"', "'big' is a segment and a state"),
        ("any_of = [[", "any_of = [[5, ", "expected a table"),
    ],
)
def test_wrong_tiers_and_rules_are_an_error_that_says_why(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    path = tmp_path / "ladder.toml"
    assert old in LADDER
    path.write_text(LADDER.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_axis(path)


def test_rules_without_an_end_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    text = LADDER[: LADDER.index("[[tiers]]")].replace('within = "small"', "")
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"last of the .* does not hold for everybody"):
        read_axis(path)
    path.write_text(text + '[[otherwise]]\nname = "unclear"\n', encoding="utf-8")
    assert read_axis(path).live_otherwise(frozenset()) == "unclear"
