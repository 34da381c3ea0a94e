"""Parity: whether the service gives the customers of a file the same segments as the run did."""

from segpipe.parity.documents import documents, draw_customers
from segpipe.parity.replay import Difference, Parity, Service, current_run_of, replay

__all__ = [
    "Difference",
    "Parity",
    "Service",
    "current_run_of",
    "documents",
    "draw_customers",
    "replay",
]
