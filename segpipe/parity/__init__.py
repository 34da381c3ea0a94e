"""Parity: whether the service gives the customers of a file the segments that the run gave them."""

from segpipe.parity.documents import documents, draw_customers
from segpipe.parity.replay import Difference, Parity, Service, replay, run_in_force

__all__ = [
    "Difference",
    "Parity",
    "Service",
    "documents",
    "draw_customers",
    "replay",
    "run_in_force",
]
