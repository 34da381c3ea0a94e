"""Database URLs: read from the settings or the environment, and shown without passwords."""

from __future__ import annotations

import os
import re
from urllib.parse import quote, urlencode

import psycopg
from psycopg.conninfo import conninfo_to_dict

from segpipe.core.errors import InputError

_SCHEME = re.compile(r"^postgres(?:ql)?(?:\+psycopg[23]?)?://", re.IGNORECASE)
_SECRETS = ("password", "sslpassword", "oauth_client_secret")
_FORM = "postgresql://user:password@host:5432/database"


def database_url(settings_url: str | None) -> str | None:
    """URL from the settings, else from DATABASE_URL, else None; the scheme as libpq wants it."""
    url = (settings_url or os.environ.get("DATABASE_URL") or "").strip()
    if not url:
        return None
    if not _SCHEME.match(url):
        scheme = url.split("://", maxsplit=1)[0] if "://" in url else "no scheme"
        raise InputError(f"The database URL has {scheme[:20]!r}; expected {_FORM}.")
    return _SCHEME.sub("postgresql://", url)


def redact(url: str) -> str:
    """Same URL without passwords, for people to read."""
    parts = parse(url)
    parts = {key: value for key, value in parts.items() if key not in _SECRETS}
    user, host, port = parts.pop("user", ""), parts.pop("host", ""), parts.pop("port", "")
    name = quote(parts.pop("dbname", ""), safe="")
    if "/" in host or "," in host:  # a socket folder, or several hosts
        parts = {"host": host, **({"port": port} if port else {}), **parts}
        host = port = ""
    elif ":" in host:
        host = f"[{host}]"
    address = (quote(user, safe="") + "@" if user else "") + host + (f":{port}" if port else "")
    query = "?" + urlencode(parts, safe="/,", quote_via=quote) if parts else ""
    return f"postgresql://{address}/{name}{query}"


def secrets(url: str) -> dict[str, str]:
    """What `redact` leaves out, as the environment variables of libpq's programs."""
    parts = parse(url)
    return {"PGPASSWORD": parts["password"]} if "password" in parts else {}


def parse(url: str) -> dict[str, str]:
    """Parameters of libpq → values. Raises InputError for what is no URL."""
    try:
        parts = conninfo_to_dict(_SCHEME.sub("postgresql://", url))
    except psycopg.Error:
        # libpq quotes parts of the URL, which may be the password: from None keeps it out of logs.
        raise InputError(
            f"The database URL cannot be read; expected {_FORM}, with special characters of the"
            " password written as %XX."
        ) from None
    return {key: str(value) for key, value in parts.items() if value is not None}
