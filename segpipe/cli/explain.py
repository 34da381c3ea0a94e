"""`segpipe explain`: why a customer has the segments they have."""

from __future__ import annotations

from typing import Any

import click

from segpipe.cli.options import customer_store_option, database_url_option, json_option
from segpipe.cli.output import print_json
from segpipe.cli.show import find_profile


@click.command()
@click.argument("customer")
@click.option(
    "--axis", "axes", multiple=True, metavar="NAME", help="Explain this axis alone. Repeatable."
)
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
    """Explain a customer's segments, and what would change them.

    Example: segpipe explain 15362 --axis purchase_frequency
    """
    from segpipe.answers import explain_profile
    from segpipe.postgres.database import open_store

    with open_store(database_url) as store:
        found = explain_profile(store, find_profile(store, customer, store_id), axes)
    if as_json:
        print_json(found)
    else:
        click.echo(_text(found, with_outlook=not axes))


def _text(found: dict[str, Any], *, with_outlook: bool) -> str:
    from segpipe.core.text import paragraph

    where = f"store {found['store_id']}, run {found['run_id']}, as of {found['as_of']}"
    lines = [f"Customer {found['customer_id']} of {where}"]
    lines += [paragraph(found["outlook"]["text"])] if with_outlook else []
    for axis in found["axes"]:
        head, *reasons = axis["text"]
        if axis["in_profile"] != axis["name"]:
            reasons.append(
                f"note: the profile has {axis['in_profile']}; it was made from other figures"
                " than those that are kept"
            )
        lines += ["", head, *(paragraph(reason, "  ") for reason in reasons)]
    return "\n".join(lines)
