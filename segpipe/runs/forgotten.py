"""Customers who have been forgotten in a store: hashes with a random salt, never ids."""

from __future__ import annotations

import secrets

from segpipe.core.forgotten import Forgotten, hash_customer_id
from segpipe.postgres import Connection, fetch_one, plain_errors

_SALT = "SELECT salt FROM forgotten_salts WHERE store_id = %s"


def forgotten_hashes(connection: Connection, store_id: str) -> Forgotten | None:
    """The store's salt and hashes, None if nobody has been forgotten."""
    with plain_errors():
        rows = connection.execute(
            "SELECT salt, customer_hash FROM forgotten_customers"
            " JOIN forgotten_salts USING (store_id) WHERE store_id = %s",
            [store_id],
        ).fetchall()
    return Forgotten(rows[0][0], frozenset(row[1] for row in rows)) if rows else None


def is_forgotten(connection: Connection, store_id: str, customer_id: str) -> bool:
    """Whether this customer has been forgotten; reads one row."""
    salt = connection.execute(_SALT, [store_id]).fetchone()
    if salt is None:
        return False
    found = connection.execute(
        "SELECT FROM forgotten_customers WHERE store_id = %s AND customer_hash = %s",
        [store_id, hash_customer_id(salt[0], customer_id)],
    ).fetchone()
    return found is not None


def remember_forgotten(connection: Connection, store_id: str, customer_id: str) -> bool:
    """Add the customer; gives whether they are new, and not forgotten already.

    The first customer of a store makes its salt. The caller holds the store.
    """
    connection.execute(
        "INSERT INTO forgotten_salts (store_id, salt) VALUES (%s, %s) ON CONFLICT DO NOTHING",
        [store_id, secrets.token_hex(16)],
    )
    salt = fetch_one(connection, _SALT, [store_id])[0]
    added = connection.execute(
        "INSERT INTO forgotten_customers (store_id, customer_hash) VALUES (%s, %s)"
        " ON CONFLICT DO NOTHING",
        [store_id, hash_customer_id(salt, customer_id)],
    )
    return added.rowcount > 0
