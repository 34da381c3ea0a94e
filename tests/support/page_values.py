"""The input of the page, made by hand of the real records: a run with two axes."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

from segpipe.axes import Eligibility
from segpipe.clustering.centroids import CentroidPartition
from segpipe.core.plain import plain_values
from segpipe.core.report import (
    AgreementInfo,
    AxisDecision,
    AxisInfo,
    AxisScatter,
    CandidateInfo,
    FeatureInfo,
    LoadInfo,
    RunReport,
    SampleInfo,
    SegmentEvent,
    SourceInfo,
    StageInfo,
    StratumInfo,
    TransitionInfo,
)
from segpipe.core.schema import Reference
from segpipe.model.document import AxisModel, Model, Segment
from segpipe.model.preprocessing import FeatureScale

# log(1 + 0) = 0 and log(1 + 8102) = 9: the shop's median 53.598 lies at log(1 + 53.598) = 4.
VALUE = FeatureScale("lifetime_value", "log", 53.598150033144236, 0.0, 9.0, 4.0, 2.0)
SHARE = FeatureScale("discounted_order_share", "identity", 0.5, 0.0, 1.0, 0.5, 0.25)


def segment(number: int, name: str, medians: dict[str, float], share: float = 0.5) -> Segment:
    return Segment(number, name, "", (), f"About {name}.", medians, share)


LOW = segment(1, "low_value", {"lifetime_value": 1.718281828459045, "discounted_order_share": 0.5})
WHALE = segment(2, "whale", {"lifetime_value": 8102.0, "discounted_order_share": 0.75})
MODEL = AxisModel(
    name="purchase_value",
    group="marketing",
    verdict="groups",
    reason=None,
    silhouette=0.61,
    eligibility=(Eligibility("n_orders", 2, "one_time_buyer"),),
    scales=(VALUE, SHARE),
    segments=(LOW, WHALE),
    default_state="unavailable",
    partition=CentroidPartition(((0.0, 0.0), (1.0, 1.0))),
)
NOBODY = AxisModel(
    "return_behavior", "marketing", "unavailable", "no refund", None, (), (), (), "unavailable"
)
AXIS = AxisInfo(
    name="purchase_value",
    group="marketing",
    verdict="groups",
    reason=None,
    n_clusters=2,
    silhouette=0.61,
    candidates=(
        CandidateInfo(2, 0.61, 0.4, 0.98, None, 0.42),
        CandidateInfo(3, 0.55, 0.1, None, None),
        CandidateInfo(4, 0.7, 0.013, 0.9, "smallest segment 1.3% below 2%"),
    ),
    dropped_features=("n_channels",),
    n_filled={"discounted_order_share": 3},
    shares={"low_value": 0.4, "whale": 0.52, "one_time_buyer": 0.08},
    value_shares={"low_value": 0.1, "whale": 0.899, "one_time_buyer": 0.001},
    holds_for={"whale": 0.96},
    best_k=2,
    best_silhouette=0.61,
    valley=0.42,
    decision=AxisDecision(
        "replaced", "bounds renewed", "stability index 0.31", "new groups", 1, 500.0
    ),
    choice="the highest silhouette of the K accepted",
    agreement=AgreementInfo("refit", 92, 0.98999, 0.97, 0.12, 800),
    events=(
        SegmentEvent("kept", "low_value", 1),
        SegmentEvent("renamed", "whale", 2, ("high_value",)),
        SegmentEvent("died", "modest", 3, ("low_value", "whale")),
    ),
)
UNAVAILABLE = AxisInfo(
    name="return_behavior",
    group="marketing",
    verdict="unavailable",
    reason="no refund in the input",
    n_clusters=None,
    silhouette=None,
    shares={"unavailable": 1.0},
)
SCATTER = AxisScatter(
    "lifetime_value", "discounted_order_share", ((0.0, 0.0, 0), (8102.0, 1.0, 1), (9e9, 0.5, 1))
)
SOURCE = SourceInfo(
    preset="canonical",
    paths=("shop/orders.csv",),
    input_hash="c0ffee" * 8,
    n_rows_read=1234,
    n_rows_rejected=34,
    rejects_path=Path("shop/orders.rejects.csv"),
    reject_reasons={"no amount": 4, "no date": 30},
    n_guest_lines=17,
    n_return_lines=0,
    n_shared_orders=0,
    currency="EUR",
    inputs=frozenset({"product"}),
    first_ordered_at=datetime(2024, 1, 2),  # noqa: DTZ001 - as the source gives it
    last_ordered_at=datetime(2025, 2, 28),  # noqa: DTZ001 - as above
)
LOAD = LoadInfo(
    run_id=7,
    store_id="north",
    database="shop",
    n_published=100,
    n_inserted=10,
    n_updated=90,
    n_absent_kept=2,
    n_absent_deleted=0,
    previous_run_id=6,
    transitions=(
        TransitionInfo("purchase_value", "low_value", "whale", "behaviour", 4, 4000.0),
        TransitionInfo("purchase_value", "low_value", "whale", "model", 1, 500.0),
        TransitionInfo("purchase_value", "whale", "low_value", "time", 2, 90.0),
    ),
)
EVERYBODY = SampleInfo(100, (StratumInfo("vip", 5, 5), StratumInfo("low", 95, 95)))
REPORT = RunReport(
    version="0.1.0",
    seed=42,
    source=SOURCE,
    features=FeatureInfo(date(2025, 3, 1), 100, 400, 0, 0),
    sample=SampleInfo(60, (StratumInfo("vip", 5, 5), StratumInfo("low", 95, 55))),
    axes=(AXIS, UNAVAILABLE),
    load=LOAD,
    stages=(StageInfo("source", 1.5), StageInfo("load", 0.5)),
    model_hash="ab" * 32,
    peak_memory_mb=512.0,
)


def report_of(*axes: AxisInfo, load: LoadInfo | None = LOAD, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any field
    """The report as plain values."""
    return replace(REPORT, axes=axes or REPORT.axes, load=load, **changes).to_dict()


def details_of(
    *axes: AxisModel, scatter: AxisScatter | None = SCATTER, with_ledger: bool = True
) -> dict[str, Any]:
    """What the page shows beside the report, from the ledger or of a dry run."""
    reference = Reference(date(2025, 3, 1), {}, 1.0, (), 30.0)
    model = Model(42, ("product",), "UTC", reference, axes or (MODEL, NOBODY))
    details: dict[str, Any] = {
        "model": plain_values(model.document()),
        "scatter": {"purchase_value": plain_values(asdict(scatter))} if scatter else {},
    }
    if with_ledger:
        details["finished_at"] = "2025-03-01 04:00 UTC"
        details["versions"] = {"duckdb": "2.0.0"}
        details["segments"] = [
            {"axis": "purchase_value", "segment": n, "n_customers": c, "value_share": v}
            for n, c, v in (
                ("low_value", 40, 0.1),
                ("whale", 52, 0.899),
                ("one_time_buyer", 8, 0.001),
            )
        ]
    return details
