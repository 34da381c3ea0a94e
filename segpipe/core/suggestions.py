"""Hints for a name that is not known."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

_MOST_NAMES = 20  # listed in a message


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A sentence with the known names that are spelt like this one, or else with all of them.

    Empty where nothing is known.
    """
    names = list(dict.fromkeys(known))
    near = get_close_matches(name, names, n=3)
    if near:
        return f"Did you mean {' or '.join(near)}?"
    if len(names) > _MOST_NAMES:
        return f"Known: {', '.join(names[:_MOST_NAMES])} and {len(names) - _MOST_NAMES} more."
    return f"Known: {', '.join(names)}." if names else ""
