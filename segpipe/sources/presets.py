"""What a source's columns mean: one frozen record a mapping file.

Takes TOML files of `config/sources/` and of the user; gives Presets. A key that is not known is
refused with the known ones listed, so that a typing error never reads half a file.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segpipe.core.errors import InputError
from segpipe.core.resources import resource

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
_KEYS = {
    "": ("title", "required", "line_amount_from", "columns", "text", "returns", "orders"),
    "text": ("delimiter", "decimal", "thousands", "timestamps", "line_pattern"),
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
    """A mapping; `columns` is canonical name → headers, of which the first that is filled counts.

    The headers of a canonical name in `sums` are added up instead.
    """

    name: str
    title: str
    columns: dict[str, tuple[str, ...]]
    sums: frozenset[str] = frozenset()
    required: tuple[str, ...] = ("customer_id", "ordered_at", "line_amount")
    line_amount_from: str | None = None  # one of FORMULAS
    delimiter: str | None = None  # recognised when None
    decimal: str = "."
    thousands: str = ""
    timestamps: tuple[str, ...] = ()  # strptime forms, tried in turn after ISO
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
        """Whether lines need their order's other lines to be understood."""
        mapped = {*ORDER_NUMBERS, "status", "cancelled_at"} & set(self.columns)
        return bool(self.fill or mapped)


def load_presets(paths: tuple[Path, ...] = ()) -> tuple[Preset, ...]:
    """Give the built-in presets by name, a user's own (files or folders) replacing or following.

    Raises InputError for a file that cannot be read or that says what is not known.
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
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        msg = f"The mapping {path} cannot be read ({error.strerror}); name an existing TOML file."
        raise InputError(msg) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"The mapping {path} is not TOML: {error}.") from error
    try:
        return _preset(path.stem, document, is_builtin=is_builtin)
    except InputError as error:
        raise InputError(f"The mapping {path}: {error}") from error


def _preset(name: str, document: dict[str, Any], *, is_builtin: bool) -> Preset:
    _check_keys("", document)
    for table in ("columns", "text", "returns", "orders"):
        if not isinstance(document.get(table, {}), dict):
            raise InputError(f"{table} is not a table; expected [{table}].")
    text, orders = document.get("text", {}), document.get("orders", {})
    _check_keys("text", text)
    _check_keys("returns", document.get("returns", {}))
    _check_keys("orders", orders)
    columns, sums = _columns(document.get("columns", {}))
    default = Preset(name, name, columns)
    preset = Preset(
        name=name,
        title=_text(document, "title") or name,
        columns=columns,
        sums=sums,
        required=_texts(document, "required", COLUMNS) or default.required,
        line_amount_from=_text(document, "line_amount_from", tuple(FORMULAS)),
        delimiter=_text(text, "delimiter"),
        decimal=_text(text, "decimal", (".", ",")) or default.decimal,
        thousands=_text(text, "thousands") or default.thousands,
        timestamps=_texts(text, "timestamps"),
        line_pattern=_text(text, "line_pattern"),
        return_prefix=_text(document.get("returns", {}), "order_id_prefix"),
        fill=_texts(orders, "fill", FILLABLE),
        is_discount_in_amount=orders.get("is_discount_in_amount", False) is True,
        after_refunds=_texts(orders, "after_refunds"),
        guest_ids=_texts(orders, "guest_ids"),
        status_uncharged=_texts(orders, "status_uncharged"),
        status_charged=_texts(orders, "status_charged"),
        status_refunded=_texts(orders, "status_refunded"),
        is_builtin=is_builtin,
    )
    _check_whole(preset)
    return preset


def _columns(table: dict[str, Any]) -> tuple[dict[str, tuple[str, ...]], frozenset[str]]:
    columns: dict[str, tuple[str, ...]] = {}
    sums: set[str] = set()
    for canonical, value in table.items():
        if canonical not in COLUMNS:
            _refuse("column", canonical, COLUMNS)
        headers = value
        if isinstance(value, dict):
            headers = value.get("sum")
            sums.add(canonical)
            if set(value) != {"sum"} or canonical not in NUMBERS:
                msg = f"columns.{canonical} is {value!r}; a number column takes {{ sum = [...] }}."
                raise InputError(msg)
        columns[canonical] = _texts({canonical: headers}, canonical)
    return columns, frozenset(sums)


def _check_whole(preset: Preset) -> None:
    """Refuse a mapping that could never read a file."""
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
            raise InputError(f"text.line_pattern is no regular expression: {error}.") from error
        if not groups:
            raise InputError(
                "text.line_pattern has no named groups; expected (?P<customer_id>...)."
            )


def _check_keys(table: str, values: dict[str, Any]) -> None:
    for key in values:
        if key not in _KEYS[table]:
            _refuse(f"key in [{table}]" if table else "key", key, _KEYS[table])


def _text(table: dict[str, Any], key: str, known: tuple[str, ...] = ()) -> str | None:
    value = table.get(key)
    if value is None:
        return None
    if not isinstance(value, str):
        raise InputError(f"{key} is {value!r}; expected a text.")
    if known and value not in known:
        _refuse(key, value, known)
    return value


def _texts(table: dict[str, Any], key: str, known: tuple[str, ...] = ()) -> tuple[str, ...]:
    value = table.get(key, [])
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise InputError(f"{key} is {value!r}; expected a text or a list of texts.")
    for item in items:
        if known and item not in known:
            _refuse(key, item, known)
    return tuple(items)


def _refuse(what: str, found: str, known: tuple[str, ...]) -> None:
    raise InputError(f"unknown {what}: {found!r}. Known: {', '.join(known)}.")
