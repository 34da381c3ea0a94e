"""What a model document says of its measures, which another version of segpipe may have made.

Takes a document; gives measures by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from segpipe.axes import Measure
from segpipe.axes.measures import MEASURES, unknown_measure


def described_measures(document: Mapping[str, Any]) -> dict[str, Measure]:
    """What a model document says of its measures, by name; nothing in format 2.

    A newer version may say more of a measure than this one knows.
    """
    parts = [part.name for part in fields(Measure)]
    return {
        name: Measure(**{part: measure[part] for part in parts if part in measure})
        for name, measure in document.get("measures", {}).items()
    }


def find_measure(described: Mapping[str, Measure], name: str) -> Measure:
    """The measure as a document describes it, else as this version does, else by its name alone."""
    return described.get(name) or MEASURES.get(name) or unknown_measure(name)
