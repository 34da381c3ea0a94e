"""How often the valley test sees groups: where there are none, and where some are planted.

Customers count as groups where some K has a valley below the bound; the size and silhouette that a
verdict also asks are left out. Gives shares by family of clouds and by kind of planted groups.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from time import process_time
from typing import Any

import numpy as np
from clouds import WITHOUT_GROUPS, Cloud, Groups, standardised
from measured import as_table

from segpipe.clustering.valley import ENTER, find_valleys, is_separate
from segpipe.core.arrays import Floats
from segpipe.discovery.sampling import allocate, stratum_sizes

SEED = 11
POPULATION = 20_000  # of which the weighted clouds are samples
SHARES = ((0.5, 0.5), (0.85, 0.15), (0.7, 0.2, 0.1))
FEATURES = ((1, 1), (1, 3), (3, 3), (5, 5))  # informative ones, all


@dataclass(frozen=True)
class Size:
    """How many clouds of how many customers are drawn."""

    customers: int
    clouds: int  # of each kind without groups
    planted: int  # of each kind with groups
    is_weighted: bool = False  # a sample drawn by strata of the main measure, as a run draws it


SIZES = (
    Size(2000, 20, 12),
    Size(2000, 10, 4, is_weighted=True),
    Size(5000, 6, 5),
    Size(500, 10, 5),
)


def measure(sizes: Sequence[Size] = SIZES) -> dict[str, Any]:
    """All figures."""
    return {
        "bound": ENTER,
        "seed": SEED,
        "sizes": [
            {
                "customers": size.customers,
                "weighted": size.is_weighted,
                "without_groups": measure_false_alarms(size),
                "planted": measure_power(size),
            }
            for size in sizes
        ],
        "cpu_seconds_at_5000": measure_cost(),
    }


def measure_false_alarms(size: Size) -> dict[str, Any]:
    """By family: clouds, those that were called groups, and the least valley."""
    families = {}
    for number, (family, clouds) in enumerate(WITHOUT_GROUPS.items()):
        valleys = []
        for kind, repeat in product(range(len(clouds)), range(size.clouds)):
            draw = np.random.default_rng([SEED, number, kind, repeat, size.customers])
            valleys.append(_least_valley(clouds[kind], draw, size, repeat))
        families[family] = _false_alarms(valleys)
    n_clouds = sum(found["clouds"] for found in families.values())
    n_false = sum(found["false_alarms"] for found in families.values())
    return {
        "clouds": n_clouds,
        "false_alarms": n_false,
        "share": round(n_false / n_clouds, 4),
        "families": families,
    }


def measure_power(size: Size) -> dict[str, Any]:
    """How many of each kind of planted groups were called groups."""
    found = {}
    for number, groups in enumerate(_planted()):
        valleys = []
        for repeat in range(size.planted):
            draw = np.random.default_rng([SEED, 99, number, repeat, size.customers])
            valleys.append(_least_valley(groups.points, draw, size, repeat))
        found[_kind(groups)] = sum(map(is_separate, valleys))
    return {"clouds_of_each": size.planted, "found": found}


def measure_cost() -> dict[str, float]:
    """CPU seconds of an axis with three features: stopped after two splits, and all ten made."""
    draw = np.random.default_rng(SEED)
    planted = Groups((0.5, 0.5), 4.0, is_normal=True, n_informative=3, n_features=3)
    clouds = {
        "stopped_early": draw.normal(size=(5000, 3)),
        "all_splits": planted.points(draw, 5000),
    }
    return {name: _cpu_seconds(standardised(points)) for name, points in clouds.items()}


def table(result: Mapping[str, Any]) -> str:
    """False alarms by family and power by kind, as Markdown."""
    sizes = result["sizes"]
    planted = [size["planted"] for size in sizes]
    head = [f"{size['customers']}{', weighted' * size['weighted']}" for size in sizes]
    alarms = [
        [family, *(_alarms(size["without_groups"]["families"][family]) for size in sizes)]
        for family in WITHOUT_GROUPS
    ]
    alarms.append(["all", *(_alarms(size["without_groups"]) for size in sizes)])
    power = [
        [kind, *(f"{s['found'][kind]} of {s['clouds_of_each']}" for s in planted)]
        for kind in planted[0]["found"]
    ]
    return "\n\n".join(
        as_table([title, *head], rows)
        for title, rows in (("false alarms", alarms), ("groups found", power))
    )


def _planted() -> Iterator[Groups]:
    for distance, shares, is_normal in product((4.0, 3.0), SHARES, (True, False)):
        for informative, features in FEATURES:
            yield Groups(shares, distance, is_normal, informative, features)
            if len(shares) == 3 and informative > 1:
                yield Groups(shares, distance, is_normal, informative, features, is_triangle=True)


def _least_valley(cloud: Cloud, draw: np.random.Generator, size: Size, seed: int) -> float:
    if size.is_weighted:
        points, weights = _sampled(standardised(cloud(draw, POPULATION)), draw, size.customers)
    else:
        points, weights = standardised(cloud(draw, size.customers)), np.ones(size.customers)
    return min(find_valleys(points, weights, seed).least)


def _sampled(points: Floats, draw: np.random.Generator, n: int) -> tuple[Floats, Floats]:
    """A sample by strata of the main measure, from above, and its weights."""
    by_value = np.argsort(-points[:, 0], kind="stable")
    sizes = stratum_sizes(len(points))
    quotas = allocate(sizes, n)
    strata = np.split(by_value, np.cumsum(sizes)[:-1])
    drawn = [draw.permutation(rows)[:quota] for rows, quota in zip(strata, quotas, strict=True)]
    weights = np.repeat(np.divide(sizes, quotas), quotas)
    return points[np.concatenate(drawn)], weights


def _false_alarms(valleys: Sequence[float]) -> dict[str, Any]:
    return {
        "clouds": len(valleys),
        "false_alarms": sum(map(is_separate, valleys)),
        "least_valley": round(min(valleys), 3),
    }


def _cpu_seconds(points: Floats) -> float:
    started = process_time()
    find_valleys(points, np.ones(len(points)), SEED)
    return round(process_time() - started, 3)


def _alarms(found: Mapping[str, Any]) -> str:
    return f"{found['false_alarms']} of {found['clouds']}"


def _kind(groups: Groups) -> str:
    shares = "/".join(f"{share:.0%}"[:-1] for share in groups.shares)
    shape = "normal" if groups.is_normal else "t4"
    features = f"{groups.n_informative} of {groups.n_features} features"
    layout = ", triangle" if groups.is_triangle else ""
    return f"{shares}, {groups.distance:.0f} sd, {shape}, {features}{layout}"
