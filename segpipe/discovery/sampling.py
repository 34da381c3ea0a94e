"""The discovery sample: customers drawn by lifetime value, each with its population weight.

Takes the engine's customers; gives a Sample (Arrow table plus weights) and a SampleInfo. A
customer's place in the draw is a hash of seed and id, so row order changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from segpipe.core.arrays import Floats
from segpipe.core.report import SampleInfo, StratumInfo
from segpipe.core.settings import SampleSettings
from segpipe.engines.base import CustomerTable


@dataclass(frozen=True)
class Stratum:
    """A band of lifetime-value rank: `top` and `bottom` are shares of the population from above."""

    name: str
    top: float
    bottom: float
    sample_share: float


STRATA = (
    Stratum("vip", 0.0, 0.05, 0.2),
    Stratum("high", 0.05, 0.2, 0.3),
    Stratum("mid", 0.2, 0.5, 0.3),
    Stratum("low", 0.5, 1.0, 0.2),
)


@dataclass(frozen=True)
class Sample:
    """Sampled customers in the order of their ids; `weights` sum to the population, shape (n,)."""

    customers: pa.Table
    weights: Floats


def draw_sample(customers: CustomerTable, settings: SampleSettings) -> tuple[Sample, SampleInfo]:
    """Draw `settings.size` customers, or all with weight 1 where there are no more than that."""
    n_customers = customers.count_customers()
    sizes = stratum_sizes(n_customers)
    quotas = sizes if n_customers <= settings.size else allocate(sizes, settings.size)
    rows = customers.draw_customers(settings.seed, sizes, quotas)
    weight_of = np.array([size / max(quota, 1) for size, quota in zip(sizes, quotas, strict=True)])
    weights = weight_of[rows["stratum"].to_numpy()]
    strata = tuple(
        StratumInfo(band.name, size, quota)
        for band, size, quota in zip(STRATA, sizes, quotas, strict=True)
    )
    return Sample(rows.drop_columns("stratum"), weights), SampleInfo(rows.num_rows, strata)


def stratum_sizes(n_customers: int) -> list[int]:
    """Customers of each stratum, from the top; they sum to n_customers."""
    ends = [round(n_customers * band.bottom) for band in STRATA]
    return [end - start for start, end in zip([0, *ends], ends, strict=False)]


def allocate(sizes: Sequence[int], places: int) -> list[int]:
    """Places of each stratum by its sample share, never more than it has customers.

    Places that a small stratum cannot fill go to the others in proportion to their shares;
    fractions go by largest remainder, ties to the upper stratum.
    """
    quotas = [0] * len(sizes)
    open_strata = {index for index, size in enumerate(sizes) if size > 0}
    while open_strata and (left := places - sum(quotas)) > 0:
        total = sum(STRATA[index].sample_share for index in open_strata)
        exact = {i: left * STRATA[i].sample_share / total for i in open_strata}
        wanted = _rounded(exact, left)
        for index in sorted(open_strata):
            quotas[index] = min(sizes[index], quotas[index] + wanted[index])
        open_strata = {index for index in open_strata if quotas[index] < sizes[index]}
    return quotas


def _rounded(exact: dict[int, float], total: int) -> dict[int, int]:
    whole = {index: int(value) for index, value in exact.items()}
    by_remainder = sorted(exact, key=lambda index: (whole[index] - exact[index], index))
    for index in by_remainder[: total - sum(whole.values())]:
        whole[index] += 1
    return whole
