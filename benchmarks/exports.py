"""Later and earlier exports of one shop: with more orders, or cut off after a day.

Takes the CSV of `segpipe generate`; writes files with the same columns.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from segpipe.core.settings import EngineSettings
from segpipe.engines.duckdb import literal, open_engine


@dataclass(frozen=True)
class Grown:
    """An export with more orders than the one before it."""

    path: Path
    n_customers: int  # who got an order


def append_orders(before: Path, after: Path, day: date, one_in: int, turn: int) -> Grown:
    """Write the export with one more order of that day for one customer in `one_in`.

    Each turn takes other customers. The order repeats the customer's first line, at 9 am.
    """
    chosen = f'md5_number_lower("Customer_ID") % {one_in} = {turn % one_in}'
    newest = after.with_name(after.name + ".new")
    at = f"{day.isoformat()} 09:00:00"
    with open_engine(EngineSettings()) as engine:
        read = f"read_csv({literal(str(before))}, all_varchar = true)"
        query = (
            f'SELECT * REPLACE ({literal(f"N{turn}-")} || "Customer_ID" AS "Order_ID",'
            f' {literal(at)} AS "Date") FROM {read}'
            f' WHERE "Customer_ID" <> \'\' AND {chosen} AND "QTY"::BIGINT > 0'
            ' QUALIFY row_number() OVER (PARTITION BY "Customer_ID"'
            ' ORDER BY "Date", "Order_ID", "ProductId") = 1 ORDER BY "Customer_ID"'
        )
        found = engine.execute(f"COPY ({query}) TO {literal(str(newest))} (HEADER false)")
        n_customers = int(found.fetchall()[0][0])
    shutil.copyfile(before, after)
    with after.open("ab") as whole, newest.open("rb") as more:
        shutil.copyfileobj(more, whole)
    newest.unlink()
    return Grown(after, n_customers)


def cut_after(whole: Path, part: Path, day: date) -> int:
    """Write the lines up to the end of that day; returns their number."""
    with open_engine(EngineSettings()) as engine:
        read = f"read_csv({literal(str(whole))}, all_varchar = true)"
        until = literal(f"{day.isoformat()} 23:59:59")
        found = engine.execute(
            f'COPY (SELECT * FROM {read} WHERE "Date" <= {until}) TO {literal(str(part))} (HEADER)'
        )
        return int(found.fetchall()[0][0])
