"""Requests that the service refuses, with messages that show nothing of the inside."""

from __future__ import annotations

import json
import re
import socket
from typing import Any

import pytest

from segpipe import postgres
from segpipe.access.key_table import create_key
from segpipe.api.examples import CUSTOMER, MINIMAL
from tests.support.services import Served, module_url, served

__all__ = ["module_url", "served"]
PATHS = (
    "/segments/customer/c0001",
    "/segments/stats",
    "/segments/axes",
    "/segments/transitions",
    "/runs",
    "/ready",
    "/metrics",
    "/nix",
)


def with_(**more: object) -> dict[str, Any]:
    return {**MINIMAL, **more}


def order(**more: object) -> dict[str, Any]:
    return with_(orders=[{**MINIMAL["orders"][0], **more}])


@pytest.mark.parametrize("path", PATHS)
def test_without_a_valid_key_there_is_no_data(served: Served, path: str) -> None:
    for headers in ({}, {"X-API-Key": "nix"}, {"X-API-Key": "segpipe_1_" + "x" * 43}):
        found = served.get(path, key=None, headers=headers)
        assert found.status == 401
        assert found.headers["www-authenticate"] == "ApiKey"
        assert "segpipe keys create" in found.detail


def test_a_read_only_key_cannot_store(served: Served) -> None:
    found = served.post("/segments/assign?persist=true", MINIMAL)
    assert found.status == 403
    assert "scope write" in found.detail


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "customer_id"),
        ({"customer_id": "a"}, "orders"),
        (with_(orders=[]), "orders"),
        (with_(customer_id=7), "customer_id"),
        (with_(customer_id=""), "customer_id"),
        (with_(customer_id=" "), "customer_id"),
        (with_(customer_id="a\nb"), "customer_id"),
        (with_(customer_id="a\x00"), "customer_id"),
        (with_(customer_id="x" * 101), "customer_id"),
        (with_(ordres=[]), "ordres"),
        (order(order_date="2025-02-30"), "orders.0.order_date"),
        (order(order_date="tomorrow"), "orders.0.order_date"),
        (order(order_date="1969-12-31"), "orders.0.order_date"),
        (order(order_date="2025-06-20T25:00"), "orders.0.order_date"),
        (order(order_date=20250620), "orders.0.order_date"),
        (order(total_price="NaN"), "orders.0.total_price"),
        (order(total_price=1e12), "orders.0.total_price"),
        (order(total_price=True), "orders.0.total_price"),
        (order(total_price="1e5"), "orders.0.total_price"),
        (order(total_price=""), "orders.0.total_price"),
        (order(total_price="1000000001"), "orders.0.total_price"),
        (order(total_price=None), "orders.0.total_price"),
        (order(source="x" * 201), "orders.0.source"),
        (order(source="a\x07"), "orders.0.source"),
        (with_(items=[{"quantity": 2_000_000}]), "items.0.quantity"),
        (with_(items=[{"quantity": 1}, {"quantity": 1, "order_id": "?"}]), "items.1.order_id"),
        (
            with_(tickets=[{"created_at": "2025-01-01", "satisfaction": 6}]),
            "tickets.0.satisfaction",
        ),
        (with_(items=[{"quantity": -37, "price": 1_000_000_000}]), "items.0.price"),
        (with_(as_of="2025-13-01"), "as_of"),
        (with_(as_of=0), "as_of"),
        (with_(as_of="2000-01-01"), "orders"),
    ],
)
def test_a_wrong_field_is_named(served: Served, body: object, field: str) -> None:
    found = served.post("/segments/assign", body)
    assert found.status == 422, found.body
    for one in found.detail:
        assert set(one) == {"loc", "msg", "type"}
    assert field in [".".join(map(str, one["loc"][1:])) for one in found.detail]


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[]", b"[" * 5000, b'{"a": 1e999999}'])
def test_a_body_that_is_not_a_json_object_is_refused(served: Served, body: bytes) -> None:
    found = served.post("/segments/assign", body)
    assert found.status == 422
    assert found.detail[0]["loc"][0] == "body"


def test_a_wrong_value_is_not_repeated(served: Served) -> None:
    body = order(order_date="secret-secret", source="hush\x00hush")
    found = served.post("/segments/assign", body)
    assert b"secret" not in found.body
    assert b"hush" not in found.body


def test_lists_that_are_too_long_are_refused(served: Served) -> None:
    many = [{"order_date": "2025-06-20", "total_price": 1}] * 2001
    found = served.post("/segments/assign", with_(orders=many))
    assert (found.status, found.detail[0]["loc"]) == (422, ["body", "orders"])
    customers = [{**MINIMAL, "customer_id": f"n{index}"} for index in range(1001)]
    batch = served.post("/segments/assign/batch", {"customers": customers})
    assert (batch.status, batch.detail[0]["loc"]) == (422, ["body", "customers"])


def test_a_duplicate_customer_in_a_batch_is_named(served: Served) -> None:
    found = served.post("/segments/assign/batch", {"customers": [MINIMAL, MINIMAL]})
    assert found.status == 422
    assert found.detail[0]["loc"] == ["body", "customers", 1, "customer_id"]


def test_a_batch_names_the_customer_who_cannot_be_assigned(served: Served) -> None:
    late = {**MINIMAL, "customer_id": "late", "as_of": "2000-01-01"}
    found = served.post("/segments/assign/batch", {"customers": [CUSTOMER, late]})
    assert found.status == 422
    assert found.detail[0]["loc"] == ["body", "customers", 1, "orders"]


def test_a_too_long_body_is_refused_with_or_without_its_length(served: Served) -> None:
    body = b" " * 1_000_001
    assert served.post("/segments/assign", body).status == 413
    token = served.tokens["read"].encode()
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as peer:
        peer.sendall(
            b"POST /segments/assign HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
            b"X-API-Key: " + token + b"\r\n\r\n"
        )
        piece = b" " * 50_000
        for _ in range(21):
            peer.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
        answer = peer.recv(65536)  # the connection stays open for the rest of the body
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_a_request_refused_before_its_body_gets_one_answer(served: Served) -> None:
    connection = served.connect()
    body = b" " * 200_000  # more than a head may have
    refused = served.ask("POST", "/segments/assign", body, key=None, connection=connection)
    assert refused.status == 401
    assert served.get("/segments/stats", connection=connection).status == 200
    connection.close()


def test_what_is_not_http_is_answered_in_the_same_shape(served: Served) -> None:
    for sent, status in (
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000, b"431"),
    ):
        with socket.create_connection(("127.0.0.1", served.port), timeout=30) as peer:
            peer.sendall(sent)
            answer = b""
            while part := peer.recv(65536):
                answer += part
        head, body = answer.split(b"\r\n\r\n", maxsplit=1)
        assert head.startswith(b"HTTP/1.1 " + status)
        assert b"x-request-id" in head
        assert "detail" in json.loads(body)


def test_a_key_over_its_rate_has_to_wait(served: Served, module_url: str) -> None:
    with postgres.connect(module_url) as connection:
        token = create_key(connection, "hasty", "read", 3)[1]
    headers = {"X-API-Key": token}
    first = served.get("/runs", key=None, headers=headers)
    while first.status == 401:  # the service looks every second
        first = served.get("/runs", key=None, headers=headers)
    statuses = [served.get("/runs", key=None, headers=headers).status for _ in range(3)]
    assert [first.status, *statuses] == [200, 200, 200, 429]
    found = served.get("/runs", key=None, headers=headers)
    assert 1 <= int(found.headers["retry-after"]) <= 20


def test_an_unknown_path_or_method_gets_a_message(served: Served) -> None:
    assert served.get("/nix").status == 404
    assert "openapi.json" in served.get("/nix").detail
    found = served.ask("DELETE", "/runs")
    assert (found.status, found.headers["allow"]) == (405, "GET")
    alive = served.ask("HEAD", "/health", key=None)
    assert (alive.status, alive.body) == (200, b"")


def test_every_answer_has_a_request_id(served: Served) -> None:
    own = served.get("/health", key=None, headers={"X-Request-ID": "Order-7.a_b"})
    assert own.headers["x-request-id"] == "Order-7.a_b"
    for bad in ("a b", "x" * 65, "ä".encode().decode("latin-1")):
        made = served.get("/runs", headers={"X-Request-ID": bad}).headers["x-request-id"]
        assert re.fullmatch("[0-9a-f]{32}", made)
    refused = served.get("/runs", key=None)
    assert refused.headers["x-request-id"]


def test_the_log_has_one_line_for_each_request_and_no_customer(served: Served) -> None:
    found = served.get("/segments/customer/c0003?x=c0003", headers={"X-Request-ID": "look-1"})
    line = served.line_of("look-1")
    assert set(line) == {
        *("time", "level", "event", "request_id", "method", "route", "status", "ms", "key"),
        "bytes",
    }
    assert line["route"] == "/segments/customer/{customer_id}"
    assert (line["method"], line["status"], line["key"]) == ("GET", 200, "reader")
    assert line["bytes"] == len(found.body)
    served.post("/segments/assign", MINIMAL, headers={"X-Request-ID": "look-2"})
    served.line_of("look-2")
    log = served.log_path.read_text() + served.stderr()
    log = re.sub('"request_id": "[0-9a-f]{32}"', "", log)  # drawn at random: may hold any digits
    for secret in ("c0003", "new-customer", "127.0.0.1:", *served.tokens.values()):
        assert secret not in log.replace("at http://127.0.0.1:", "")
