"""The source stage: files of order lines and tickets, typed by a preset."""

from segpipe.sources.files import check_not_overwriting, expand
from segpipe.sources.lines import input_hash, read_order_lines
from segpipe.sources.presets import Preset, load_presets

__all__ = [
    "Preset",
    "check_not_overwriting",
    "expand",
    "input_hash",
    "load_presets",
    "read_order_lines",
]
