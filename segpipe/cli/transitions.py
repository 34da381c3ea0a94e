"""`segpipe transitions`: customers who changed segment since the run before, and their value."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import click

from segpipe.cli.options import database_url_option, json_option, run_option, store_option
from segpipe.cli.output import print_json

if TYPE_CHECKING:
    from segpipe.runs import RunTransitions, Transition


@click.command()
@click.option(
    "--axis", "axes", multiple=True, metavar="NAME", help="Show this axis alone. Repeatable."
)
@run_option
@store_option
@click.option(
    "--limit",
    type=click.IntRange(1),
    default=5,
    show_default=True,
    help="Rows per axis; --json has all.",
)
@database_url_option
@json_option
def transitions(
    axes: tuple[str, ...],
    run: str,
    store_id: str | None,
    limit: int,
    database_url: str | None,
    *,
    as_json: bool,
) -> None:
    """Show who moved between segments since the last run, and why.

    Behaviour: they ordered, sent back or asked. Time: only time passed. Model: the segment's
    boundaries changed, not the customer; then the run says which axes it replaced.

    Example: segpipe transitions --axis purchase_value
    """
    from segpipe.postgres.database import open_store
    from segpipe.runs import find_run, read_transitions

    with open_store(database_url) as store:
        found = read_transitions(store, find_run(store, run, store_id), store_id, axes)
    if as_json:
        print_json(found)
    else:
        click.echo(_text(found, limit))


def _text(found: RunTransitions, limit: int) -> str:
    from segpipe.core.text import table_text

    run = f"Run {found.run_id} of store {found.store_id}, as of {found.as_of}"
    if found.previous_run_id is None:
        return f"{run}: there is no earlier run to compare it with."
    since = f"run {found.previous_run_id}, as of {found.previous_as_of}"
    if not found.transitions:
        return "\n".join([f"{run}: nobody has moved since {since}.", *_decisions(found)])
    shown: list[Transition] = []
    for _, of_axis in groupby(found.transitions, key=lambda t: t.axis):
        shown += list(of_axis)[:limit]
    head = ("Axis", "From", "To", "Customers", "Lifetime value", "Behaviour", "Time", "Model")
    table = table_text(head, map(_row, shown))
    total = "\n".join([_total(found, len(shown)), *_decisions(found)])
    return f"{run}, since {since}\n\n{table}\n\n{total}"


def _decisions(found: RunTransitions) -> list[str]:
    """Axes whose segments the run replaced or held back, and why."""
    from segpipe.core.decisions import MEANINGS
    from segpipe.core.text import paragraph

    return [
        paragraph(f"{axis}: {one['decision']}, {MEANINGS.get(one['cause'], one['cause'])}.", "", 2)
        for axis, one in found.decisions.items()
    ]


def _row(transition: Transition) -> tuple[str | float, ...]:
    t = transition
    causes = (f"{n_customers:,}" for n_customers in t.causes.values())
    customers = f"{t.n_customers:,}"
    return t.axis, t.from_segment, t.to_segment, customers, t.lifetime_value, *causes


def _total(found: RunTransitions, n_shown: int) -> str:
    from segpipe.core.text import percent_of

    n_moves = sum(t.n_customers for t in found.transitions)
    n_axes = len({t.axis for t in found.transitions})
    of_cause = ", ".join(
        f"{cause} {sum(t.causes[cause] for t in found.transitions):,}"
        for cause in found.transitions[0].causes
    )
    if n_axes == 1:
        share = f" of {found.n_customers:,} customers ({percent_of(n_moves, found.n_customers)})"
        text = f"{n_moves:,}{share} moved: {of_cause}."
    else:
        text = f"{n_moves:,} moves of {found.n_customers:,} customers on {n_axes} axes: {of_cause}."
    n_hidden = len(found.transitions) - n_shown
    return text + (f" Not shown: {n_hidden:,} of smaller value; see --limit." if n_hidden else "")
