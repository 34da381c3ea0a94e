"""The page: takes a run's report with its model and points, gives HTML that stands alone.

Every text is escaped where it is put in, for store ids, file names and segment names are users'.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from segpipe.axes import Measure
from segpipe.core.errors import InputError
from segpipe.core.report import OutlookInfo
from segpipe.core.text import percent
from segpipe.model.described import described_measures, find_measure
from segpipe.reports.html import charts, wording
from segpipe.reports.html.axis_section import AxisView, axis_view
from segpipe.reports.text import outlook_check_text, outlook_text, value_check_text


@dataclass(frozen=True)
class Fact:
    """A line of the head: what, and how much of it."""

    name: str
    text: str


@dataclass(frozen=True)
class Bar:
    """A stage and its seconds; width is a share of the longest."""

    name: str
    seconds: float
    width: float


def page_html(report: Mapping[str, Any], details: Mapping[str, Any]) -> str:
    """The page of a run, from `RunReport.to_dict()` and its details.

    details has `model` (the document) and `scatter` (axis → points), and from the ledger also
    `segments` (rows of segment_definitions), `versions` and `finished_at`; each may be missing.
    """
    load = report["load"]
    axes = _axes(report, details)
    return (
        _environment()
        .get_template("page.html")
        .render(
            title=_title(report),
            store=load["store_id"] if load else None,
            report=report,
            load=load,
            facts=_facts(report, details),
            axes=axes,
            verdicts=wording.verdict_meanings(axis.verdict for axis in axes),
            has_agreement=any(axis.agreement for axis in axes),
            causes=_causes(load),
            rejected=_rejected(report["source"]),
            notes=[*report["source"]["notes"], *(load["notes"] if load else [])],
            outlook=outlook_text(_outlook(report)),
            outlook_check=outlook_check_text(_outlook(report)),
            value_check=value_check_text(_outlook(report)),
            stages=_stages(report),
            seconds=sum(stage["seconds"] for stage in report["stages"]),
            versions=_versions(report, details),
            box=charts,
        )
    )


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = percent
    environment.filters["breakable"] = wording.breakable
    return environment


def _title(report: Mapping[str, Any]) -> str:
    load, as_of = report["load"], report["features"]["as_of"]
    if load is None:
        return f"Customer segments as of {as_of}, a dry run"
    return f"Customer segments of {load['store_id']} as of {as_of}, run {load['run_id']}"


def _facts(report: Mapping[str, Any], details: Mapping[str, Any]) -> list[Fact]:
    source, features, load = report["source"], report["features"], report["load"]
    rejected = source["n_rows_rejected"]
    share = rejected / source["n_rows_read"] if source["n_rows_read"] else 0.0
    facts = [
        Fact("As of", features["as_of"]),
        Fact("Customers", f"{features['n_customers']:,}"),
        Fact("Orders", f"{features['n_orders']:,}"),
        Fact("Rows read", f"{source['n_rows_read']:,}"),
        Fact("Rows rejected", f"{rejected:,} ({percent(share)})" if rejected else "none"),
    ]
    if load:
        facts.insert(0, Fact("Run", str(load["run_id"])))
    if details.get("finished_at"):
        facts.append(Fact("Published", str(details["finished_at"])))
    if report["sample"]:
        facts.append(Fact("Learnt from", f"{report['sample']['n_drawn']:,} customers"))
    else:
        facts.append(Fact("Learnt from", "a given model"))
    if source["currency"]:
        facts.append(Fact("Currency", source["currency"]))
    return facts


def _outlook(report: Mapping[str, Any]) -> OutlookInfo | None:
    found = report.get("outlook")
    return OutlookInfo(**found) if found else None


def _axes(report: Mapping[str, Any], details: Mapping[str, Any]) -> list[AxisView]:
    models = {axis["name"]: axis for axis in (details.get("model") or {}).get("axes", [])}
    scatter = details.get("scatter") or {}
    segments: dict[str, dict[str, Any]] = {}
    for row in details.get("segments") or []:
        segments.setdefault(row["axis"], {})[row["segment"]] = row
    transitions = (report["load"] or {}).get("transitions", [])
    measure_of = _measures(details.get("model") or {}, report["source"]["currency"])
    is_everybody = _is_everybody(report["sample"])
    return [
        axis_view(
            {**axis, "agreement": None} if is_everybody else axis,
            models.get(axis["name"]),
            scatter.get(axis["name"]),
            segments.get(axis["name"], {}),
            [moved for moved in transitions if moved["axis"] == axis["name"]],
            report["features"]["n_customers"],
            measure_of,
        )
        for axis in report["axes"]
    ]


def _is_everybody(sample: Mapping[str, Any] | None) -> bool:
    """Whether the sample is the population, so that agreement has no meaning."""
    return sample is not None and sample["n_drawn"] == sum(
        stratum["n_customers"] for stratum in sample["strata"]
    )


def _measures(model: Mapping[str, Any], currency: str | None) -> Callable[[str], Measure]:
    """Words for a measure: those of the model, with the currency behind amounts."""
    described = described_measures(model)

    def measure_of(name: str) -> Measure:
        measure = find_measure(described, name)
        if measure.format != "amount" or not currency:
            return measure
        return replace(measure, label=f"{measure.label} ({currency})")

    return measure_of


def _causes(load: Mapping[str, Any] | None) -> str:
    """How many moves of which cause, over all axes."""
    counts: dict[str, int] = {}
    for moved in (load or {}).get("transitions", []):
        counts[moved["cause"]] = counts.get(moved["cause"], 0) + moved["n_customers"]
    return wording.causes_text(counts)


def _rejected(source: Mapping[str, Any]) -> list[Fact]:
    """Reasons and rows, the most frequent first."""
    reasons = source["reject_reasons"]
    return [
        Fact(why, f"{reasons[why]:,}") for why in sorted(reasons, key=lambda w: (-reasons[w], w))
    ]


def _stages(report: Mapping[str, Any]) -> list[Bar]:
    stages = report["stages"]
    longest = max((stage["seconds"] for stage in stages), default=0.0) or 1.0
    return [Bar(s["name"], s["seconds"], s["seconds"] / longest) for s in stages]


def _versions(report: Mapping[str, Any], details: Mapping[str, Any]) -> list[Fact]:
    libraries = dict(details.get("versions") or {})
    libraries["segpipe"] = report["version"]
    facts = [Fact(name, str(libraries[name])) for name in sorted(libraries, key=str.lower)]
    source = report["source"]
    return [
        Fact("Model", report["model_hash"][:12]),
        Fact("Input", source["input_hash"][:12]),
        Fact("Preset", source["preset"]),
        Fact("Files", ", ".join(PurePath(path).name for path in source["paths"])),
        Fact("Seed", str(report["seed"])),
        Fact("Peak memory", f"{report['peak_memory_mb']:,.0f} MB"),
        *facts,
    ]


def check_page_path(path: Path, option: str, in_use: Iterable[Path] = ()) -> None:
    """Raise InputError where no page can be written there, or the run reads or writes the file."""
    if path.resolve() in {other.resolve() for other in in_use}:
        msg = f"{option} names {path}, which the run reads or writes too; name another file."
        raise InputError(msg)
    if path.is_dir():
        raise InputError(f"{option} names the folder {path}; name a file such as report.html.")
    if not path.parent.is_dir():
        raise InputError(f"{option}: there is no folder {path.parent}; make it first.")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise InputError(f"{option} names {path}, which may not be written; name another file.")


def write_page(html: str, path: Path) -> None:
    """Write the page; InputError where the file cannot be written."""
    try:
        path.write_text(html, encoding="utf-8")
    except OSError as error:
        msg = f"The page cannot be written to {path} ({error.strerror}); name another file."
        raise InputError(msg) from error
