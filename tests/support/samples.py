"""Samples of customers by hand: the measures that a test is about, usual figures for the others."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from segpipe.axes import RAW_MEASURES, Axis
from segpipe.core.arrays import Floats
from segpipe.core.settings import ClusterSettings
from segpipe.discovery.discover import discover
from segpipe.discovery.sampling import Sample
from segpipe.model.document import AxisModel

AS_OF = date(2025, 4, 1)


def sample_of(
    columns: Mapping[str, npt.NDArray[np.floating[Any]]], weights: Floats | None = None
) -> Sample:
    """Customers c00000 and on with these measures.

    Days and orders without a figure are plausible ones, alike for all; other measures are missing.
    """
    n = len(next(iter(columns.values())))
    usual = {"n_occasions": 4.0, "n_orders": 4.0, "tenure_days": 300.0, "recency_days": 30.0}
    usual |= {"lifetime_value": 100.0}
    table = {
        name: np.asarray(columns.get(name, np.full(n, usual.get(name, np.nan))), dtype=np.float64)
        for name in RAW_MEASURES
    }
    ids = [f"c{number:05}" for number in range(n)]
    return Sample(
        pa.table({"customer_id": ids, **table}), np.ones(n) if weights is None else weights
    )


def discover_one(
    axis: Axis,
    sample: Sample,
    inputs: frozenset[str] = frozenset(),
    settings: ClusterSettings = ClusterSettings(max_k=4, restarts=4),  # noqa: B008 - frozen
) -> AxisModel:
    """The axis as the first run of a store finds it."""
    return discover(sample, (axis,), inputs, settings, 1, as_of=AS_OF)[0].model
