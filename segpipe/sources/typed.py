"""SQL that turns a source's texts into typed lines, or into the reason for rejecting them.

Takes a mapping and a relation of texts c0, c1 …; gives a SELECT with one row per record.
`row_status` is NULL for a line that counts, else blank, guest, uncharged, or a reason and its text.
"""

from __future__ import annotations

from segpipe.core.identifiers import BLANK_IDS
from segpipe.core.schema import AMOUNT
from segpipe.engines.duckdb import literal
from segpipe.sources.presets import FORMULAS, ORDER_NUMBERS, Preset
from segpipe.sources.recognise import Mapping

BREAK = "chr(31)"  # between a reason and the value it refers to
GUEST = "guest"
UNCHARGED = "uncharged"
BLANK = "blank"  # a record with no filled column, as spreadsheets leave behind
_NUMBER = "DECIMAL(14, 4)"  # below 10,000,000,000, so that sums per customer do not overflow
_BLANK_IDS = f"({', '.join(map(literal, BLANK_IDS))})"
_FIRST, _LAST = "TIMESTAMP '1970-01-01'", "TIMESTAMP '2200-12-31 23:59:59.999999'"
_LABELS = {  # of a column, in a reason
    "line_amount": "amount",
    "unit_price": "unit price",
    "charged_price": "unit price",
    "quantity": "quantity",
    "discount_amount": "discount",
    "refund_amount": "refund",
    "order_discount_amount": "discount",
    "order_refund_amount": "refund",
    "order_subtotal_amount": "subtotal",
}


def typed_lines(mapping: Mapping, relation: str, timezone: str) -> str:
    """SELECT of typed lines from `relation`; amounts keep their sign, nothing is filled in yet.

    Columns: customer_id, order_id, ordered_at, ordered_local, amount, quantity, discount, refund,
    price, product_id, category, channel, currency, was_negative, row_status, and for presets with
    order columns also status, cancelled_at, order_discount, order_refund, order_subtotal.
    """
    # One level per step: an alias used in the SELECT that defines it is computed twice.
    steps = (_typed(mapping), _dated(mapping), _checked(mapping, timezone))
    select = f"SELECT {_raw(mapping)} FROM (SELECT {_trimmed(mapping)} FROM {relation})"
    for step in steps:
        select = f"SELECT *, {step} FROM ({select})" if step else select
    return f"SELECT {_final(mapping)} FROM ({select})"


def timestamp_of(column: str) -> tuple[str, str]:
    """SQL for (wall clock of a stamp without zone, instant of a stamp with zone) of a text.

    A zone is an offset, `Z` or a name after the time. The engine accepts no blank before an
    offset, so the blank is removed.
    """
    # The usual 19 characters are recognised by one comparison, others by a pattern.
    has_zone = (
        f"CASE WHEN length({column}) = 19 AND substr({column}, 17, 1) = ':' THEN false "
        f"ELSE regexp_matches({column}, '^\\S+[ T].*[A-Za-z+-]') END"
    )
    closed = f"regexp_replace({column}, '\\s+([+-]\\d)', '\\1')"
    wall = f"CASE WHEN {has_zone} THEN NULL ELSE TRY_CAST({column} AS TIMESTAMP) END"
    instant = f"CASE WHEN {has_zone} THEN timezone('UTC', TRY_CAST({closed} AS TIMESTAMPTZ)) END"
    return wall, instant


def in_range(column: str) -> str:
    """SQL: the timestamp where it is within 1970 to 2200, else NULL."""
    return f"CASE WHEN {column} BETWEEN {_FIRST} AND {_LAST} THEN {column} END"


def trimmed(column: str) -> str:
    """SQL: a text without blanks around it, NULL where it is empty."""
    # trim() copies every text, a tenth of the time of parsing; few texts need it.
    has_blank = f"starts_with({column}, ' ') OR ends_with({column}, ' ')"
    return f"CASE WHEN {has_blank} THEN nullif(trim({column}), '') ELSE nullif({column}, '') END"


def identifier(column: str) -> str:
    """SQL: a trimmed text as the shop's id, NULL for nobody; `12346.0` is 12346."""
    return (
        f"CASE WHEN length({column}) <= 4 AND lower({column}) IN {_BLANK_IDS} THEN NULL "
        f"WHEN ends_with({column}, '.0') AND regexp_full_match({column}, '\\d+\\.0') "
        f"THEN left({column}, -2) ELSE {column} END"
    )


def number(column: str, preset: Preset) -> str:
    """SQL: an amount, NULL where the text is not one; NaN and infinity are not."""
    if preset.decimal == "." and not preset.thousands:
        return f"TRY_CAST({column} AS {_NUMBER})"
    point, sign = _pattern(preset.decimal), _pattern(preset.thousands)
    whole = f"(\\d+|\\d{{1,3}}({sign}\\d{{3}})+)" if preset.thousands else "\\d+"
    plain = f"replace({column}, {literal(preset.thousands)}, '')" if preset.thousands else column
    # Without the pattern, 12.50 in a file of decimal commas would silently become 1250.
    return (
        f"CASE WHEN regexp_full_match({column}, '\\s*[+-]?{whole}({point}\\d*)?\\s*') "
        f"THEN TRY_CAST(replace({plain}, {literal(preset.decimal)}, '.') AS {_NUMBER}) END"
    )


def _pattern(sign: str) -> str:
    return f"[{sign}]".replace("'", "''")


def _columns(mapping: Mapping, name: str) -> list[str]:
    return [f"c{position}" for position in mapping.positions.get(name, ())]


def _first_filled(columns: list[str]) -> str:
    return f"coalesce({', '.join(columns)})" if columns else "NULL::VARCHAR"


def _first_id(columns: list[str], guest_ids: tuple[str, ...]) -> str:
    ids = [identifier(column) for column in columns]
    for guest in guest_ids:
        ids = [f"nullif({item}, {literal(guest)})" for item in ids]
    return f"coalesce({', '.join(ids)})" if ids else "NULL::VARCHAR"


def _number_parts(mapping: Mapping) -> dict[str, list[str]]:
    """The texts of each canonical number: one, or the parts of a sum."""
    parts = {}
    for name in _LABELS:
        columns = _columns(mapping, name)
        if name in mapping.preset.sums or len(columns) < 2:
            parts[name] = columns
        else:
            parts[name] = [_first_filled(columns)]
    return {name: columns for name, columns in parts.items() if columns}


def _trimmed(mapping: Mapping) -> str:
    """Mapped columns; a number with one header needs no trimming, for the cast does it."""
    numbers = {
        mapping.positions[name][0] for name in _LABELS if len(mapping.positions.get(name, ())) == 1
    }
    used = sorted({position for found in mapping.positions.values() for position in found})
    return ", ".join(
        f"c{position}" if position in numbers else f"{trimmed(f'c{position}')} AS c{position}"
        for position in used
    )


def _raw(mapping: Mapping) -> str:
    guest_ids = mapping.preset.guest_ids
    columns = [
        f"{_first_id(_columns(mapping, 'customer_id'), guest_ids)} AS customer_id",
        f"{_first_id(_columns(mapping, 'order_id'), ())} AS order_text",
        f"{_first_id(_columns(mapping, 'product_id'), ())} AS product_id",
        *(
            f"{_first_filled(_columns(mapping, name))} AS {name}"
            for name in ("category", "channel", "currency", "status", "cancelled_at")
        ),
        f"{_first_filled(_columns(mapping, 'ordered_at'))} AS date_text",
    ]
    for name, parts in _number_parts(mapping).items():
        columns += [f"{part} AS {name}_text{i}" for i, part in enumerate(parts)]
    return ", ".join(columns)


def _typed(mapping: Mapping) -> str:
    wall, instant = timestamp_of("date_text")
    columns = [f"{wall} AS iso_wall", f"{instant} AS instant"]
    for name, parts in _number_parts(mapping).items():
        columns += [
            f"{number(f'{name}_text{i}', mapping.preset)} AS {name}{i}" for i in range(len(parts))
        ]
    return ", ".join(columns)


def _dated(mapping: Mapping) -> str:
    # Formats are tried where ISO gives no date in range: 12/1/10 would be the year 12.
    is_open = f"{in_range('iso_wall')} IS NULL AND instant IS NULL"
    return ", ".join(
        f"CASE WHEN {is_open} THEN try_strptime(date_text, {literal(form)}) END AS wall{i}"
        for i, form in enumerate(mapping.preset.timestamps)
    )


def _checked(mapping: Mapping, timezone: str) -> str:
    walls = _walls(mapping)
    wall = f"coalesce({', '.join(in_range(item) for item in walls)})"
    instant = in_range("instant")
    stamps = mapping.preset.timestamps_timezone or timezone
    if timezone == stamps == "UTC":
        local = at = f"coalesce({wall}, {instant})"
    elif stamps != timezone:
        at = f"coalesce(timezone('UTC', timezone({literal(stamps)}, {wall})), {instant})"
        local = f"timezone({literal(timezone)}, timezone('UTC', {at}))"
    else:
        zone = literal(timezone)
        local = f"coalesce({wall}, timezone({zone}, timezone('UTC', {instant})))"
        at = f"coalesce(timezone('UTC', timezone({zone}, {wall})), {instant})"
    columns = [f"{local} AS ordered_local", f"{at} AS ordered_at", f"{_amount(mapping)} AS amount"]
    columns += [f"{_value(mapping, name)} AS {name}" for name in _LABELS]
    return ", ".join(columns)


def _walls(mapping: Mapping) -> list[str]:
    return ["iso_wall", *(f"wall{i}" for i in range(len(mapping.preset.timestamps)))]


def _problem(mapping: Mapping) -> str:
    """SQL: why a line is rejected, followed by BREAK and the value that is wrong."""
    cases = [("length(customer_id) > 100", "customer id is over 100 characters", "customer_id")]
    if "order_id" in mapping.positions:
        cases.append(("order_text IS NULL", "order id is missing", "''"))
        cases.append(("length(order_text) > 100", "order id is over 100 characters", "order_text"))
    if "ordered_at" not in mapping.preset.fill:
        cases.append(("date_text IS NULL", "date is missing", "''"))
    no_date = "date_text IS NOT NULL AND ordered_at IS NULL"
    unread = f"{no_date} AND coalesce({', '.join([*_walls(mapping), 'instant'])}) IS NULL"
    cases.append((unread, "date cannot be read", "date_text"))
    cases.append((no_date, "date is outside 1970 to 2200", "date_text"))
    for name, parts in _number_parts(mapping).items():
        for i in range(len(parts)):
            text = f"{name}_text{i}"
            is_large = (
                f"{name}{i} IS NULL AND abs(TRY_CAST({text} AS DOUBLE)) BETWEEN 1e10 AND 1e300"
            )
            cases.append((is_large, f"{_LABELS[name]} is over 9,999,999,999", text))
            is_text = f"{name}{i} IS NULL AND nullif(trim({text}), '') IS NOT NULL"
            cases.append((is_text, f"{_LABELS[name]} is not a number", text))
    cases.append(("amount IS NULL", "amount is missing", "''"))
    whens = (
        f"WHEN {condition} THEN {literal(reason)} || {BREAK} || {text}"
        for condition, reason, text in cases
    )
    return f"CASE {' '.join(whens)} END"


def _amount(mapping: Mapping) -> str:
    """SQL: the line's amount as the source has it, negative on returns."""
    formula = mapping.preset.line_amount_from
    own = _value(mapping, "line_amount")
    if formula is None or not set(FORMULAS[formula]) - {"quantity"} <= set(mapping.positions):
        return own
    price = next(part for part in FORMULAS[formula] if part != "quantity")
    product = f"coalesce({_value(mapping, 'quantity')}, 1) * {_value(mapping, price)}"
    if formula.endswith("discount_amount"):
        product += f" - abs(coalesce({_value(mapping, 'discount_amount')}, 0))"
    return f"coalesce({own}, TRY_CAST({product} AS {_NUMBER}))"


def _value(mapping: Mapping, name: str) -> str:
    """SQL: a number of the source, the sum of its parts where it has several."""
    terms = [f"{name}{i}" for i in range(len(_number_parts(mapping).get(name, ())))]
    if not terms:
        return f"NULL::{AMOUNT}"
    if len(terms) == 1:
        return terms[0]
    return f"TRY_CAST({' + '.join(f'coalesce({term}, 0)' for term in terms)} AS {_NUMBER})"


def _is_blank(mapping: Mapping) -> str:
    """SQL: whether no column that the preset reads is filled."""
    texts = ["customer_id", "order_text", "date_text", "product_id", "category", "channel"]
    for name, parts in _number_parts(mapping).items():
        texts += [f"{name}_text{i}" for i in range(len(parts))]
    return f"coalesce({', '.join(texts)}) IS NULL"


def _final(mapping: Mapping) -> str:
    # Without order ids, a customer's lines at one time are one order.
    has_order_id = "order_id" in mapping.positions
    order_id = "order_text" if has_order_id else "strftime(ordered_at, '%Y-%m-%dT%H:%M:%SZ')"
    # Then the customer is known only once the order's lines are combined.
    guest = (
        "" if "customer_id" in mapping.preset.fill else f"WHEN customer_id IS NULL THEN '{GUEST}'"
    )
    columns = [
        "customer_id",
        f"{order_id} AS order_id",
        "ordered_at",
        "ordered_local",
        "amount",
        f"coalesce(quantity, 1)::{AMOUNT} AS quantity",
        f"abs(coalesce(discount_amount, 0))::{AMOUNT} AS discount",
        f"abs(coalesce(refund_amount, 0))::{AMOUNT} AS refund",
        "unit_price AS price",
        "product_id",
        "category",
        "channel",
        "currency",
        "coalesce(discount_amount < 0 OR refund_amount < 0, false) AS was_negative",
        f"{_problem(mapping)} AS problem",
        (
            f"CASE WHEN problem IS NOT NULL AND {_is_blank(mapping)} THEN '{BLANK}' "
            f"WHEN problem IS NOT NULL THEN problem {guest} END AS row_status"
        ),
    ]
    if mapping.preset.has_order_columns:
        columns += ["status", "cancelled_at"]
        columns += [f"abs({name}) AS {name.removesuffix('_amount')}" for name in ORDER_NUMBERS]
    return ", ".join(columns)
