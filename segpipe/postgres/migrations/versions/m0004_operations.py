"""Rollback, resume, gates, and people who asked to be forgotten."""

from __future__ import annotations

from segpipe.postgres.migrations.schema_files import execute_file

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the columns and tables."""
    execute_file("0004_operations.sql")
