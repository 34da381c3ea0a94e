"""The answer of each endpoint, about one small published shop."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

import pytest

from segpipe.api.examples import BATCH, CUSTOMER, MINIMAL
from tests.support.commands import AXIS_NAMES
from tests.support.services import Served, module_url, served

__all__ = ["module_url", "served"]
PROFILE_KEYS = {
    "customer_id",
    "store_id",
    "as_of",
    "segment_memberships",
    "dominant_segments",
    "membership_strengths",
    "confidence",
    "metrics",
    "run",
    "written_by_run_id",
    "previous_segments",
    "segment_since",
    "first_seen_on",
    "last_updated",
    "is_absent",
}


def test_a_customer_is_looked_up(served: Served) -> None:
    found = served.get("/segments/customer/c0001")
    assert found.status == 200
    profile = found.document
    assert set(profile) == PROFILE_KEYS
    assert profile["customer_id"] == "c0001"
    assert set(profile["segment_memberships"]) == {*AXIS_NAMES, "rfm"}
    strengths = profile["membership_strengths"].values()
    assert profile["confidence"] == pytest.approx(sum(strengths) / len(strengths), abs=1e-4)
    assert profile["metrics"]["total_orders"] == 4
    assert profile["run"]["run_id"] == 1
    assert profile["is_absent"] is False


def test_an_unknown_customer_gets_a_message(served: Served) -> None:
    found = served.get("/segments/customer/nobody")
    assert (found.status, found.detail) == (404, "Store 'default' has no customer 'nobody'.")


def test_an_id_may_have_a_slash(served: Served) -> None:
    for path in ("a/b", "a%2Fb"):
        assert served.get(f"/segments/customer/{path}").detail.endswith("no customer 'a/b'.")


@pytest.mark.parametrize("path", ["%00", "a%0Ab", "%20", "x" * 101, ""])
def test_an_invalid_id_is_refused(served: Served, path: str) -> None:
    found = served.get(f"/segments/customer/{path}")
    assert found.status == 422
    assert found.detail[0]["loc"] == ["path", "customer_id"]


def test_a_customer_is_explained(served: Served) -> None:
    found = served.get("/segments/customer/c0001/explain?axis=purchase_value&axis=rfm")
    assert [axis["axis"] for axis in found.document["axes"]] == ["purchase_value", "rfm"]
    assert found.document["run"]["run_id"] == 1
    assert served.get("/segments/customer/nobody/explain").status == 404
    wrong = served.get("/segments/customer/c0001/explain?axis=nix")
    assert wrong.status == 404
    assert "no axis 'nix'. Known: purchase_frequency" in wrong.detail


def test_a_customer_without_items_is_assigned(served: Served) -> None:
    found = served.post("/segments/assign", MINIMAL)
    assert found.status == 200
    answer = found.document
    assert set(answer) == PROFILE_KEYS | {"unavailable", "filled", "notes", "persisted"}
    assert answer["segment_memberships"]["category_exploration"] == "unavailable"
    assert answer["unavailable"]["category_exploration"] == ["category"]
    assert answer["segment_memberships"]["loyalty_trajectory"] == "too_early_to_tell"
    assert answer["metrics"]["lifetime_value"] == 24.5
    assert answer["as_of"] == "2025-06-21"  # the day after
    assert answer["persisted"] is False
    assert served.get("/segments/customer/new-customer").status == 404


def test_orders_with_items_answer_on_more_axes(served: Served) -> None:
    answer = served.post("/segments/assign", CUSTOMER).document
    assert set(answer["unavailable"]) == set()
    assert answer["metrics"]["total_orders"] == 2
    assert answer["as_of"] == "2025-07-01"


def test_a_batch_answers_a_line_for_each_customer_in_order(served: Served) -> None:
    found = served.post("/segments/assign/batch", BATCH)
    assert found.status == 200
    assert found.headers["content-type"].startswith("application/x-ndjson")
    lines = [json.loads(line) for line in found.body.splitlines()]
    assert [line["customer_id"] for line in lines] == ["new-customer", "another-customer"]
    alone = served.post("/segments/assign", CUSTOMER).document
    assert lines[0] == alone
    assert lines[1]["as_of"] == "2025-07-01"  # the batch's


def test_a_batch_of_a_thousand(served: Served) -> None:
    customers = [{**MINIMAL, "customer_id": f"n{index}"} for index in range(1000)]
    found = served.post("/segments/assign/batch", {"customers": customers})
    lines = [json.loads(line) for line in found.body.splitlines()]
    assert [line["customer_id"] for line in lines] == [one["customer_id"] for one in customers]
    assert {line["run"]["run_id"] for line in lines} == {1}


def test_stats_add_up(served: Served) -> None:
    stats = served.get("/segments/stats").document
    assert stats["total_customers"] == stats["customers_with_segments"] == 60
    assert stats["axes_count"] == 14
    for axis, sizes in stats["segment_distribution"].items():
        assert sum(sizes.values()) == 60, axis
    assert stats["run"]["run_id"] == 1


def test_axes_are_described(served: Served) -> None:
    axes = served.get("/segments/axes").document["axes"]
    assert {axis["name"] for axis in axes} == {*AXIS_NAMES, "rfm"}
    for axis in axes:
        assert {"description", "group", "features", "segments", "verdict"} <= set(axis)


def test_the_customers_of_a_segment_come_in_pages(served: Served) -> None:
    sizes = served.get("/segments/stats").document["segment_distribution"]["purchase_value"]
    segment, size = max(sizes.items(), key=lambda item: item[1])
    path = f"/segments/purchase_value/{segment}/customers?order=-lifetime_value&limit=7"
    seen: list[dict[str, Any]] = []
    page = served.get(path).document
    while True:
        seen += page["customers"]
        if page["next"] is None:
            break
        page = served.get(f"{path}&after={page['next']}").document
    assert len({one["customer_id"] for one in seen}) == len(seen) == size
    values = [one["lifetime_value"] for one in seen]
    assert values == sorted(values, reverse=True)


def test_an_invalid_listing_is_refused(served: Served) -> None:
    assert served.get("/segments/purchase_value/nix/customers").status == 404
    assert served.get("/segments/nix/whale/customers").status == 404
    sizes = served.get("/segments/stats").document["segment_distribution"]["rfm"]
    path = f"/segments/rfm/{next(iter(sizes))}/customers"
    for query, field in (
        ("after=nix", "after"),
        ("order=nix", "order"),
        ("limit=0", "limit"),
        ("limit=x", "limit"),
    ):
        found = served.get(f"{path}?{query}")
        assert (found.status, found.detail[0]["loc"]) == (422, ["query", field])


def test_runs_and_transitions(served: Served) -> None:
    runs = served.get("/runs").document
    assert [run["run_id"] for run in runs["runs"]] == [1]
    assert "error" not in runs["runs"][0]
    moved = served.get("/segments/transitions").document
    assert (moved["run_id"], moved["transitions"]) == (1, [])
    assert served.get("/segments/transitions?run_id=77").status == 404


def test_rfm_of_three_values_and_of_a_customer(served: Served) -> None:
    known = served.get("/segments/customer/c0001").document
    own = served.post("/segment/customer", {"customer_id": "c0001"}).document
    assert own["segment_name"] == known["segment_memberships"]["rfm"]
    assert own["confidence"] == known["membership_strengths"]["rfm"]
    assert own["scores"] == known["metrics"]["rfm_score"]
    figures = {name: own[name] for name in ("recency", "frequency", "monetary", "tenure")}
    assert figures["recency"] == known["metrics"]["days_since_last_purchase"]
    assert figures["tenure"] == known["metrics"]["customer_tenure_days"]
    manual = served.post("/segment/manual", figures).document
    for key in (
        "segment_id",
        "segment_name",
        "confidence",
        "distance_to_center",
        "scores",
        "stats",
        "run",
    ):
        assert manual[key] == own[key]
    assert set(manual["stats"]["recency"]) == {"mean", "median", "min", "max"}
    assert served.post("/segment/customer", {"customer_id": "nobody"}).status == 404
    wrong = served.post("/segment/manual", {"recency": -1, "frequency": 1, "monetary": 5})
    assert (wrong.status, wrong.detail[0]["loc"]) == (422, ["body", "recency"])
    wrong = served.post("/segment/manual", {"recency": 1, "frequency": 1, "monetary": False})
    assert (wrong.status, wrong.detail[0]["loc"]) == (422, ["body", "monetary"])


def test_health_needs_no_key_and_readiness_names_the_run(served: Served) -> None:
    health = served.get("/health", key=None)
    assert health.document == {"status": "ok", "service": "segpipe"}
    ready = served.get("/ready").document
    assert (ready["status"], ready["run_id"]) == ("ready", 1)
    assert ready["age_seconds"] >= 0


def test_metrics_have_routes_and_no_customers(served: Served) -> None:
    served.get("/segments/customer/c0002")
    text = served.get("/metrics").body.decode()
    assert 'route="/segments/customer/{customer_id}",status="200"' in text
    assert "segpipe_run_in_force 1.0" in text
    assert "segpipe_database_up 1.0" in text
    assert "c0002" not in text


def test_every_example_of_the_document_is_answered(served: Served) -> None:
    document = served.get("/openapi.json", key=None).document
    n_sent = 0
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            for example in body.get("examples", {}).values():
                found = served.ask(method.upper(), path, example["value"])
                assert found.status == 200, (path, found.body)
                n_sent += 1
    assert n_sent == 5


def test_the_document_names_key_and_errors(served: Served) -> None:
    document = served.get("/openapi.json", key=None).document
    assert document["components"]["securitySchemes"]["ApiKey"]["name"] == "X-API-Key"
    assert document["paths"]["/health"]["get"]["security"] == []
    for path, methods in document["paths"].items():
        for operation in methods.values():
            assert path == "/health" or {"200", "401", "422", "429", "503"} <= set(
                operation["responses"]
            )
    assert served.get("/docs", key=None).status == 200


def test_a_later_observation_date_raises_recency(served: Served) -> None:
    at = date(2025, 6, 21)
    recency = [
        served.post(
            "/segments/assign", {**MINIMAL, "as_of": (at + timedelta(days=days)).isoformat()}
        ).document["metrics"]["days_since_last_purchase"]
        for days in (0, 30)
    ]
    assert recency == [1, 31]
