"""Alembic's entry: runs over the connection it is handed, in one transaction, on SQLite and PostgreSQL alike."""

from __future__ import annotations

from alembic import context

from service.migrations.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
