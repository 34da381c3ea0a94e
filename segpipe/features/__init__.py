"""Features: order lines → one row a customer."""

from segpipe.features.compute import Reference, compute_features

__all__ = ["Reference", "compute_features"]
