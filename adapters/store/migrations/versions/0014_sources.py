"""Approvals by their source and its request id, and indexes on what the steps of each source look for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_OF_EACH = (
    ("approvals_due", "due_at", "due_at IS NOT NULL"),
    ("approvals_unlisted", "next_try", "stage = 'decided' AND due_at IS NULL"),
    ("approvals_in_trouble", "deadline", "stage = 'decided' AND (trouble IS NOT NULL OR gones > 0)"),
    ("approvals_missing", "deadline", "stage IN ('open', 'decided') AND missed > 0"),
)


def upgrade() -> None:
    """All that is there is of `glaip`, and its id is the request's own."""
    op.add_column("approvals", sa.Column("source", sa.Text, nullable=False, server_default="glaip"))
    op.add_column("approvals", sa.Column("request_id", sa.Text, nullable=False, server_default=""))
    op.execute("UPDATE approvals SET request_id = id")
    op.create_index("approvals_of_source", "approvals", ["source", "request_id"], unique=True)
    op.drop_index("approvals_at_stage", "approvals")
    op.create_index("approvals_at_stage", "approvals", ["stage", "deadline", "source"])
    for name, column, where in _OF_EACH:
        op.drop_index(name, "approvals")
        op.create_index(
            name, "approvals", ["source", column], sqlite_where=sa.text(where), postgresql_where=sa.text(where)
        )
