"""Runs a file of `sql/schema/` as a migration, to the letter."""

from __future__ import annotations

import sqlalchemy
from alembic import op

from segpipe.core.resources import resource


def execute_file(name: str) -> None:
    """Add the statements of `sql/schema/name` to the migration."""
    text = resource("sql", "schema", name).read_text(encoding="utf-8")
    op.execute(sqlalchemy.text(text.replace("\\", "\\\\").replace(":", "\\:")))
