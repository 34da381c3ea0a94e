"""The report of each stage; together the RunReport that is printed, stored and tested.

Every number in it was computed in the run that it describes.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

from segpipe.core.plain import plain_values

_EVENTS = {  # kind of an event of a segment → its sentence, and an addition with the others' names
    "kept": ("{segment} is as before", ""),
    "renamed": ("{segment} has a new name", ", formerly {others}"),
    "born": ("{segment} is a new segment", ", from {others}"),
    "split": ("{segment} split off", " from {others}"),
    "merged": ("{segment} merged", " into {others}"),
    "died": ("{segment} is gone", ", its customers are in {others}"),
}


@dataclass(frozen=True)
class SourceInfo:
    """What was read; `n_rows_read` counts every data row, rejected ones and guests included."""

    preset: str
    paths: tuple[str, ...]
    input_hash: str  # SHA-256 over the files' bytes
    n_rows_read: int
    n_rows_rejected: int
    rejects_path: Path | None
    reject_reasons: dict[str, int]  # reason without its value → rows
    n_guest_lines: int
    n_return_lines: int
    n_shared_orders: int  # order ids of more than one customer
    currency: str | None
    inputs: frozenset[str]  # of schema.INPUTS
    first_ordered_at: datetime | None
    last_ordered_at: datetime | None
    timezone: str = "UTC"  # of the shop's clock
    n_tickets: int = 0
    notes: tuple[str, ...] = ()  # plain sentences: guessed order ids, duplicate files …
    over_limit: tuple[str, ...] = ()  # sentences: more rejects than allowed, in a forced run


@dataclass(frozen=True)
class FeatureInfo:
    """The result of the feature stage."""

    as_of: date
    n_customers: int
    n_orders: int
    n_return_only_customers: int
    n_future_lines: int  # after as_of, left out


@dataclass(frozen=True)
class StratumInfo:
    """A lifetime-value stratum and what was drawn from it."""

    name: str
    n_customers: int
    n_drawn: int


@dataclass(frozen=True)
class SampleInfo:
    """The discovery sample."""

    n_drawn: int
    strata: tuple[StratumInfo, ...]

    @property
    def n_customers(self) -> int:
        """Of the population."""
        return sum(stratum.n_customers for stratum in self.strata)

    @property
    def is_everybody(self) -> bool:
        """Whether nobody was left out, so that agreement says nothing."""
        return self.n_drawn == self.n_customers


@dataclass(frozen=True)
class CandidateInfo:
    """One K that was tried; the silhouette is weighted and averaged over clusters."""

    n_clusters: int
    silhouette: float
    smallest_share: float
    reproducibility: float | None  # None: too few customers to split
    passed_over: str | None  # why it was rejected, None for an eligible candidate
    valley: float | None = (
        None  # least density between two segments over their peaks; None: not asked
    )


@dataclass(frozen=True)
class AgreementInfo:
    """What changes when the axis is fitted on the whole eligible population."""

    method: str  # refit: from the sample's centroids; full: from scratch
    n_customers: int
    share: float  # of them who keep their segment
    adjusted_rand: float
    centroid_shift: float  # largest move of a centroid, in standard deviations
    sample_size_wanted: int | None  # where the share is below the setting
    is_refined: bool = False  # the refitted centroids are the ones that are published


@dataclass(frozen=True)
class SegmentEvent:
    """What happened to a segment since the store's previous run."""

    kind: str  # kept, renamed, born, died, split, merged
    segment: str  # its name now; its last one where it is gone
    segment_id: int
    others: tuple[
        str, ...
    ] = ()  # former name; origins of a new segment; parts of a split or merger
    # Jaccard index of its customers under both models; for a new, split, merged or gone segment,
    # the largest share of its customers in one other segment.
    overlap: float | None = None

    @property
    def sentence(self) -> str:
        """The event in words, without a full stop."""
        sentence, addition = _EVENTS[self.kind]
        others = " and ".join(self.others)
        return (sentence + addition if others else sentence).format(
            segment=self.segment, others=others
        )


@dataclass(frozen=True)
class AxisDecision:
    """What a run did with the current segments of an axis.

    `decision` is new (the store had none), kept, replaced or held back. A cause that must be found
    in two runs in a row is the `pending` one in the first of them.
    """

    decision: str
    cause: str | None = None  # of core/decisions.py
    text: str = ""  # the figures behind it, a sentence without its full stop
    pending: str | None = None
    n_moved: int = 0  # customers who have another segment by the replacement
    value_moved: float = 0.0  # their lifetime value


@dataclass(frozen=True)
class AxisInfo:
    """The result of one axis; `shares` are of the whole population, states included."""

    name: str
    group: str
    verdict: str  # of core/verdicts.py
    reason: str | None
    n_clusters: int | None  # segments, also those in which nobody is today; states are none
    silhouette: float | None
    candidates: tuple[CandidateInfo, ...] = ()
    dropped_features: tuple[str, ...] = ()
    n_filled: dict[str, int] = field(
        default_factory=dict
    )  # measure → customers filled with the median
    shares: dict[str, float] = field(default_factory=dict)
    choice: str | None = None  # why this K was chosen, a sentence
    agreement: AgreementInfo | None = None
    events: tuple[SegmentEvent, ...] = ()  # empty: the store's first run
    decision: AxisDecision | None = None  # None: assigned with a given model
    best_k: int | None = None  # by silhouette, of the k-means that runs on every axis
    best_silhouette: float | None = None
    valley: float | None = None  # least of the K; None: not tested
    holds_for: dict[str, float] = field(default_factory=dict)  # segment → share who meet its name
    value_shares: dict[str, float] = field(default_factory=dict)  # as shares, of lifetime value
    n_empty: int = 0  # segments in which nobody is today


@dataclass(frozen=True)
class TransitionInfo:
    """Customers who moved from one segment to another since the previous run."""

    axis: str
    from_segment: str
    to_segment: str
    cause: str  # of schema.CAUSES
    n_customers: int
    lifetime_value: float


@dataclass(frozen=True)
class LoadInfo:
    """What was published."""

    run_id: int
    store_id: str
    database: str  # without the password
    n_published: int
    n_inserted: int
    n_updated: int
    n_absent_kept: int
    n_absent_deleted: int
    n_unchanged: int = 0  # known customers whose row did not change
    previous_run_id: int | None = None  # from which the transitions are
    transitions: tuple[TransitionInfo, ...] = ()  # without those who stayed
    notes: tuple[str, ...] = ()  # plain sentences: why rows were updated in place …


@dataclass(frozen=True)
class OutlookInfo:
    """What the run says of the next 90 days: churn risk and expected value."""

    is_published: bool  # churn risk
    is_provisional: bool  # too little history to check them
    reason: str | None  # why churn risk is missing or provisional
    n_checked: int = 0  # customers of an earlier fit that was judged on the last 90 days
    auc: float | None = None  # of churn there; 0.5 is chance
    recency_auc: float | None = None  # of the days since the last order alone
    decile_error: float | None = None  # mean of |predicted - true| over ten groups
    level_shift: float | None = None  # predicted less true
    is_value_published: bool | None = None  # None: as churn risk, by an earlier version
    value_reason: str | None = None  # why expected value is missing or provisional
    value_error: float | None = None  # mean of |expected - true| over five groups / true mean
    value_ratio: float | None = None  # expected over true revenue of everybody
    value_rank: float | None = None  # rank correlation with true revenue
    lifetime_rank: float | None = None  # of lifetime value alone


@dataclass(frozen=True)
class StageInfo:
    """Seconds of wall time of one stage."""

    name: str
    seconds: float


@dataclass(frozen=True)
class AxisScatter:
    """Some customers of the sample, on the two features that separate an axis's segments best."""

    x: str  # measure
    y: str | None  # None: the axis has one feature
    points: tuple[tuple[float, float, int], ...]  # x, y in the measures' units, index of segment


@dataclass(frozen=True)
class RunDetails:
    """What the page shows in addition to the report; not part of its text or JSON."""

    model: dict[str, Any]  # the model document
    scatter: dict[str, Any]  # axis → plain values of its AxisScatter


@dataclass(frozen=True)
class RunReport:
    """One whole run, in the order in which the data flowed."""

    version: str
    seed: int
    source: SourceInfo
    features: FeatureInfo
    sample: SampleInfo | None  # None: assigned with a given model
    axes: tuple[AxisInfo, ...]
    load: LoadInfo | None  # None: dry run
    stages: tuple[StageInfo, ...]
    model_hash: str
    peak_memory_mb: float
    outlook: OutlookInfo | None = None  # None: reported by an earlier version
    details: RunDetails | None = field(default=None, repr=False)

    @property
    def has_agreement(self) -> bool:
        """Whether the sample's segments were compared with everybody's, and could differ."""
        is_sample = self.sample is not None and not self.sample.is_everybody
        return is_sample and any(axis.agreement for axis in self.axes)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: no dates, paths or sets; without the details."""
        plain = plain_values(asdict(replace(self, details=None)))
        assert isinstance(plain, dict)  # noqa: S101 - asdict of a record
        del plain["details"]
        return plain
