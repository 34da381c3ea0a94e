"""The report of the source stage on the lines it read.

Takes `order_lines` before and after the lines that do not count are removed; gives SourceInfo.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from segpipe.core.report import SourceInfo
from segpipe.core.schema import ORDER_LINES
from segpipe.engines.duckdb import Connection
from segpipe.sources.read import Part
from segpipe.sources.typed import BLANK, BREAK, GUEST, UNCHARGED

_LINES = ORDER_LINES.name
NO_ORDER_IDS = "The source has no order ids: a customer's lines at one time count as one order."


@dataclass(frozen=True)
class Outcome:
    """Numbers of rows by outcome; `n_rows` and `n_rejected` include those that were not parsed."""

    n_rows: int
    n_rejected: int
    n_guests: int
    n_uncharged: int
    n_negative: int  # discounts or refunds below zero, read as positive amounts
    currencies: tuple[str, ...]

    @property
    def n_kept(self) -> int:
        """Order lines of known customers."""
        return self.n_rows - self.n_rejected - self.n_guests - self.n_uncharged


def count_outcome(engine: Connection, table: str, n_broken: int) -> Outcome:
    """The outcome of the rows of `table` and of `n_broken` records that could not be parsed."""
    row = engine.execute(
        f"SELECT count(*) FILTER (row_status IS DISTINCT FROM '{BLANK}'), "
        f"count(*) FILTER (contains(row_status, {BREAK})), "
        f"count(*) FILTER (row_status = '{GUEST}'), count(*) FILTER (row_status = '{UNCHARGED}'), "
        f"count(*) FILTER (was_negative AND row_status IS NULL), "
        f"list_sort(list(DISTINCT upper(currency)) "
        f"FILTER (row_status IS NULL AND currency IS NOT NULL)) "
        f"FROM {table}"
    ).fetchone() or (0, 0, 0, 0, 0, None)
    return Outcome(
        n_rows=int(row[0]) + n_broken,
        n_rejected=int(row[1]) + n_broken,
        n_guests=int(row[2]),
        n_uncharged=int(row[3]),
        n_negative=int(row[4]),
        currencies=tuple(row[5] or ()),
    )


def summarise(
    engine: Connection,
    *,
    paths: tuple[str, ...],
    parts: tuple[Part, ...],
    timezone: str,
    input_hash: str,
    outcome: Outcome,
    reasons: dict[str, int],
    rejects_path: Path | None,
    n_tickets: int,
    has_tickets: bool,
    notes: tuple[str, ...],
) -> SourceInfo:
    """The SourceInfo of the finished `order_lines`."""
    row = engine.execute(
        f"SELECT count(*) FILTER (is_return), min(ordered_at), max(ordered_at), "
        f"coalesce(bool_or(ordered_local <> ordered_local::DATE), false), "
        f"count(product_id) > 0, count(category) > 0, count(channel) > 0 FROM {_LINES}"
    ).fetchone() or (0, None, None, False, False, False, False)
    mapped = {name for part in parts for name in part.mapping.positions}
    has_order_ids = "order_id" in mapped
    n_shared = _count_shared_orders(engine) if has_order_ids else 0
    inputs = {
        "discount": bool(mapped & {"discount_amount", "order_discount_amount"}),
        "refund": bool(mapped & {"refund_amount", "order_refund_amount"}) or row[0] > 0,
        "product": row[4],
        "category": row[5],
        "channel": row[6],
        "time_of_day": row[3],
        "tickets": has_tickets,
    }
    return SourceInfo(
        preset=parts[0].mapping.preset.name,
        paths=paths,
        timezone=timezone,
        input_hash=input_hash,
        n_rows_read=outcome.n_rows,
        n_rows_rejected=outcome.n_rejected,
        rejects_path=rejects_path,
        reject_reasons=reasons,
        n_guest_lines=outcome.n_guests,
        n_return_lines=int(row[0]),
        n_shared_orders=n_shared,
        currency=next(iter(outcome.currencies), None),
        inputs=frozenset(name for name, is_present in inputs.items() if is_present),
        first_ordered_at=row[1],
        last_ordered_at=row[2],
        n_tickets=n_tickets,
        notes=(*notes, *_notes(outcome, n_shared, has_order_ids=has_order_ids)),
    )


def _count_shared_orders(engine: Connection) -> int:
    row = engine.execute(
        f"SELECT count(*) FROM (SELECT order_id FROM {_LINES} GROUP BY order_id "
        f"HAVING min(customer_id) <> max(customer_id))"
    ).fetchone()
    return int(row[0]) if row else 0


def _notes(outcome: Outcome, n_shared: int, *, has_order_ids: bool) -> tuple[str, ...]:
    notes = []
    if not has_order_ids:
        notes.append(NO_ORDER_IDS)
    if n_shared:
        notes.append(
            f"{n_shared:,} order ids belong to more than one customer; each customer's lines "
            f"count as a separate order."
        )
    if outcome.n_negative:
        notes.append(
            f"{outcome.n_negative:,} lines have a discount or refund below zero, read as a "
            f"positive amount."
        )
    if outcome.n_uncharged:
        notes.append(
            f"{outcome.n_uncharged:,} lines of orders that were cancelled, voided or failed "
            f"before they were charged are left out."
        )
    return tuple(notes)
