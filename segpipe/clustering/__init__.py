"""Clustering: weighted points → a partition, how good it is, and how two of them agree."""
