"""Customers who asked to be forgotten, as salted hashes of their ids."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256


@dataclass(frozen=True)
class Forgotten:
    """The salt of a store, and SHA-256 over the salt and an id for each forgotten customer."""

    salt: str
    hashes: frozenset[str]


def hash_customer_id(salt: str, customer_id: str) -> str:
    """SHA-256 over salt and id, in hexadecimal."""
    return sha256(f"{salt}{customer_id}".encode()).hexdigest()
