"""Spreads the columns of an order over its lines.

Takes typed lines of a source that fills its order columns on some lines only; gives a SELECT of
the same lines, with blanks filled per order and the order's discount and refund shared out.
"""

from __future__ import annotations

from segpipe.core.schema import AMOUNT
from segpipe.engines.duckdb import literal
from segpipe.sources.presets import Preset
from segpipe.sources.recognise import Mapping
from segpipe.sources.typed import BREAK, GUEST, UNCHARGED

_FILLED = {  # canonical name → columns of a typed line
    "customer_id": ("customer_id",),
    "ordered_at": ("ordered_at", "ordered_local"),
    "channel": ("channel",),
    "currency": ("currency",),
    "status": ("status",),
    "cancelled_at": ("cancelled_at",),
}


def filled_lines(mapping: Mapping, table: str) -> str:
    """SELECT of `table`'s lines in its order, with the columns of typed lines.

    An order's amount is shared out in proportion to its lines' amounts, to the cent: cumulated
    sums are rounded, not shares, so that the shares add up. Lines are ordered by content, not row.
    """
    preset = mapping.preset
    return f"""
        WITH filled AS ({_filled(preset, table)}),
        judged AS (SELECT * REPLACE ({_row_status(preset)} AS row_status) FROM filled),
        weighed AS (SELECT *,
            CASE WHEN row_status IS NULL AND amount > 0 THEN amount ELSE 0 END AS goods,
            CASE WHEN row_status IS NULL AND amount >= 0 THEN 1 ELSE 0 END AS is_sold FROM judged),
        totals AS (SELECT order_id, {_totals(preset)} FROM weighed GROUP BY order_id),
        owed AS (SELECT order_id, goods_total, lines_total, order_discount_given,
            {_refund(mapping)} AS order_refund_given FROM totals),
        ranked AS (SELECT weighed.*, owed.* EXCLUDE (order_id),
            CASE WHEN goods_total > 0 THEN goods ELSE is_sold END AS weight,
            CASE WHEN goods_total > 0 THEN goods_total ELSE lines_total END AS whole,
            sum(weight) OVER (PARTITION BY order_id ORDER BY amount DESC, product_id, quantity,
                discount, refund ROWS UNBOUNDED PRECEDING) AS reach
            FROM weighed LEFT JOIN owed USING (order_id)),
        shared AS (SELECT *, {_share("order_discount_given")} AS discount_share,
            {_share("order_refund_given")} AS refund_share FROM ranked)
        SELECT * EXCLUDE (ordinal) REPLACE (
            ({_charged(mapping)})::{AMOUNT} AS amount,
            (discount + discount_share)::{AMOUNT} AS discount,
            (refund + refund_share)::{AMOUNT} AS refund)
        FROM shared ORDER BY ordinal"""


def _filled(preset: Preset, table: str) -> str:
    columns = [column for name in preset.fill for column in _FILLED[name]]
    replaced = "".join(
        f", coalesce({column}, {_first(column)} OVER (PARTITION BY order_id)) AS {column}"
        for column in columns
    )
    kept = f" REPLACE ({replaced.removeprefix(', ')})" if replaced else ""
    return f"SELECT *{kept}, rowid AS ordinal FROM {table}"


def _first(column: str) -> str:
    # The local time of the greatest instant: when clocks go back, it need not be the greatest.
    return "arg_max(ordered_local, ordered_at)" if column == "ordered_local" else f"max({column})"


def _row_status(preset: Preset) -> str:
    missing_date = f"{literal('date is missing')} || {BREAK}"
    status = "regexp_replace(lower(status), '^wc-', '')"
    uncharged = f"{status} IN {_texts(preset.status_uncharged)}"
    charged = f"coalesce({status}, '') IN {_texts(preset.status_charged)}"
    return (
        f"CASE WHEN row_status IS NOT NULL THEN row_status"
        f" WHEN ordered_at IS NULL THEN {missing_date} "
        f"WHEN {uncharged} OR (cancelled_at IS NOT NULL AND NOT {charged}) THEN '{UNCHARGED}' "
        f"WHEN customer_id IS NULL THEN '{GUEST}' END"
    )


def _totals(preset: Preset) -> str:
    """Per order: goods and lines, discount to share out, refund of the order."""
    beyond = "greatest(coalesce(max(order_discount), 0) - sum(discount), 0)"
    if not preset.is_discount_in_amount:
        # The subtotal shows how much of the discount was for goods; the rest was for shipping, or
        # is already among the lines' own discounts.
        beyond = f"""CASE WHEN max(order_subtotal) IS NULL THEN least({beyond}, sum(goods))
            ELSE greatest(least(sum(goods) - max(order_subtotal),
                coalesce(max(order_discount), sum(goods))), 0) END"""
    status = f"regexp_replace(lower(max(status)), '^wc-', '') IN {_texts(preset.status_refunded)}"
    return f"""sum(goods) AS goods_total, sum(is_sold) AS lines_total,
        ({beyond})::{AMOUNT} AS order_discount_given, max(order_refund) AS order_refund,
        sum(refund) FILTER (row_status IS NULL) AS line_refunds,
        coalesce({status}, false) AS is_refunded"""


def _refund(mapping: Mapping) -> str:
    """Refund to share out, at most the value of the goods: the rest was shipping and tax."""
    asked = "greatest(coalesce(order_refund, 0) - coalesce(line_refunds, 0), 0)"
    if mapping.is_after_refunds:
        return f"({asked})::{AMOUNT}"
    off = "0" if mapping.preset.is_discount_in_amount else "order_discount_given"
    left = f"greatest(goods_total - {off} - coalesce(line_refunds, 0), 0)"
    whole = "is_refunded AND coalesce(order_refund, 0) = 0"
    return f"(CASE WHEN {whole} THEN {left} ELSE least({asked}, {left}) END)::{AMOUNT}"


def _share(given: str) -> str:
    def cut(reach: str) -> str:
        return (
            f"CASE WHEN {reach} >= whole THEN {given} "
            f"ELSE round({given}::DOUBLE * ({reach})::DOUBLE / whole::DOUBLE, 2)::{AMOUNT} END"
        )

    return f"CASE WHEN weight > 0 THEN ({cut('reach')}) - ({cut('(reach - weight)')}) ELSE 0 END"


def _charged(mapping: Mapping) -> str:
    """What was charged for the line, after discount and before refunds."""
    amount = "amount" if mapping.preset.is_discount_in_amount else "amount - discount_share"
    return f"{amount} + refund + refund_share" if mapping.is_after_refunds else amount


def _texts(values: tuple[str, ...]) -> str:
    return f"({', '.join(literal(value) for value in values) or 'NULL'})"
