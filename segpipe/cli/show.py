"""`segpipe show`: the profile of one customer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from segpipe.cli.options import customer_store_option, database_url_option, json_option
from segpipe.cli.output import print_json

if TYPE_CHECKING:
    from segpipe.postgres import Connection

_INDENT = 28
_BY_AXIS = {
    "segment_memberships",
    "dominant_segments",
    "membership_strengths",
    "previous_segments",
    "segment_since",
    "content_hash",
}


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
        print_json(profile)
    else:
        click.echo(_text(profile))


def _text(profile: dict[str, Any]) -> str:
    from segpipe.core.text import strength_text

    strengths, since = profile["membership_strengths"], profile["segment_since"]
    previous = profile["previous_segments"]
    lines = [
        f"{name:<{_INDENT}}{_plain(value)}"
        for name, value in profile.items()
        if name not in _BY_AXIS and value is not None
    ]
    for axis, segment in profile["segment_memberships"].items():
        text = f"{segment} (strength {strength_text(strengths[axis])})"
        text += f", since {since.get(axis, profile['first_seen_on'])}"
        text += f", before: {previous[axis]}" if axis in previous else ""
        lines.append(f"{axis:<{_INDENT}}{text}")
    return "\n".join(lines)


def _plain(value: object) -> object:
    """The value, an amount without the last bits of its division."""
    return round(value, 4) if isinstance(value, float) else value


def find_profile(store: Connection, customer: str, store_id: str | None) -> dict[str, Any]:
    """The customer's profile; InputError where there is none, or several and no store is named."""
    from segpipe.core.errors import InputError
    from segpipe.runs import show_customer, stores_of

    stores = stores_of(store, customer)
    if store_id is None and len(stores) > 1:
        found = ", ".join(stores)
        msg = f"Customer {customer!r} is in several stores ({found});"
        raise InputError(f"{msg} name one with --store-id.")
    profile = show_customer(store, store_id or (stores or ["default"])[0], customer)
    if profile is None:
        where = f"in store {store_id!r}" if store_id else "in any store"
        raise InputError(f"There is no profile of customer {customer!r} {where}; check the id.")
    return profile
