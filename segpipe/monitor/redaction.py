"""An error as one line that may leave the house: no password, address or value of the data."""

from __future__ import annotations

import re

from segpipe.core.errors import SegpipeError, StageError

_LONGEST = 500
_SECRETS = (
    (re.compile(r"(://[^:/@\s]*):\S*@"), r"\1:***@"),
    (re.compile(r"(passw(?:or)?d\s*=\s*)[^\s&]+", re.IGNORECASE), r"\1***"),
    (re.compile(r"[^\s@<>\"'():,;=/]+@[^\s@<>\"'():,;=/]+\.[a-z]{2,}", re.IGNORECASE), "***"),
)


def redacted(error: BaseException | None) -> str:
    """One line about what went wrong.

    A library's text may quote a customer's row, so only the stage or the error's type is shown.
    """
    if isinstance(error, StageError):
        return str(error).partition(" (")[0] + "."
    if isinstance(error, SegpipeError):
        text = " ".join(str(error).split())
        for pattern, replacement in _SECRETS:
            text = pattern.sub(replacement, text)
        return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    if isinstance(error, SystemExit):
        return "ended by a signal"
    return f"unexpected {type(error).__name__}" if error else "ended without publishing"
