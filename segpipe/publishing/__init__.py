"""Memberships into PostgreSQL: published at once or not at all."""

from segpipe.publishing.counts import SegmentCounts
from segpipe.publishing.measure_table import read_measures
from segpipe.publishing.one_customer import RunReplacedError, persist
from segpipe.publishing.publish import publish
from segpipe.publishing.rollback import Pruned, RolledBack, prune, rollback

__all__ = [
    "Pruned",
    "RolledBack",
    "RunReplacedError",
    "SegmentCounts",
    "persist",
    "prune",
    "publish",
    "read_measures",
    "rollback",
]
