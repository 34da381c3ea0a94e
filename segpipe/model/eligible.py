"""Who is eligible on an axis: the same for the sample, a batch and one customer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from segpipe.axes import Eligibility

Floats = npt.NDArray[np.float64]


def eligible_rows(
    columns: Mapping[str, Floats], rules: Sequence[Eligibility]
) -> npt.NDArray[np.bool_]:
    """True for customers whom every rule admits; shape (n,)."""
    n_rows = len(next(iter(columns.values())))
    eligible = np.ones(n_rows, dtype=np.bool_)
    for rule in rules:
        eligible &= columns[rule.measure] >= rule.at_least  # missing admits nobody
    return eligible
