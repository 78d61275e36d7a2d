"""Pages that were taken, in an index of their own, so that the self-check reads them a portion at a time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The rows stay as they are."""
    op.create_index(
        "pages_taken",
        "pages",
        ["approval_id", "cause"],
        sqlite_where=sa.text("owed = 0 AND told_mended = 0"),
        postgresql_where=sa.text("NOT owed AND NOT told_mended"),
    )
