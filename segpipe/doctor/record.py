"""What the doctor found: findings with their figures, and the health of each axis."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from segpipe.core.plain import plain_values
from segpipe.core.report import FeatureInfo, SourceInfo

SEVERITIES = ("refused", "warning", "note", "ok")  # worst first
STATES = ("unavailable", "degraded", "available")


@dataclass(frozen=True)
class Finding:
    """One thing that was checked; with severity `refused`, a reason why a run would be refused."""

    severity: str  # of SEVERITIES
    topic: str  # for programs: rejects, guests, months …
    found: str  # a sentence with its figure
    advice: str | None = None  # what to do


@dataclass(frozen=True)
class AxisHealth:
    """How far an axis can answer its question from this input."""

    name: str
    group: str
    state: str  # of STATES
    n_eligible: int  # customers; 0 where no feature is there
    eligible_share: float
    reasons: tuple[str, ...] = ()  # why not available, in part or in whole
    advice: tuple[str, ...] = ()


@dataclass(frozen=True)
class Diagnosis:
    """Everything that was found; what could not be checked after a refusal is None or empty."""

    findings: tuple[Finding, ...]  # worst first
    source: SourceInfo | None = None
    features: FeatureInfo | None = None
    columns: tuple[tuple[str, str], ...] = ()  # segpipe's name, the file's header or a formula
    unread: tuple[str, ...] = ()  # headers that no column is read from
    axes: tuple[AxisHealth, ...] = ()

    @property
    def refusals(self) -> tuple[str, ...]:
        """The reasons that a run would give."""
        return tuple(item.found for item in self.findings if item.severity == "refused")

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; `would_run` is false where a run would be refused."""
        plain = plain_values(asdict(self))
        assert isinstance(plain, dict)  # noqa: S101 - asdict of a record
        plain["columns"] = dict(self.columns)
        return {"would_run": not self.refusals, **plain}
