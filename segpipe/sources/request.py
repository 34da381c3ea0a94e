"""Order lines and tickets of a request, typed by the same SQL as those of a file.

Takes texts, packed into one parameter of a statement; gives SELECTs of the schema's columns and of
`row_status`, which is NULL for lines that count.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from segpipe.sources.lines import finished_lines
from segpipe.sources.presets import Preset
from segpipe.sources.recognise import Mapping
from segpipe.sources.tickets import TICKET_COLUMNS, TICKETS_PRESET, typed_tickets
from segpipe.sources.typed import typed_lines

LINE_COLUMNS = (  # of a packed line, in this order
    "customer_id",
    "order_id",
    "ordered_at",
    "line_amount",
    "quantity",
    "discount_amount",
    "refund_amount",
    "product_id",
    "category",
    "channel",
    "unit_price",
)
_RECORD, _FIELD = "\x1e", "\x1f"  # ASCII's separators, which no text of a request may contain
_PRESET = Preset("request", "A request", {name: (name,) for name in LINE_COLUMNS})


def packed(rows: Iterable[Sequence[str | None]]) -> str:
    """The rows as one text; None and an empty text are the same, as in a file."""
    return _RECORD.join(_FIELD.join(field or "" for field in row) for row in rows)


def request_lines(timezone: str) -> str:
    """SELECT of order lines from the parameter `$lines`, rows of LINE_COLUMNS."""
    typed = typed_lines(_mapping(_PRESET, LINE_COLUMNS), _texts("lines", LINE_COLUMNS), timezone)
    return finished_lines(typed, _PRESET)


def request_tickets(timezone: str) -> str:
    """SELECT of tickets from the parameter `$tickets`, rows of TICKET_COLUMNS."""
    mapping = _mapping(TICKETS_PRESET, TICKET_COLUMNS)
    return typed_tickets(mapping, _texts("tickets", TICKET_COLUMNS), timezone)


def _mapping(preset: Preset, columns: Sequence[str]) -> Mapping:
    return Mapping(preset, tuple(columns), {name: (i,) for i, name in enumerate(columns)})


def _texts(parameter: str, columns: Sequence[str]) -> str:
    """SQL: a relation of texts, with columns c0, c1 and so on."""
    split = (
        f"SELECT string_split(unnest(string_split(${parameter}::VARCHAR, chr({ord(_RECORD)}))),"
        f" chr({ord(_FIELD)})) AS fields"
    )
    texts = ", ".join(f"fields[{i + 1}] AS c{i}" for i in range(len(columns)))
    return f"(SELECT {texts} FROM ({split}))"
