"""The source stage: files of order lines and tickets, typed by a preset."""

from segpipe.source.files import refuse_overwriting
from segpipe.source.lines import read_order_lines
from segpipe.source.presets import Preset, load_presets

__all__ = ["Preset", "load_presets", "read_order_lines", "refuse_overwriting"]
