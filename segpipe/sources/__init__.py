"""The source stage: files of order lines and tickets, typed by a preset."""

from segpipe.source.files import expand, refuse_overwriting
from segpipe.source.lines import input_hash, read_order_lines
from segpipe.source.presets import Preset, load_presets

__all__ = [
    "Preset",
    "expand",
    "input_hash",
    "load_presets",
    "read_order_lines",
    "refuse_overwriting",
]
