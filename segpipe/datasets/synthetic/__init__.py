"""Synthetic order lines with planted behaviour, so that the truth is known."""

from segpipe.datasets.synthetic.build import UNTIL, GenerateInfo, generate_order_lines
from segpipe.datasets.synthetic.truth import PLANTED_AXES, SEPARATE_AXES, planted_axes

__all__ = [
    "PLANTED_AXES",
    "SEPARATE_AXES",
    "UNTIL",
    "GenerateInfo",
    "generate_order_lines",
    "planted_axes",
]
