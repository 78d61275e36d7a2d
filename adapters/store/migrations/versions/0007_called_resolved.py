"""Requests that the platform calls resolved and lists, and deadlines that Nod made up more than once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing of the kind is known of what waits already."""
    op.add_column("approvals", sa.Column("gone_at", sa.BigInteger))
    op.add_column("approvals", sa.Column("gones", sa.Integer, nullable=False, server_default="0"))
    op.add_column("approvals", sa.Column("renewed", sa.Integer, nullable=False, server_default="0"))
