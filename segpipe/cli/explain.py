"""`segpipe explain`: why a customer has the segments they have."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from segpipe.cli.queries import find_profile

if TYPE_CHECKING:
    from segpipe.postgres import Connection

_URL = click.option("--database-url", help="Else DATABASE_URL, else the embedded PostgreSQL.")
_JSON = click.option("--json", "as_json", is_flag=True, help="As JSON.")


@click.command()
@click.argument("customer")
@click.option("--axis", "axes", multiple=True, metavar="NAME", help="Of this axis; repeatable.")
@click.option("--store-id", help="Where several stores have the customer.")
@_URL
@_JSON
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
    from segpipe.store import open_store

    with open_store(database_url) as store:
        found = explained(store, customer, store_id, axes)
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False, allow_nan=False))
    else:
        click.echo(_text(found))


def explained(
    store: Connection, customer: str, store_id: str | None, axes: tuple[str, ...]
) -> dict[str, Any]:
    """The explanation of a published profile as plain values."""
    from segpipe import load
    from segpipe.errors import InputError
    from segpipe.explain import explain, explanation_lines
    from segpipe.model import model_of

    profile = find_profile(store, customer, store_id)
    store_id, run_id = profile["store_id"], profile["run_id"]
    document = load.read_model(store, run_id)
    measures = load.read_measures(store, store_id, run_id, customer)
    if document is None or measures is None:
        missing = "model" if document is None else "measures"
        msg = f"Run {run_id}, which wrote the profile of customer {customer!r}, kept no {missing};"
        raise InputError(f"{msg} run `segpipe run` again on a file that has this customer.")
    model = model_of(document, f"of run {run_id}")
    return {
        "customer_id": customer,
        "store_id": store_id,
        "run_id": run_id,
        "as_of": model.reference.as_of.isoformat(),
        "axes": [
            {
                **asdict(found),
                "text": explanation_lines(found),
                "in_profile": profile["segment_memberships"].get(found.axis),
            }
            for found in explain(model, measures, axes or None)
        ],
    }


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
