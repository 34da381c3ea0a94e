"""What each run did with the segments of its axes, how far names are true, and RFM scores."""

from __future__ import annotations

from segpipe.postgres.migrations.schema_files import execute_file

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add a column to the ledger, one to the definitions and one to the profiles."""
    execute_file("0007_axis_decisions.sql")
