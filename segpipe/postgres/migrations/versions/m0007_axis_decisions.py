"""What each run did with the segments of its axes, and how far names are true."""

from __future__ import annotations

from segpipe.postgres.migrations.schema_files import execute_file

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add a column to the ledger and one to the definitions."""
    execute_file("0007_axis_decisions.sql")
