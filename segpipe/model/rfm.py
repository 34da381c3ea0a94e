"""The RFM score of a customer, "543": recency, frequency and value, beside the name on the axis.

Takes a model's axes and columns of raw measures; gives texts. The scores are those of the axis's
own priors, by which its names go, so that a kept axis keeps its scores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from segpipe.core.arrays import Floats
from segpipe.core.schema import RFM_AXIS, RFM_SCORE
from segpipe.model.derived import derive, inputs_of
from segpipe.model.document import AxisModel


def rfm_inputs(axes: Sequence[AxisModel]) -> tuple[str, ...]:
    """Raw measures from which `rfm_scores` are made; none where these axes have no scores."""
    return inputs_of([RFM_SCORE]) if _scored_axis(axes) else ()


def rfm_scores(axes: Sequence[AxisModel], columns: Mapping[str, Floats], n_rows: int) -> pa.Array:
    """Texts of three digits, (n_rows,); null without an axis rfm that has segments and scores.

    columns has the measures of `rfm_inputs`.
    """
    axis = _scored_axis(axes)
    if axis is None:
        return pa.nulls(n_rows, pa.string())
    scores = derive(columns, [RFM_SCORE], axis.priors)[RFM_SCORE]
    return pa.array(scores, from_pandas=True).cast(pa.int16()).cast(pa.string())


def _scored_axis(axes: Sequence[AxisModel]) -> AxisModel | None:
    for axis in axes:
        if axis.name == RFM_AXIS and axis.segments and axis.priors and axis.priors.scores:
            return axis
    return None
