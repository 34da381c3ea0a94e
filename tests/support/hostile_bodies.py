"""Malicious and malformed request bodies for the service, made from a seed."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from segpipe.api.examples import BATCH, CUSTOMER, RFM, RFM_CUSTOMER

ASSIGN, MANY = "/segments/assign", "/segments/assign/batch"
MANUAL, KNOWN = "/segment/manual", "/segment/customer"
Rng = random.Random


@dataclass(frozen=True)
class Hostile:
    """One request."""

    path: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Raw:
    """JSON text that is sent as it is, such as a number that no float holds."""

    text: str


@dataclass(frozen=True)
class Twice:
    """An object with every key twice."""

    inner: dict[str, Any]


NUMBERS = [
    *("NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1e-400", "-0", "-0.0", "0", "01", "+1"),
    *(".5", "1.", "0x10", "1e5", "1E+2", "9223372036854775807", "9223372036854775808", "1" * 400),
    *("0.123456789012345678901234567890", "123456789012345678901234567890", "-1000000000"),
    *("1000000000", "1000000000.0001", "0.00005", "0.00004999", "-0.00005", "1e-30", "2147483648"),
    *("1_000", "1e9", "999999999.99999", "1000000", "1000000.00001", "-1", "true", "null"),
]
INJECTIONS = [
    *("'; DROP TABLE customer_profiles; --", "$lines", "$1", "''", "E''", "\\", "\\'", "a\\", "'"),
    *('"', "$$", "%s", "%(a)s", "{}", "{0.__class__}", "${jndi:x}", "../../etc/passwd", "\\x00"),
    *("lines := 'x'", "');execute features", "copy x to 'y'", "<script>", "\\N", "NULL", "null"),
    *(
        "é",
        "e\u0301",
        "\u202egnp",
        "\u2028",
        "\ufeff",
        "\u200b",
        "👩‍👩‍👧",
        "\U0010ffff",
        "\ufffe",
        "ß",
    ),
    *("#000001", "#000002", "000000", "nan", "-0", "٣", "12,5", "１２", "1e5", "Infinity", " x "),  # noqa: RUF001
]
DATES = [
    *("1970-01-01", "2200-12-31", "1969-12-31", "2201-01-01", "2024-02-29", "2025-02-29"),
    *("2025-03-30T02:30:00", "2025-10-26T02:30:00", "2024-11-03T01:30:00-04:00", "0001-01-01"),
    *("1970-01-01T00:00:00+23:59", "1970-01-01T00:00:00-23:59", "2200-12-31T23:59:59.999999999Z"),
    *("2200-12-31T23:59:59-23:59", "2200-12-31T23:59:59+23:59", "2016-12-31T23:59:60Z"),
    *("2025-06-20T24:00:00", "2025-06-20T00:00:00+24:00", "2025-06-20 10:00+0530", "20250620"),
    *("2025-06-20T10:00:00Z ", "2025-06-20T10", "2025-W25-5", "2025-171", "infinity", "epoch"),
    *("now", "9999-12-31", "2025-06-20T10:00:00.1", "2025-06-20T10:00", "２０２５-06-20", "0"),  # noqa: RUF001
]
_AS_OF = ["2025-06-30"] * 20 + ["1970-01-01", "2020-02-29", "2200-12-31"]  # a day, an execution
WRONG: list[Any] = [
    *(None, True, False, [], {}, [[]], [None], {"a": 1}, "", " ", 0, -1, 1.5, "x" * 101, "x" * 201),
    *("x" * 5_000, [0] * 500, {"\x00": 0}, "a\x00b", "a\x1eb", "a\x1fb", "\x7f", "\x85", "\n"),
    *map(Raw, ('"\\ud800"', '"\\udfff\\ud800"', '"\\u0000"', '"\\x"', "[" * 300 + "]" * 300)),
]


def bodies(seed: int, n: int) -> Iterator[Hostile]:
    """`n` requests, the same for the same seed; a quarter of them may be valid."""
    rng = Rng(seed)
    for _ in range(n):
        path = rng.choices((ASSIGN, MANY, MANUAL, KNOWN), (75, 5, 12, 8))[0]
        document = _document(rng, path)
        if rng.random() < 0.75:
            for _ in range(rng.choice((1, 1, 1, 2, 4))):
                document = _damaged(rng, document)
        try:
            content = json.dumps(document, ensure_ascii=_maybe(rng)).encode("utf-8", "replace")
        except TypeError:  # it has parts that JSON cannot hold
            content = dumps(document).encode("utf-8", "replace")
        headers = {"Content-Type": "application/json"}
        if rng.random() < 0.15:
            content, headers = rng.choice(_ENCODED)(rng, content)
        yield Hostile(path, content, headers)


def dumps(value: Any) -> str:  # noqa: ANN401 - JSON of any shape
    """JSON, or text that looks like it."""
    if isinstance(value, Raw):
        return value.text
    if isinstance(value, dict | Twice):
        pairs = list((value.inner if isinstance(value, Twice) else value).items())
        if isinstance(value, Twice):
            pairs += [(key, None) for key, _ in pairs]
        return "{" + ",".join(f"{json.dumps(k)}:{dumps(v)}" for k, v in pairs) + "}"
    if isinstance(value, list):
        return "[" + ",".join(dumps(part) for part in value) + "]"
    return json.dumps(value)


def _document(rng: Rng, path: str) -> Any:  # noqa: ANN401 - JSON of any shape
    if path == ASSIGN:
        return rng.choices((customer, _returns, _many_orders), (90, 8, 2))[0](rng)
    if path == MANY:
        made = [customer(rng) for _ in range(rng.choice((1, 2, 5, 20)))]
        batch: dict[str, Any] = {"customers": made}
        return batch | ({"as_of": rng.choice(DATES)} if rng.random() < 0.2 else {})
    if path == MANUAL:
        return dict(zip(RFM, _figures(rng), strict=True))
    return {"customer_id": rng.choice((*INJECTIONS, *["c0001", "c0059"] * 30))}


def customer(rng: Rng) -> dict[str, Any]:
    """A customer at the limits of the schema, and sometimes beyond."""
    order_ids = [*rng.sample(INJECTIONS, 3), "A-1", None]
    orders = [_order(rng, order_ids) for _ in range(rng.choice((1, 1, 2, 3, 9)))]
    known = [order["order_id"] for order in orders if "order_id" in order]
    items = [_item(rng, known) for _ in range(rng.choice((0, 0, 1, 4, 12)))]
    found: dict[str, Any] = {"customer_id": f"{rng.choice(INJECTIONS)}{rng.random()}"[:100]}
    found["orders"] = orders
    found |= {"items": items} if rng.random() < 0.8 else {}
    found |= {"tickets": [_ticket(rng) for _ in range(rng.randrange(3))]} if _maybe(rng) else {}
    return found | ({"as_of": rng.choice(_AS_OF)} if rng.random() < 0.9 else {})


def _order(rng: Rng, order_ids: list[str | None]) -> dict[str, Any]:
    found: dict[str, Any] = {"order_date": _day(rng), "total_price": _amount(rng)}
    found |= {"order_id": rng.choice(order_ids)} if rng.random() < 0.6 else {}
    for name in ("discount_amount", "refund_amount"):
        found |= {name: rng.choice((None, _amount(rng)))} if _maybe(rng) else {}
    return found | ({"source": rng.choice((None, "", *INJECTIONS))} if _maybe(rng) else {})


def _item(rng: Rng, order_ids: list[str | None]) -> dict[str, Any]:
    quantities = (1, 2, 0, -1, "0.0001", -1_000_000, 1_000_000, "3.5", 0.00001)
    found: dict[str, Any] = {"quantity": rng.choice(quantities)}
    for name in ("product_title", "product_id", "category"):
        found |= {name: rng.choice((None, "", *INJECTIONS))} if _maybe(rng) else {}
    for name in ("price", "total_price", "discount_amount", "refund_amount"):
        found |= {name: rng.choice((None, _amount(rng)))} if rng.random() < 0.3 else {}
    found |= {"order_id": rng.choice([None, *order_ids])} if _maybe(rng) else {}
    return found | ({"order_date": rng.choice((None, _day(rng)))} if rng.random() < 0.2 else {})


def _ticket(rng: Rng) -> dict[str, Any]:
    return {
        "created_at": _day(rng),
        "resolved_at": rng.choice((None, _day(rng))),
        "channel": rng.choice((None, "phone", *INJECTIONS)),
        "message_count": rng.choice((None, 0, 3, 100_000)),
        "satisfaction": rng.choice((None, 1, 5, "4.5")),
        "priority": rng.choice((None, "high", *INJECTIONS)),
        "reopened": rng.choice((None, True, False)),
    }


def _returns(rng: Rng) -> dict[str, Any]:
    """A customer with returns only."""
    found = customer(rng)
    for order in found["orders"]:
        order["total_price"] = -rng.randrange(1, 100)
    return found


def _many_orders(rng: Rng) -> dict[str, Any]:
    """A customer with 50 orders, sometimes with as many as the schema admits."""
    n = 2_000 if rng.random() < 0.05 else 50
    return {**customer(rng), "orders": [_order(rng, [None, "A-1"]) for _ in range(n)], "items": []}


def _amount(rng: Rng) -> object:
    edges = (0, -0.0, "0", 1e9, -1e9, "1000000000", 0.0001, "0.00005", "-0.0001", 999_999_999.9999)
    return rng.choice((*edges, *(round(rng.expovariate(0.02), 2) for _ in range(20))))


def _figures(rng: Rng) -> list[object]:
    if _maybe(rng):
        return [Raw(rng.choice(NUMBERS)) for _ in range(3)]
    return [rng.choice((0, 5.5, 100_000)), rng.choice((1, 1e6)), rng.choice((0, -1e9, 1e9, -0.0))]


def _day(rng: Rng) -> str:
    if rng.random() < 0.1:
        return rng.choice(DATES[:2] + DATES[6:9] + DATES[10:14])
    day = f"{rng.randrange(2020, 2025)}-{rng.randrange(1, 13):02}-{rng.randrange(1, 29):02}"
    offset = rng.choice(("", "Z", "+14:00", "-12:00", "+05:45", "+23:59", "-23:59"))
    return rng.choice((day, f"{day}T{rng.randrange(24):02}:{rng.randrange(60):02}:00{offset}"))


def _maybe(rng: Rng) -> bool:
    return rng.random() < 0.5


def _damaged(rng: Rng, value: Any) -> Any:  # noqa: ANN401 - JSON of any shape
    """The value with something wrong somewhere."""
    if isinstance(value, dict) and value and rng.random() < 0.95:
        key = rng.choice(list(value))
        chance = rng.random()
        if chance < 0.1:
            return {name: part for name, part in value.items() if name != key}
        if chance < 0.2:
            return {**value, rng.choice([*INJECTIONS, "", "x" * 3_000, "order_id"]): 1}
        if chance < 0.25:
            return Twice(value)
        return {**value, key: _damaged(rng, value[key])}
    if isinstance(value, list) and value and rng.random() < 0.8:
        index = rng.randrange(len(value))
        return [*value[:index], _damaged(rng, value[index]), *value[index + 1 :]]
    numbers = [Raw(text) for text in NUMBERS]
    return rng.choice(rng.choice((numbers, INJECTIONS, DATES, WRONG, NUMBERS)))


Encoded = tuple[bytes, dict[str, str]]


def _as(kind: str, **more: str) -> Callable[[Rng, bytes], Encoded]:
    return lambda _rng, content: (content, {"Content-Type": kind, **more})


def _cut(rng: Rng, content: bytes) -> Encoded:
    return content[: rng.randrange(len(content) + 1)], {}


def _flipped(rng: Rng, content: bytes) -> Encoded:
    at = rng.randrange(len(content))
    return content[:at] + rng.randbytes(rng.choice((1, 1, 4))) + content[at + 1 :], {}


def _noise(rng: Rng, _content: bytes) -> Encoded:
    return rng.randbytes(rng.choice((0, 1, 10, 1_000))), {}


def _zipped(_rng: Rng, content: bytes) -> Encoded:
    return gzip.compress(content, 1), {"Content-Encoding": "gzip"}


def _in(encoding: str, before: bytes = b"") -> Callable[[Rng, bytes], Encoded]:
    return lambda _rng, content: (
        before + content.decode("utf-8", "replace").encode(encoding, "replace"),
        {"Content-Type": f"application/json; charset={encoding}"},
    )


def _deep(rng: Rng, _content: bytes) -> Encoded:
    opened = rng.choice((b"[", b'{"customer_id":', b'{"orders":['))
    return opened * rng.choice((50, 1_000, 20_000)), {}


def _twofold(_rng: Rng, content: bytes) -> Encoded:
    return content + content, {}


_ENCODED: list[Callable[[Rng, bytes], Encoded]] = [
    *(_cut, _flipped, _flipped, _noise, _zipped, _deep, _twofold),
    *(_in("utf-16"), _in("utf-32"), _in("latin-1"), _in("utf-8", b"\xef\xbb\xbf")),
    _as("text/plain"),
    _as("application/x-www-form-urlencoded"),
    _as("multipart/form-data; boundary=x"),
    _as("application/json; charset=utf-7"),
    _as("application/json", **{"Content-Encoding": "gzip"}),
    _as("application/json", **{"Content-Encoding": "nix", "Expect": "nix"}),
]
PLAIN = {ASSIGN: CUSTOMER, MANY: BATCH, MANUAL: RFM, KNOWN: RFM_CUSTOMER}
