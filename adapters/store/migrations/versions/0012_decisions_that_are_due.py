"""When a decision is due, and indexes on what each step looks for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_FOR_STEPS = (
    ("approvals_due", "due_at", "due_at IS NOT NULL"),
    ("approvals_unlisted", "next_try", "stage = 'decided' AND due_at IS NULL"),
    ("approvals_in_trouble", "deadline", "stage = 'decided' AND (trouble IS NOT NULL OR gones > 0)"),
    ("approvals_missing", "deadline", "stage IN ('open', 'decided') AND missed > 0"),
    ("approvals_untold", "deadline", "stage = 'settled' AND NOT told"),
)


def upgrade() -> None:
    """A decision under way waits for a list, as an Approve does; a start makes the others due (`resume`)."""
    op.add_column("approvals", sa.Column("due_at", sa.BigInteger))
    op.add_column("approvals", sa.Column("asked", sa.Integer, nullable=False, server_default="0"))
    for name, column, where in _FOR_STEPS:
        op.create_index(
            name, "approvals", [column], sqlite_where=sa.text(where), postgresql_where=sa.text(where)
        )
