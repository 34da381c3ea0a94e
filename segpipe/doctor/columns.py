"""Which column was read as what, and how to supply a missing one.

Takes the parts that were read, each with its mapping; gives columns, findings and advice.
"""

from __future__ import annotations

from segpipe.doctor.record import Finding
from segpipe.sources.lines import Intake
from segpipe.sources.read import Part
from segpipe.sources.recognise import Mapping
from segpipe.sources.summary import NO_ORDER_IDS

INPUT_WORDS = {  # of schema.INPUTS
    "discount": "discounts",
    "refund": "refunds",
    "product": "products",
    "category": "categories",
    "channel": "channels",
    "time_of_day": "times of day",
    "tickets": "tickets",
}
_COLUMN_OF = {
    "discount": "discount_amount",
    "refund": "refund_amount",
    "product": "product_id",
    "category": "category",
    "channel": "channel",
}


def columns_read(parts: tuple[Part, ...]) -> tuple[tuple[str, str], ...]:
    """Segpipe's name and the file's header (or the formula), in the preset's order."""
    columns: dict[str, str] = {}
    for part in parts:
        for name in part.mapping.positions:
            columns.setdefault(name, header_of(part.mapping, name))
    preset = parts[0].mapping.preset
    if "line_amount" not in columns and preset.line_amount_from:
        columns["line_amount"] = preset.line_amount_from
    return tuple(columns.items())


def header_of(mapping: Mapping, name: str) -> str:
    """The headers that a column is read from: a sum, or the first that is filled."""
    headers = dict.fromkeys(mapping.header[position] for position in mapping.positions[name])
    return (" + " if name in mapping.preset.sums else ", else ").join(headers)


def headers_unread(parts: tuple[Part, ...]) -> tuple[str, ...]:
    """Headers of any part that no column is read from, each once."""
    unread: dict[str, None] = {}
    for part in parts:
        used = {position for found in part.mapping.positions.values() for position in found}
        unread |= {
            header: None
            for position, header in enumerate(part.mapping.header)
            if position not in used and header
        }
    return tuple(unread)


def column_findings(intake: Intake) -> list[Finding]:
    """Files given twice or with different columns, and a source without order ids."""
    notes = (*intake.notes, *intake.tickets.notes)
    findings = [Finding("note", "files", note) for note in notes]
    first = intake.parts[0]
    for part in intake.parts[1:]:
        lacks = [name for name in first.mapping.positions if name not in part.mapping.positions]
        more = [name for name in part.mapping.positions if name not in first.mapping.positions]
        differences = [f"lacks {', '.join(lacks)}"] if lacks else []
        differences += [f"also has {', '.join(more)}"] if more else []
        if differences:
            found = f"{part.label} {' and '.join(differences)}, compared with {first.label}."
            advice = "Export the same columns in all files, or those customers look different."
            findings.append(Finding("warning", "columns", found, advice))
    if not any("order_id" in part.mapping.positions for part in intake.parts):
        findings.append(
            Finding(
                "note",
                "columns",
                NO_ORDER_IDS,
                "Add the order number if the shop has one.",
            )
        )
    return findings


def advice_for(name: str, parts: tuple[Part, ...]) -> str:
    """How to supply the missing input `name`, of schema.INPUTS."""
    if name == "tickets":
        return "Give --tickets FILE with one support ticket per row."
    if name == "time_of_day":
        return "Export the time of the order with its date."
    column = _COLUMN_OF[name]
    for part in parts:
        if column in part.mapping.positions:
            header = header_of(part.mapping, column)
            return f"The column {header} is empty; fill it."
    preset = parts[0].mapping.preset
    headers = preset.columns.get(column, ())
    where = f"{column} in a mapping of your own (--preset-file, docs/sources.md)"
    if headers:
        return f"Add a column {headers[0]}, or map one to {where}."
    return f"Add a column of {INPUT_WORDS[name]}, and map it to {where}."


def column_of(name: str, parts: tuple[Part, ...]) -> str:
    """The header that an input comes from, or its usual name."""
    column = _COLUMN_OF[name]
    found = [p.mapping for p in parts if column in p.mapping.positions]
    return header_of(found[0], column) if found else column
