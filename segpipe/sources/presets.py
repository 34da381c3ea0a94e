"""What a source's columns mean: one frozen record per mapping file.

Takes TOML files of `config/sources/` and of the user; gives Presets. An unknown key is an error
that lists the known ones, so that a typing error never reads half a file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segpipe.core.errors import InputError
from segpipe.core.resources import resource
from segpipe.core.timezones import check_timezone
from segpipe.core.toml_records import (
    check_choice,
    check_keys,
    naming_file,
    read_toml,
    table_of,
    typed,
    with_values,
)

# Ways to compute line_amount where the file has no such column.
FORMULAS: dict[str, tuple[str, ...]] = {
    "quantity * unit_price": ("quantity", "unit_price"),
    "quantity * unit_price - discount_amount": ("quantity", "unit_price"),
    "quantity * charged_price": ("quantity", "charged_price"),
}
TEXTS = ("customer_id", "order_id", "ordered_at", "product_id", "category", "channel")
NUMBERS = ("line_amount", "quantity", "discount_amount", "refund_amount", "unit_price")
ORDER_TEXTS = ("currency", "status", "cancelled_at")
ORDER_NUMBERS = ("order_discount_amount", "order_refund_amount", "order_subtotal_amount")
COLUMNS = (*TEXTS, *NUMBERS, "charged_price", *ORDER_TEXTS, *ORDER_NUMBERS)
FILLABLE = ("customer_id", "ordered_at", "channel", *ORDER_TEXTS)
_KEYS = ("title", "required", "line_amount_from", "timezone")
_TABLES = {
    "text": (
        "delimiter",
        "decimal",
        "thousands",
        "timestamps",
        "timestamps_timezone",
        "line_pattern",
    ),
    "returns": ("order_id_prefix",),
    "orders": (
        "fill",
        "is_discount_in_amount",
        "after_refunds",
        "guest_ids",
        "status_uncharged",
        "status_charged",
        "status_refunded",
    ),
}


@dataclass(frozen=True)
class Preset:
    """A mapping; `columns` has the headers of each canonical name, and the first filled one counts.

    For the canonical names in `sums`, the headers are added up instead.
    """

    name: str
    title: str
    columns: dict[str, tuple[str, ...]]
    sums: frozenset[str] = frozenset()
    required: tuple[str, ...] = ("customer_id", "ordered_at", "line_amount")
    line_amount_from: str | None = None  # one of FORMULAS
    timezone: str | None = None  # of the shop's clock, unless the settings have one
    delimiter: str | None = None  # recognised when None
    decimal: str = "."
    thousands: str = ""
    timestamps: tuple[str, ...] = ()  # strptime forms, tried in turn after ISO
    timestamps_timezone: str | None = None  # of those without an offset; None: the shop's
    line_pattern: str | None = None  # of files without a header: named groups are the columns
    return_prefix: str | None = None  # of the order id of a cancellation
    fill: tuple[str, ...] = ()  # filled on an order's first line only
    is_discount_in_amount: bool = False  # the order's discount is already off its lines' amounts
    after_refunds: tuple[str, ...] = ()  # headers whose values are net of refunds
    guest_ids: tuple[str, ...] = ()  # customer ids that mean nobody
    status_uncharged: tuple[str, ...] = ()
    status_charged: tuple[str, ...] = ()
    status_refunded: tuple[str, ...] = ()
    is_builtin: bool = True

    @property
    def has_order_columns(self) -> bool:
        """Whether a line depends on the other lines of its order."""
        mapped = {*ORDER_NUMBERS, "status", "cancelled_at"} & set(self.columns)
        return bool(self.fill or mapped)


def load_presets(paths: tuple[Path, ...] = ()) -> tuple[Preset, ...]:
    """The built-in presets and the user's own (files or folders), by name; a user's own wins.

    Raises InputError for a file that cannot be read or is no mapping.
    """
    presets = {
        path.stem: _read(path, is_builtin=True)
        for path in sorted(resource("config", "sources").glob("*.toml"))
    }
    for path in paths:
        files = sorted(path.glob("*.toml")) if path.is_dir() else [path]
        presets |= {file.stem: _read(file, is_builtin=False) for file in files}
    return tuple(presets[name] for name in sorted(presets))


def normalised(header: str) -> str:
    """Header for comparison: without case, blanks, underscores."""
    return re.sub(r"[\s_\ufeff]+", "", header).casefold()


def _read(path: Path, *, is_builtin: bool) -> Preset:
    document = read_toml(path, "mapping")
    with naming_file(path, "mapping"):
        return _preset(path.stem, document, is_builtin=is_builtin)


def _preset(name: str, document: dict[str, Any], *, is_builtin: bool) -> Preset:
    check_keys("", document, (*_KEYS, *_TABLES, "columns"))
    values = {key: value for key, value in document.items() if key in _KEYS}
    for key, known in _TABLES.items():
        table = table_of(document, key)
        check_keys(key, table, known)
        values |= table
    if "order_id_prefix" in values:
        values["return_prefix"] = values.pop("order_id_prefix")
    values = {key: value for key, value in values.items() if value != []}
    columns, sums = _columns(table_of(document, "columns"))
    preset = Preset(name, name, columns, sums, is_builtin=is_builtin)
    preset = with_values(preset, "", values)
    _check_choices(preset)
    _check_whole(preset)
    return preset


def _columns(table: dict[str, Any]) -> tuple[dict[str, tuple[str, ...]], frozenset[str]]:
    columns: dict[str, tuple[str, ...]] = {}
    sums: set[str] = set()
    check_keys("columns", table, COLUMNS)
    for canonical, value in table.items():
        headers = value
        if isinstance(value, dict):
            headers = value.get("sum")
            sums.add(canonical)
            if set(value) != {"sum"} or canonical not in NUMBERS:
                msg = f"columns.{canonical} is {value!r}; a number column takes {{ sum = [...] }}."
                raise InputError(msg)
        columns[canonical] = typed(f"columns.{canonical}", headers, tuple[str, ...])
    return columns, frozenset(sums)


def _check_choices(preset: Preset) -> None:
    for name in ("timezone", "timestamps_timezone"):
        if (zone := getattr(preset, name)) is not None:
            check_timezone(name, zone)
    if preset.line_amount_from is not None:
        check_choice("line_amount_from", preset.line_amount_from, FORMULAS)
    check_choice("decimal", preset.decimal, (".", ","))
    for name in preset.required:
        check_choice("required", name, COLUMNS)
    for name in preset.fill:
        check_choice("fill", name, FILLABLE)


def _check_whole(preset: Preset) -> None:
    """Raise InputError for a mapping that cannot read any file."""
    formula = preset.line_amount_from
    for name in preset.required:
        has_formula = formula and all(part in preset.columns for part in FORMULAS[formula])
        if name not in preset.columns and not (name == "line_amount" and has_formula):
            hint = " or line_amount_from" if name == "line_amount" else ""
            raise InputError(f"{name} has no header under [columns]; expected one{hint}.")
    if preset.delimiter is not None and len(preset.delimiter) != 1:
        raise InputError(f"text.delimiter is {preset.delimiter!r}; expected one character.")
    if preset.has_order_columns and "order_id" not in preset.columns:
        raise InputError("order columns need an order_id under [columns].")
    if preset.thousands == preset.decimal:
        raise InputError(f"decimal and thousands are both {preset.decimal!r}; expected two signs.")
    if preset.line_pattern is not None:
        try:
            groups = set(re.compile(preset.line_pattern).groupindex)
        except re.error as error:
            raise InputError(f"text.line_pattern is not a regular expression: {error}.") from error
        if not groups:
            raise InputError(
                "text.line_pattern has no named groups; expected (?P<customer_id>...)."
            )
