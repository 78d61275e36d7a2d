"""Signatures over what lets an answer count. Who opens the store signs what is there (`recalling`)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; what is there has no signature yet."""
    op.add_column("approvals", sa.Column("call_signature", sa.Text))
    op.add_column("approvals", sa.Column("terms_signature", sa.Text))
    for table in ("votes", "decisions"):
        op.add_column(table, sa.Column("revision", sa.Integer, nullable=False, server_default="0"))
        op.add_column(table, sa.Column("signature", sa.Text))
