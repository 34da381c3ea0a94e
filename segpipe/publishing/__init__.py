"""Memberships into PostgreSQL: published at once or not at all."""

from segpipe.publishing.counts import SegmentCounts
from segpipe.publishing.one_customer import RunReplacedError, persist
from segpipe.publishing.publish import publish
from segpipe.publishing.task import Publication

__all__ = ["Publication", "RunReplacedError", "SegmentCounts", "persist", "publish"]
