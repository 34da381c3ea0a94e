"""How a run reports to those who watch it: a healthcheck, and a file of metrics for Prometheus."""

from segpipe.monitor.healthcheck import ping, url_problem
from segpipe.monitor.redaction import redacted

__all__ = ["ping", "redacted", "url_problem"]
