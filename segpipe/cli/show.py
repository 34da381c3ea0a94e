"""`segpipe show`: the profile of one customer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from segpipe.cli.options import customer_store_option, database_url_option, json_option

if TYPE_CHECKING:
    from segpipe.postgres import Connection


@click.command()
@click.argument("customer")
@customer_store_option
@database_url_option
@json_option
def show(customer: str, store_id: str | None, database_url: str | None, *, as_json: bool) -> None:
    """Show the profile of one customer.

    Example: segpipe show 15362
    """
    from segpipe.postgres.database import open_store

    with open_store(database_url) as store:
        profile = find_profile(store, customer, store_id)
    if as_json:
        click.echo(json.dumps(profile, indent=2, default=str, ensure_ascii=False))
        return
    memberships = profile.pop("segment_memberships")
    strengths = profile.pop("membership_strengths")
    previous, since = profile.pop("previous_segments"), profile.pop("segment_since")
    first_seen = profile["first_seen_on"]
    for name in ("dominant_segments", "content_hash"):
        profile.pop(name)
    for name, value in profile.items():
        if value is not None:
            click.echo(f"{name:<28}{value}")
    for axis, segment in memberships.items():
        told = f"{segment} (strength {strengths[axis]:.2f})"
        told += f", since {since.get(axis, first_seen)}"
        told += f", before: {previous[axis]}" if axis in previous else ""
        click.echo(f"{axis:<28}{told}")


def find_profile(store: Connection, customer: str, store_id: str | None) -> dict[str, Any]:
    """The customer's profile; InputError where there is none, or several and no store is named."""
    from segpipe.core.errors import InputError
    from segpipe.runs import show_customer, stores_of

    stores = stores_of(store, customer)
    if store_id is None and len(stores) > 1:
        found = ", ".join(stores)
        raise InputError(f"Customer {customer!r} is in several stores ({found}); --store-id?")
    profile = show_customer(store, store_id or (stores or ["default"])[0], customer)
    if profile is None:
        where = f"in store {store_id!r}" if store_id else "in any store"
        raise InputError(f"There is no profile of customer {customer!r} {where}; check the id.")
    return profile
