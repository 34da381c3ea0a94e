"""How the text of an id is read, in files and in requests alike."""

from __future__ import annotations

import re

_BLANK_IDS = ("nan", "null", "none")


_WHOLE = re.compile(r"\d+\.0", re.ASCII)


def normalise_customer_id(customer_id: str) -> str | None:
    """The id that a run would take the text for, None where it would be nobody's."""
    text = customer_id.strip(" ")
    if not text or text.lower() in _BLANK_IDS:
        return None
    return text[:-2] if _WHOLE.fullmatch(text) else text
