"""What a run tells those who watch over it: a dead man's switch, and Prometheus' text format."""

from segpipe.monitor.healthcheck import ping, url_problem
from segpipe.monitor.metrics import Ending, path_problem, write_metrics
from segpipe.monitor.redaction import redacted

__all__ = ["Ending", "path_problem", "ping", "redacted", "url_problem", "write_metrics"]
