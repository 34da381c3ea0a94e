"""Churn risk as a probability, and expected value."""

from __future__ import annotations

from segpipe.postgres.migrations.schema_files import execute_file

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the column, and let both be missing."""
    execute_file("0006_outlook.sql")
