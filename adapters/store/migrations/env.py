"""Alembic's way in: everything runs inside the transaction that the opening store handed over."""

from __future__ import annotations

from alembic import context

from adapters.store.migrations import VERSION_TABLE
from adapters.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
