"""Alembic's entry: renders the migrations as one SQL script, which `postgres.migrate` runs."""

from __future__ import annotations

from alembic import context

context.configure(
    dialect_name="postgresql",
    dialect_opts={"paramstyle": "named"},
    output_buffer=context.config.output_buffer,
    version_table=context.config.attributes["version_table"],
    transactional_ddl=False,  # the caller's transaction holds the whole script
)
context.run_migrations()
