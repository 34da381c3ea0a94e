"""The service's metrics for Prometheus: requests, customers assigned, run and database.

No label has a customer, a key or a raw path. Several workers write to one folder; the one that is
scraped adds them up.
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
    """Metrics of one worker."""

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
            "Requests refused before they were read.",
            ("reason",),
            registry=self._own,
        )
        self.current_run = self._gauge("segpipe_run_in_force", "Number of the run that answers.")
        self.published_at = self._gauge(
            "segpipe_run_published_timestamp_seconds", "When that run was published."
        )
        self.database_up = self._gauge("segpipe_database_up", "1 if the database answered last.")

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(name, text, registry=self._own, multiprocess_mode="mostrecent")

    def text(self) -> bytes:
        """All metrics, those of the other workers too, in Prometheus' text format."""
        folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
        if not folder or not Path(folder).is_dir():
            return generate_latest(self._own)
        all_workers = CollectorRegistry()
        MultiProcessCollector(all_workers, folder)  # type: ignore[no-untyped-call]
        return generate_latest(all_workers)
