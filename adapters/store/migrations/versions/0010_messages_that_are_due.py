"""What of the messages and pages is due, so that nobody has to read the rest."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_UNPAID = sa.text("sent_at IS NULL AND dropped_at IS NULL")
_UNRESOLVED = sa.text("mended IS NULL")


def upgrade() -> None:
    """What earlier releases still had to send is due, as it was for them."""
    op.create_index(
        "placements_bare",
        "placements",
        ["approval_id"],
        sqlite_where=sa.text("owed = 1 AND ref IS NULL AND superseded = 0"),
        postgresql_where=sa.text("owed AND ref IS NULL AND NOT superseded"),
    )
    op.create_index("claims_until", "claims", ["until"])
    op.create_index("alerts_open", "alerts", ["cause"], sqlite_where=_UNRESOLVED, postgresql_where=_UNRESOLVED)
    op.create_index("notices_due", "notices", ["next_try"], sqlite_where=_UNPAID, postgresql_where=_UNPAID)
    op.add_column("notices", sa.Column("outdated", sa.Boolean, nullable=False, server_default=sa.false()))
    op.execute(
        "UPDATE notices SET outdated = TRUE WHERE ref IS NOT NULL AND amended_at IS NULL"
        " AND news IN ('rung', 'last_call') AND EXISTS (SELECT 1 FROM approvals"
        " WHERE approvals.id = notices.approval_id AND approvals.stage NOT IN ('open', 'decided'))"
    )
    op.create_index(
        "notices_outdated",
        "notices",
        ["surface", "channel", "ref"],
        sqlite_where=sa.text("outdated = 1"),
        postgresql_where=sa.text("outdated"),
    )
    op.drop_index("pages_owed", "pages")
    op.add_column("pages", sa.Column("owed", sa.Boolean, nullable=False, server_default=sa.true()))
    op.execute(
        "UPDATE pages SET owed = FALSE WHERE told_mended OR (taken AND EXISTS (SELECT 1 FROM alerts"
        " WHERE alerts.approval_id = pages.approval_id AND alerts.cause = pages.cause"
        " AND alerts.mended IS NULL))"
    )
    op.create_index(
        "pages_due", "pages", ["next_try"], sqlite_where=sa.text("owed = 1"), postgresql_where=sa.text("owed")
    )
