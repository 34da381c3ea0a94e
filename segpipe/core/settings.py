"""Frozen settings, one record per stage, from options and a TOML file.

Takes a TOML table per stage (`[source]`, `[sample]` …); gives RunSettings. An unknown key is an
error, so that a mistyped key never leaves a default in place.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any, Literal

from segpipe.core.errors import InputError
from segpipe.core.timezones import check_timezone
from segpipe.core.toml_records import (
    check_choice,
    check_keys,
    new_record,
    read_toml,
    table_of,
    with_values,
)

STAGES = ("source", "engine", "features", "sample", "cluster", "assign", "gates", "load")
_RETIRED = {  # key of an earlier version → why it has no effect any more
    ("cluster", "clustered_silhouette"): "a density valley decides what is a group",
    ("cluster", "min_excess_silhouette"): "a density valley decides what is a group",
    (
        "cluster",
        "usual_k_lag",
    ): "an axis keeps its segments unless there is a cause to replace them",
    ("gates", "allow_lost_structure"): "every axis always has segments",
    ("gates", "require_agreement"): "segments that the sample does not settle are held back",
}


@dataclass(frozen=True)
class SourceSettings:
    """What to read and how: order lines, and support tickets where there are any."""

    paths: tuple[str, ...] = ()
    preset: str | None = None  # recognised by the header when None
    preset_paths: tuple[Path, ...] = ()  # the user's own mappings
    timezone: str | None = None  # of the shop's clock; None: the preset's, else UTC
    tickets_path: Path | None = None
    max_reject_share: float = 0.05
    rejects_path: Path | None = None  # default: next to the first input file

    def __post_init__(self) -> None:
        _within("source.max_reject_share", self.max_reject_share, 0.0, 1.0)
        if self.timezone is not None:
            check_timezone("timezone", self.timezone)


@dataclass(frozen=True)
class EngineSettings:
    """Limits of the analytical engine."""

    memory_limit: str | None = None  # such as "4GB"; None: 1 GB, or half of the machine if less
    threads: int | None = None
    spill_path: Path | None = None  # None: a temporary folder

    def __post_init__(self) -> None:
        if self.threads is not None:
            _within("engine.threads", self.threads, 1, 1024)
        if self.spill_path is not None and not self.spill_path.is_dir():
            raise InputError(
                f"engine.spill_path {self.spill_path} is not a folder; create it first."
            )


@dataclass(frozen=True)
class FeatureSettings:
    """The observation date and the axes beyond the built-in ones."""

    as_of: date | None = None  # None: the day after the newest order
    axis_paths: tuple[Path, ...] = ()


@dataclass(frozen=True)
class SampleSettings:
    """Size of the discovery sample (customers) and the seed of the whole run."""

    size: int = 5000
    seed: int = 42

    def __post_init__(self) -> None:
        _within("sample.size", self.size, 100, 100_000)
        _within("sample.seed", self.seed, 0, 2**32 - 1)


@dataclass(frozen=True)
class ClusterSettings:
    """How K is searched and which partitions are rejected."""

    method: str = "auto"  # auto, kmeans or tiers: what is published; see docs/how-it-works.md
    min_k: int = 2
    max_k: int = 6
    restarts: int = 20
    min_segment_share: float = 0.02  # of the eligible population
    min_reproducibility: float = 0.65  # adjusted Rand index of two halves; Steinley (2004)
    min_silhouette: float = 0.25  # Kaufman & Rousseeuw: no substantial structure up to here
    refine: bool = True  # publish the centroids refitted on the whole population
    audit: str = "refit"  # or full: compare the sample with a fit of everybody from scratch
    min_agreement: float = 0.97  # per axis; below it the report says what sample size would do

    def __post_init__(self) -> None:
        _within("cluster.min_k", self.min_k, 2, 20)
        _within("cluster.max_k", self.max_k, self.min_k, 20)
        _within("cluster.restarts", self.restarts, 1, 1000)
        _within("cluster.min_segment_share", self.min_segment_share, 0.0, 0.5)
        _within("cluster.min_reproducibility", self.min_reproducibility, -1.0, 1.0)
        _within("cluster.min_silhouette", self.min_silhouette, -1.0, 1.0)
        _within("cluster.min_agreement", self.min_agreement, 0.0, 1.0)
        check_choice("cluster.audit", self.audit, ("refit", "full"))
        check_choice("cluster.method", self.method, ("auto", "kmeans", "tiers"))


@dataclass(frozen=True)
class AxisSettings:
    """What a settings file changes of one axis, under [axes.NAME]."""

    # How its tiers are divided; None: as the axis says.
    cuts: Literal["breaks", "quantiles"] | None = None


@dataclass(frozen=True)
class AssignSettings:
    """How many customers are assigned at a time."""

    batch_size: int = 5000

    def __post_init__(self) -> None:
        _within("assign.batch_size", self.batch_size, 1, 10_000_000)


@dataclass(frozen=True)
class GateSettings:
    """When a run is refused before it is published; all but the age compare with the last run.

    Also source.max_reject_share. A share that moves too far holds back its axis, not the run.
    """

    require_newer_orders: bool = True  # the same export again, or an older one, is refused
    max_order_age_days: int | None = None  # of the newest order, by the clock; None: any
    max_row_drop_share: float = 0.2  # rows read, below the last run's
    max_share_shift: float = 0.2  # of a segment's share, by behaviour, in one run

    def __post_init__(self) -> None:
        if self.max_order_age_days is not None:
            _within("gates.max_order_age_days", self.max_order_age_days, 1, 100_000)
        _within("gates.max_row_drop_share", self.max_row_drop_share, 0.0, 1.0)
        _within("gates.max_share_shift", self.max_share_shift, 0.0, 1.0)


@dataclass(frozen=True)
class LoadSettings:
    """Where the memberships go."""

    database_url: str | None = None  # None: DATABASE_URL, else the embedded PostgreSQL
    store_id: str = "default"
    absent: str = "keep"  # customers who are not in the new file: keep or delete
    keep_runs: int = 2  # earlier runs kept for a rollback, in addition to the current one
    wait: bool = True  # for another run of the same store to finish
    attempts: int = 4  # to publish, when the connection is lost or another session is in the way

    def __post_init__(self) -> None:
        if not 1 <= len(self.store_id) <= 100:
            msg = f"store_id has {len(self.store_id)} characters; expected 1 to 100."
            raise InputError(msg)
        check_choice("load.absent", self.absent, ("keep", "delete"))
        _within("load.keep_runs", self.keep_runs, 0, 1000)
        _within("load.attempts", self.attempts, 1, 100)


@dataclass(frozen=True)
class RunSettings:
    """Everything that a run depends on."""

    source: SourceSettings = field(default_factory=SourceSettings)
    engine: EngineSettings = field(default_factory=EngineSettings)
    features: FeatureSettings = field(default_factory=FeatureSettings)
    sample: SampleSettings = field(default_factory=SampleSettings)
    cluster: ClusterSettings = field(default_factory=ClusterSettings)
    assign: AssignSettings = field(default_factory=AssignSettings)
    gates: GateSettings = field(default_factory=GateSettings)
    load: LoadSettings = field(default_factory=LoadSettings)
    axes: dict[str, AxisSettings] = field(default_factory=dict)  # axis → what a file changes
    notes: tuple[str, ...] = ()  # plain sentences: keys of an earlier version
    model_path: Path | None = None  # assign with this model, discover nothing
    model_out_path: Path | None = None
    is_dry_run: bool = False
    is_forced: bool = False  # publish even if the gates refuse
    rediscover: tuple[str, ...] | None = None  # axes to replace; () for all, None for none
    is_resumed: bool = False  # continue after a failure in load, if the input is the same


def load_settings(path: Path | None, options: dict[str, dict[str, Any]]) -> RunSettings:
    """The settings of a TOML file, overridden by options.

    Options are stage → key → value; None means not given. Raises InputError for a file that
    cannot be read, an unknown stage or key, or a value out of range.
    """
    tables = read_toml(path, "settings file") if path else {}
    axes = table_of(tables, "axes")
    tables, notes = _without_retired({key: v for key, v in tables.items() if key != "axes"})
    settings = RunSettings(
        axes={
            name: new_record(AxisSettings, f"axes.{name}", table_of(axes, name)) for name in axes
        },
        notes=notes,
    )
    for stage, values in _merged(tables, options).items():
        check_keys("", [stage], STAGES)
        changed = with_values(getattr(settings, stage), stage, values)
        settings = replace(settings, **{stage: changed})
    return settings


def home_path() -> Path:
    """Folder of the embedded database: `$SEGPIPE_HOME`, else `.segpipe` of the working folder."""
    return Path(os.environ.get("SEGPIPE_HOME") or ".segpipe").expanduser().resolve()


def _without_retired(tables: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The tables without keys that only an earlier version had, and a note on each of these."""
    notes = []
    for (stage, key), reason in _RETIRED.items():
        table = tables.get(stage)
        if isinstance(table, dict) and key in table:
            tables = {**tables, stage: {k: v for k, v in table.items() if k != key}}
            notes.append(f"[{stage}] {key} has no effect any more: {reason}; remove the key.")
    return tables, tuple(notes)


def _merged(
    tables: dict[str, Any], options: dict[str, dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    merged: dict[str, dict[str, Any]] = {}
    for stage, values in tables.items():
        if not isinstance(values, dict):
            msg = f"The settings file has {stage!r} outside a table; expected [stage] tables."
            raise InputError(msg)
        merged[stage] = dict(values)
    for stage, values in options.items():
        given = {key: value for key, value in values.items() if value is not None}
        merged.setdefault(stage, {}).update(given)
    return merged


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise InputError(f"{name} is {value}; expected {low} to {high}.")
