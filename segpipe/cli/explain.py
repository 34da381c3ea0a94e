"""`segpipe explain`: why a customer has the segments they have."""

from __future__ import annotations

import json
from typing import Any

import click

from segpipe.cli.options import customer_store_option, database_url_option, json_option
from segpipe.cli.show import find_profile


@click.command()
@click.argument("customer")
@click.option("--axis", "axes", multiple=True, metavar="NAME", help="Of this axis; repeatable.")
@customer_store_option
@database_url_option
@json_option
def explain(
    customer: str,
    axes: tuple[str, ...],
    store_id: str | None,
    database_url: str | None,
    *,
    as_json: bool,
) -> None:
    """Explain the segments of one customer: why, how sure, and what would change them.

    Example: segpipe explain 15362 --axis purchase_frequency
    """
    from segpipe.answers import explain_profile
    from segpipe.postgres.database import open_store

    with open_store(database_url) as store:
        found = explain_profile(store, find_profile(store, customer, store_id), axes)
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False, allow_nan=False))
    else:
        click.echo(_text(found))


def _text(found: dict[str, Any]) -> str:
    where = f"store {found['store_id']}, run {found['run_id']}, as of {found['as_of']}"
    lines = [f"Customer {found['customer_id']} of {where}"]
    for axis in found["axes"]:
        head, *thoughts = axis["text"]
        lines += ["", head, *(f"  {thought}" for thought in thoughts)]
        if axis["in_profile"] != axis["name"]:
            lines.append(
                f"  note: the profile says {axis['in_profile']}; it was made from other figures"
                " than those that are kept"
            )
    return "\n".join(lines)
