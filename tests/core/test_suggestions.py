"""A hint names what is spelt alike, else what there is."""

from __future__ import annotations

from segpipe.core.suggestions import did_you_mean


def test_names_that_are_spelt_alike_are_suggested() -> None:
    assert did_you_mean("wale", ["whale", "modest", "whale"]) == "Did you mean whale?"
    assert (
        did_you_mean("shop-wen", ["shop-web", "shop-app"]) == "Did you mean shop-web or shop-app?"
    )


def test_without_one_the_known_names_are_listed_and_cut_short() -> None:
    assert did_you_mean("QQ", ["whale", "modest"]) == "Known: whale, modest."
    assert did_you_mean("QQ", [f"name {n}" for n in range(21)]).endswith("name 19 and 1 more.")
    assert did_you_mean("QQ", []) == ""
