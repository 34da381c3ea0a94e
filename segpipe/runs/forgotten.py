"""Who has been forgotten in a store: hashes over a random salt, never ids."""

from __future__ import annotations

import secrets

from segpipe.core.forgotten import Forgotten, hash_customer_id
from segpipe.postgres import Connection, fetch_one, plain_errors


def forgotten_hashes(connection: Connection, store_id: str) -> Forgotten | None:
    """The store's salt and hashes, None where nobody has been forgotten."""
    with plain_errors():
        rows = connection.execute(
            "SELECT salt, customer_hash FROM forgotten_customers"
            " JOIN forgotten_salts USING (store_id) WHERE store_id = %s",
            [store_id],
        ).fetchall()
    return Forgotten(rows[0][0], frozenset(row[1] for row in rows)) if rows else None


def remember_forgotten(connection: Connection, store_id: str, customer_id: str) -> bool:
    """Whether the customer was remembered just now, and not already.

    The salt is made at the store's first; to be called once the store is held.
    """
    connection.execute(
        "INSERT INTO forgotten_salts VALUES (%s, %s) ON CONFLICT DO NOTHING",
        [store_id, secrets.token_hex(16)],
    )
    query = "SELECT salt FROM forgotten_salts WHERE store_id = %s"
    salt = fetch_one(connection, query, [store_id])[0]
    return (
        connection.execute(
            "INSERT INTO forgotten_customers (store_id, customer_hash) VALUES (%s, %s)"
            " ON CONFLICT DO NOTHING",
            [store_id, hash_customer_id(salt, customer_id)],
        ).rowcount
        > 0
    )
