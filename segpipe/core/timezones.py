"""Time zones by their IANA name."""

from __future__ import annotations

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from segpipe.core.errors import InputError

UTC = "UTC"


def check_timezone(name: str, value: str) -> None:
    """Raise InputError where the value of the setting `name` is not the name of a time zone."""
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError) as error:
        msg = f"{name} is {value!r}; expected an IANA name such as Europe/Berlin."
        raise InputError(msg) from error
