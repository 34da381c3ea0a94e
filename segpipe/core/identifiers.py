"""How the text of a customer id is read, in files and in requests."""

from __future__ import annotations

import re

BLANK_IDS = ("nan", "null", "none")  # how exports write that there is no customer
_WHOLE = re.compile(r"\d+\.0", re.ASCII)


def normalise_customer_id(customer_id: str) -> str | None:
    """The id that a run would read from the text, None where it is nobody's."""
    text = customer_id.strip(" ")
    if not text or text.lower() in BLANK_IDS:
        return None
    return text[:-2] if _WHOLE.fullmatch(text) else text
