"""`segpipe sql`: the example queries."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from segpipe.cli.options import database_url_option

if TYPE_CHECKING:
    from segpipe.postgres import Connection


def _names(_context: click.Context, _argument: click.Parameter, begun: str) -> list[str]:
    """Names of queries that the shell completes."""
    from segpipe.postgres.example_queries import list_queries

    return [query.name for query in list_queries() if query.name.startswith(begun)]


@click.command()
@click.argument("name", required=False, shell_complete=_names)
@click.option("--customer", metavar="ID", help="Value of :customer_id, where a query needs it.")
@click.option("--limit", default=20, show_default=True, help="Rows to show.")
@click.option("--print", "only_print", is_flag=True, help="Print the SQL without running it.")
@database_url_option
def sql(
    name: str | None,
    customer: str | None,
    limit: int,
    database_url: str | None,
    *,
    only_print: bool,
) -> None:
    """List the example queries, print one or run one.

    Example: segpipe sql whales_who_wait_for_discounts
    """
    from segpipe.core.text import paragraph
    from segpipe.postgres.database import open_store
    from segpipe.postgres.example_queries import list_queries, read_query

    if name is None:
        for query in list_queries():
            click.echo(f"{query.name}\n{paragraph(query.question, '  ')}")
    elif only_print:
        click.echo(read_query(name).sql)
    else:
        with open_store(database_url) as store:
            click.echo(query_text(store, name, limit, customer))


def query_text(store: Connection, name: str, limit: int, customer: str | None = None) -> str:
    """The query's SQL and the first rows of what it finds."""
    from segpipe.postgres.example_queries import read_query

    return f"{read_query(name).sql}\n\n{rows_text(store, name, limit, customer)}"


def rows_text(store: Connection, name: str, limit: int, customer: str | None = None) -> str:
    """The first rows of what the query finds, and their number."""
    from segpipe.core.text import table_text
    from segpipe.postgres.example_queries import run_query

    parameters = {} if customer is None else {"customer_id": customer}
    found = run_query(store, name, parameters, limit)
    count = f"({len(found.rows)} rows shown)" if found.has_more else f"({len(found.rows)} rows)"
    return f"{table_text(found.columns, found.rows)}\n{count}"
