"""API keys: takes a token, gives the key that it belongs to, in constant time.

A token is shown to its owner once, and only its hash is kept. No database is needed, so that the
service can check every request.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Literal, TypeAlias

from segpipe.core.errors import InputError

Scope: TypeAlias = Literal["read", "write"]

LONGEST_NAME = 100
_RANDOM_BYTES = 32
_TOKEN = re.compile(r"segpipe_([1-9][0-9]{0,18})_[A-Za-z0-9_-]{43}")
_LONGEST_TOKEN = len("segpipe_") + 19 + len("_") + 43
_NO_HASH = bytes(sha256().digest_size)


@dataclass(frozen=True)
class ApiKey:
    """Who may send requests, and how many; the hash is in no repr, and so in no log."""

    key_id: int
    name: str
    scope: Scope
    rate_per_minute: int
    token_hash: bytes = field(repr=False)


def new_token(key_id: int) -> str:
    """Token of the key: `segpipe_<key_id>_` and 32 random bytes in 43 characters for URLs."""
    return f"segpipe_{key_id}_{secrets.token_urlsafe(_RANDOM_BYTES)}"


def hash_token(token: str) -> bytes:
    """SHA-256 of the token.

    Slow hashes are for passwords, which can be guessed; 256 random bits cannot, and a slow hash for
    every request would be a way to overload the service.
    """
    return sha256(token.encode("utf-8", "surrogatepass")).digest()


def authenticated(token: str, keys: Mapping[int, ApiKey]) -> ApiKey | None:
    """Key of the token among the active ones by id, None for any other text.

    Hashes and compares in every case, so that the time does not reveal which ids exist.
    """
    found = _TOKEN.fullmatch(token) if len(token) <= _LONGEST_TOKEN else None
    key = keys.get(int(found[1])) if found else None
    given = hash_token(token[:_LONGEST_TOKEN])
    is_same = hmac.compare_digest(given, key.token_hash if key else _NO_HASH)
    return key if is_same else None


def check_key_name(name: str) -> None:
    """Raise InputError for what cannot name a key, such as a token, which is not repeated."""
    token = _TOKEN.search(name)
    if token:
        raise InputError(
            f"A token was given where the name of a key is expected; it is that of key {token[1]},"
            " whose name `segpipe keys list` shows."
        )
    if not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
        raise InputError(
            f"The name of a key has {len(name)} characters: {name[:LONGEST_NAME]!r}; expected 1 to"
            f" {LONGEST_NAME} printable ones, such as shop."
        )
