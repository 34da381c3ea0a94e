"""How far the segments can be trusted: agreement, planted truth, and identity under new orders.

Each error is also given as a ratio to a floor of the same run: the error of an unweighted sample of
the same size. Writes benchmarks/results/quality.json.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from measured import ROOT, commit
from sklearn.metrics import adjusted_rand_score

from segpipe import __version__, postgres
from segpipe.axes import axes_for
from segpipe.core.progress import Quiet
from segpipe.core.report import RunReport
from segpipe.core.schema import Reference
from segpipe.core.settings import (
    ClusterSettings,
    EngineSettings,
    FeatureSettings,
    LoadSettings,
    RunSettings,
    SampleSettings,
    SourceSettings,
)
from segpipe.datasets.synthetic import PLANTED_AXES, SEPARATE_AXES, generate_order_lines
from segpipe.discovery.discover import discover
from segpipe.discovery.outcome import Discovery
from segpipe.discovery.refit import Population
from segpipe.discovery.sampling import Sample, draw_sample
from segpipe.engines.duckdb import Connection, literal, open_engine
from segpipe.engines.duckdb_tables import DuckDbTables
from segpipe.features import compute_features
from segpipe.model.assign import Tally
from segpipe.model.document import Model
from segpipe.pipeline.memberships import assign_population
from segpipe.pipeline.run import run
from segpipe.postgres import embedded
from segpipe.sources import read_order_lines

SEED = 42
SIZES = (1250, 2500, 5000, 10_000, 20_000)
NEW_ORDER_SHARE = 0.05


class Shop:
    """The customers of one export, with their features computed, in an engine."""

    def __init__(
        self, engine: Connection, inputs: frozenset[str], reference: Reference, truth: Path
    ) -> None:
        self.customers = DuckDbTables(engine)
        self.inputs = inputs
        self.reference = reference
        self.truth = _read_truth(truth)

    def discover(
        self, size: int, settings: ClusterSettings, *, is_weighted: bool = True
    ) -> list[Discovery]:
        """Every axis on a sample of that size, compared with everybody."""
        sample, info = draw_sample(self.customers, SampleSettings(size, SEED))
        if not is_weighted:
            sample = Sample(sample.customers, np.ones(info.n_drawn))
        population = Population(self.customers, info.n_drawn, info.n_customers)
        axes = axes_for(self.inputs)
        as_of = self.reference.as_of
        return discover(
            sample, axes, self.inputs, settings, SEED, as_of=as_of, population=population
        )

    def memberships(self, found: Sequence[Discovery]) -> dict[str, list[str]]:
        """Axis → segment of each customer, by id."""
        axes = tuple(item.model for item in found)
        model = Model(SEED, tuple(sorted(self.inputs)), "UTC", self.reference, axes)
        batches = assign_population(self.customers, model, 50_000, Tally())
        table = pa.Table.from_batches(list(batches)).sort_by("customer_id")
        return {axis.name: table[axis.name].to_pylist() for axis in axes}


def main() -> None:
    """Measure, print and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=93_564)
    parser.add_argument("--small", type=int, default=20_000, help="customers where many shops are")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "benchmarks" / "results" / "quality.json"
    )
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="segpipe-") as folder:
        result = measure(Path(folder), asked.customers, asked.small)
    asked.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))
    print(table(result))


def measure(folder: Path, n_customers: int, n_small: int) -> dict[str, Any]:
    """All figures."""
    measured = commit()  # before the measurement, during which the code may change
    with shop(folder, "planted", n_customers) as planted:
        agreement = measure_agreement(planted)
        truth = measure_truth(planted)
    with shop(folder, "tickets", n_small, has_tickets=True) as with_tickets:
        truth_with_tickets = measure_truth(with_tickets)
    return {
        "what": "agreement with a fit of everybody, planted truth, identity under new orders",
        "customers": n_customers,
        "agreement": agreement,
        "planted_truth": truth,
        "planted_truth_with_tickets": {"customers": n_small, **truth_with_tickets},
        "without_structure": measure_unstructured(folder, n_customers, n_small),
        "identity": measure_identity(folder, n_customers),
        "seed": SEED,
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}",
        "python": platform.python_version(),
        "segpipe": __version__,
        "commit": measured,
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


@contextmanager
def shop(
    folder: Path,
    name: str,
    n_customers: int,
    *,
    unstructured: frozenset[str] = frozenset(),
    has_tickets: bool = False,
) -> Iterator[Shop]:
    """A generated shop with its features computed; its files are removed at the end."""
    lines, truth = folder / f"{name}.csv", folder / f"{name}_truth.csv"
    tickets = folder / f"{name}_tickets.csv" if has_tickets else None
    generate_order_lines(
        lines, n_customers, SEED, tickets_path=tickets, truth_path=truth, unstructured=unstructured
    )
    with open_engine(EngineSettings()) as engine:
        settings = SourceSettings(paths=(str(lines),), tickets_path=tickets)
        source = read_order_lines(engine, settings)
        _, reference = compute_features(engine, source.inputs, None)
        yield Shop(engine, source.inputs, reference, truth)
    for path in (lines, truth, tickets):
        if path:
            path.unlink()


def measure_agreement(planted: Shop) -> dict[str, Any]:
    """Share of customers who get the same segment from the sample's fit and from everybody's."""
    by_size = {}
    for size in SIZES:
        refit = _agreement(planted.discover(size, ClusterSettings()))
        by_size[str(size)] = {"mean": _mean(refit), "worst": min(refit.values())}
    refit = _agreement(planted.discover(5000, ClusterSettings()))
    full = _agreement(planted.discover(5000, ClusterSettings(audit="full")))
    floor = _agreement(planted.discover(5000, ClusterSettings(), is_weighted=False))
    one_start = _agreement(planted.discover(5000, ClusterSettings(restarts=1, audit="full")))
    return {
        "sample_size": 5000,
        "refit": {"mean": _mean(refit), "worst": min(refit.values()), "by_axis": refit},
        "full": {"mean": _mean(full), "worst": min(full.values()), "by_axis": full},
        "unweighted_floor": {"mean": _mean(floor), "worst": min(floor.values())},
        "error_ratio_to_floor": round((1 - _mean(refit)) / max(1 - _mean(floor), 1e-9), 3),
        "full_with_one_restart": {"mean": _mean(one_start), "worst": min(one_start.values())},
        "refit_by_sample_size": by_size,
    }


def measure_truth(planted: Shop) -> dict[str, Any]:
    """Adjusted Rand index of the segments against the planted classes, states included.

    Only of axes whose classes are separate groups: the others are cut where tiers or rules begin.
    """
    found = planted.memberships(planted.discover(5000, ClusterSettings()))
    by_axis = {
        axis: round(float(adjusted_rand_score(planted.truth[axis], found[axis])), 4)
        for axis in SEPARATE_AXES
        if axis in planted.truth
    }
    return {"worst": min(by_axis.values()), "by_axis": by_axis}


def measure_unstructured(folder: Path, n_customers: int, n_small: int) -> dict[str, Any]:
    """Verdicts on axes that were planted without classes: all together, and one by one."""
    every = frozenset(PLANTED_AXES)
    with shop(folder, "none", n_customers, unstructured=every, has_tickets=True) as bare:
        found = bare.discover(5000, ClusterSettings())
        all_at_once = {f.model.name: f.model.verdict for f in found if f.model.name in every}
        valleys = {f.model.name: _valley(f) for f in found if f.model.name in every}
    one_by_one = {}
    for axis in PLANTED_AXES:
        loose = frozenset({axis})
        with shop(folder, "one", n_small, unstructured=loose, has_tickets=True) as other:
            found = other.discover(5000, ClusterSettings())
            verdicts = {f.model.name: f.model.verdict for f in found}
            one_by_one[axis] = verdicts[axis]
    return {
        "customers": {"all_at_once": n_customers, "one_by_one": n_small},
        "all_at_once": all_at_once,
        "least_valley": valleys,
        "one_by_one": one_by_one,
    }


def measure_identity(folder: Path, n_customers: int) -> dict[str, Any]:
    """Three runs: the shop before its last orders, the same again, and the whole shop.

    All are forced, so that moves can be counted; the gates' reasons against the third one are in
    the result.
    """
    lines, before = folder / "month.csv", folder / "before.csv"
    generate_order_lines(lines, n_customers, SEED)
    cut = _without_last_orders(lines, before)
    home = folder / "home"
    try:
        settings = RunSettings(load=LoadSettings(database_url=embedded.start(home)))
        first = _run(settings, before)
        again = _run(settings, before)
        second = _run(settings, lines)
        bare = replace(settings, load=replace(settings.load, store_id="bare"))
        _run(bare, before)
        with postgres.connect(settings.load.database_url or "") as connection:
            connection.execute("UPDATE segmentation_runs SET model = NULL WHERE store_id = 'bare'")
            refusals = _refusals(connection, second)
        fresh = _run(bare, lines)
    finally:
        embedded.stop(home)
    return {
        "customers": n_customers,
        "new_orders": cut,
        "same_month_again": {"same_model": again.model_hash == first.model_hash, **_moves(again)},
        "with_new_orders": {"gates": refusals, **_events(second), **_moves(second)},
        "without_identity_floor": _moves(fresh),
    }


def _run(settings: RunSettings, lines: Path) -> RunReport:
    source = replace(settings.source, paths=(str(lines),))
    features = FeatureSettings()
    return run(replace(settings, source=source, features=features, is_forced=True), Quiet())


def _refusals(connection: postgres.Connection, report: RunReport) -> list[str]:
    """Reasons for which the run would have been refused."""
    query = "SELECT forced_past FROM segmentation_runs WHERE run_id = %s"
    run_id = report.load.run_id if report.load else None
    reasons: list[str] = postgres.fetch_one(connection, query, [run_id])[0]
    return reasons


def _without_last_orders(lines: Path, out: Path) -> dict[str, Any]:
    """The export as it was before the newest twentieth of its orders."""
    with open_engine(EngineSettings()) as engine:
        read = f"read_csv({literal(str(lines))}, all_varchar = true)"
        query = (
            'SELECT quantile_disc(placed, ?) FROM (SELECT min("Date") AS placed FROM '
            f'{read} GROUP BY "Order_ID")'
        )
        until = engine.execute(query, [1 - NEW_ORDER_SHARE]).fetchall()[0][0]
        engine.execute(
            f'COPY (SELECT * FROM {read} WHERE "Date" <= {literal(until)})'
            f" TO {literal(str(out))} (HEADER)"
        )
    return {"share": NEW_ORDER_SHARE, "after": until}


def _agreement(found: Sequence[Discovery]) -> dict[str, float]:
    return {f.model.name: round(f.agreement.share, 5) for f in found if f.agreement}


def _valley(found: Discovery) -> float | None:
    return None if found.valley is None else round(found.valley, 3)


def _events(report: RunReport) -> dict[str, Any]:
    events = [event for axis in report.axes for event in axis.events]
    kinds = sorted({event.kind for event in events})
    counts = {kind: sum(event.kind == kind for event in events) for kind in kinds}
    not_kept = [
        f"{axis.name}: {event.kind} {event.segment} {' '.join(event.others)}".strip()
        for axis in report.axes
        for event in axis.events
        if event.kind != "kept"
    ]
    return {"events": counts, "not_kept": not_kept}


def _moves(report: RunReport) -> dict[str, Any]:
    moves = report.load.transitions if report.load else ()
    causes = ("behaviour", "time", "model")
    by_cause = {c: sum(m.n_customers for m in moves if m.cause == c) for c in causes}
    n_memberships = report.features.n_customers * len(report.axes)
    return {"moved": by_cause, "moved_share": round(sum(by_cause.values()) / n_memberships, 5)}


def _read_truth(path: Path) -> dict[str, list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: row["customer_id"])
    return {name: [row[name] for row in rows] for name in rows[0] if name != "customer_id"}


def _mean(values: dict[str, float]) -> float:
    return round(float(np.mean(list(values.values()))), 5)


def table(result: dict[str, Any]) -> str:
    """The result by axis, as Markdown."""
    agreement, truth = result["agreement"], result["planted_truth"]["by_axis"]
    with_tickets = result["planted_truth_with_tickets"]["by_axis"]
    bare = result["without_structure"]
    lines = [
        "| axis | agrees, refit | agrees, full | ARI | ARI, tickets | planted without |",
        "|---|---|---|---|---|---|",
    ]
    refit, full = agreement["refit"]["by_axis"], agreement["full"]["by_axis"]
    for axis in dict.fromkeys([*refit, *truth, *with_tickets]):
        cells = [
            f"{refit[axis]:.4f}" if axis in refit else "not cut",
            f"{full[axis]:.4f}" if axis in full else "not cut",
            f"{truth[axis]:.3f}" if axis in truth else "not separate",
            f"{with_tickets[axis]:.3f}" if axis in with_tickets else "not separate",
            f"{bare['all_at_once'].get(axis, '-')}, {bare['one_by_one'].get(axis, '-')}",
        ]
        lines.append(f"| {axis} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
