"""Memory of the runs before: transitions, permanent segments, guidance."""

from __future__ import annotations

from segpipe.postgres.migrations.schema_files import execute_file

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the columns and the table of the transitions."""
    execute_file("0003_identity.sql")
