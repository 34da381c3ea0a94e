"""Small versions of the proof: what the segments of made shops say is true of their customers."""

from __future__ import annotations

from collections import Counter, deque

import numpy as np
import pytest

from segpipe.axes import AXES, RAW_MEASURES
from segpipe.core.settings import ClusterSettings
from segpipe.discovery.discover import discover
from segpipe.discovery.outcome import Discovery
from segpipe.model.assign import Tally, assign_axis, assign_batches
from segpipe.model.document import Model
from tests.support.shops import Shop, mixed_shop, steady_shop

SETTINGS = ClusterSettings(restarts=6, max_k=5)
Found = dict[str, Discovery]


def _discovered(shop: Shop) -> Found:
    found = discover(shop.sample, AXES, shop.inputs, SETTINGS, 1, as_of=shop.as_of)
    return {discovery.model.name: discovery for discovery in found}


@pytest.fixture(scope="module")
def steady() -> Shop:
    return steady_shop(1500, seed=11)


@pytest.fixture(scope="module")
def of_steady(steady: Shop) -> Found:
    return _discovered(steady)


@pytest.fixture(scope="module")
def mixed() -> Shop:
    return mixed_shop(1500, seed=21)


@pytest.fixture(scope="module")
def of_mixed(mixed: Shop) -> Found:
    return _discovered(mixed)


def _names(shop: Shop, found: Found, axis: str) -> list[str]:
    model = found[axis].model
    columns = {name: shop.sample.customers[name].to_numpy() for name in RAW_MEASURES}
    codes, _ = assign_axis(model, columns, shop.sample.customers.num_rows, Tally())
    return [model.vocabulary()[code] for code in codes]


def test_customers_who_never_change_are_steady(steady: Shop, of_steady: Found) -> None:
    names = Counter(_names(steady, of_steady, "loyalty_trajectory"))
    eligible = sum(n for name, n in names.items() if name != "too_early_to_tell")
    assert eligible > 1000
    assert names["steady"] / eligible >= 0.75
    assert names["growing"] / eligible < 0.1
    assert names["declining"] / eligible < 0.1


def test_customers_who_buy_at_any_hour_have_no_kind(steady: Shop, of_steady: Found) -> None:
    names = Counter(_names(steady, of_steady, "purchase_cadence"))
    kinds = ("weekend_shopper", "weekday_daytime", "evening_shopper", "holiday_shopper")
    assert sum(names[kind] for kind in kinds) == 0
    assert names["year_round"] > 0


def test_there_are_no_groups_where_none_were_made(of_steady: Found, of_mixed: Found) -> None:
    for found in (of_steady, of_mixed):
        verdicts = {name: discovery.model.verdict for name, discovery in found.items()}
        assert set(verdicts.values()) <= {"tiers", "rules", "unavailable"}, verdicts


@pytest.mark.parametrize("shop_of", ["steady", "mixed"])
def test_every_name_holds_for_four_in_five_of_its_customers(
    shop_of: str, request: pytest.FixtureRequest
) -> None:
    shop: Shop = request.getfixturevalue(shop_of)
    found: Found = request.getfixturevalue(f"of_{shop_of}")
    axes = tuple(discovery.model for discovery in found.values())
    model = Model(1, tuple(sorted(shop.inputs)), "UTC", shop.reference, axes)
    tally = Tally()
    deque(assign_batches(shop.sample.customers.to_batches(500), model, tally), maxlen=0)
    false, n_checked = [], 0
    for axis in axes:
        counts = tally.customers[axis.name]
        for segment, held, n in zip(axis.segments, tally.holds_for(axis), counts, strict=False):
            if held is not None and n >= 20:
                n_checked += 1
                if held < 0.8:
                    false.append((axis.name, segment.name, int(n), round(held, 3)))
    assert not false
    assert n_checked >= 12


def test_every_customer_has_a_name_of_the_axis(mixed: Shop, of_mixed: Found) -> None:
    for name, discovery in of_mixed.items():
        vocabulary = set(discovery.model.vocabulary())
        names = _names(mixed, of_mixed, name)
        assert set(names) <= vocabulary
        states = {rule.state for rule in discovery.model.eligibility}
        assert np.mean([n in states for n in names]) < 0.8
