"""What Prometheus scrapes: requests, customers assigned, and how the service stands.

No label has a customer, a key or a path as it came. Several workers write to one folder, from
which the one that is asked adds up.
"""

from __future__ import annotations

import os
from pathlib import Path

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class ServiceMetrics:
    """Counts of one worker."""

    def __init__(self) -> None:
        self._own = CollectorRegistry()
        route = ("route", "method")
        self.requests = Counter(
            "segpipe_requests", "Requests answered.", (*route, "status"), registry=self._own
        )
        self.request_seconds = Histogram(
            "segpipe_request_seconds",
            "Seconds from a request's head to its answer's end.",
            route,
            buckets=_SECONDS,
            registry=self._own,
        )
        self.assigned = Counter(
            "segpipe_assigned_customers", "Customers assigned on request.", registry=self._own
        )
        self.rejected = Counter(
            "segpipe_rejected_requests",
            "Requests turned away before they were looked at.",
            ("reason",),
            registry=self._own,
        )
        self.current_run = self._gauge("segpipe_run_in_force", "Number of the run that answers.")
        self.published_at = self._gauge(
            "segpipe_run_published_timestamp_seconds", "When that run was published."
        )
        self.database_up = self._gauge("segpipe_database_up", "1 where the database answered last.")

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(name, text, registry=self._own, multiprocess_mode="mostrecent")

    def text(self) -> bytes:
        """All figures, those of the other workers too, in Prometheus' text format."""
        folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
        if not folder or not Path(folder).is_dir():
            return generate_latest(self._own)
        together = CollectorRegistry()
        MultiProcessCollector(together, folder)  # type: ignore[no-untyped-call]
        return generate_latest(together)
