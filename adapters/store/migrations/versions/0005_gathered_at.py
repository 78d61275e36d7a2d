"""Since when a card stands on its channel's digest."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the moment; what stands on a digest already counts as told of by it."""
    op.add_column("placements", sa.Column("gathered_at", sa.BigInteger))
    op.execute(sa.text("UPDATE placements SET gathered_at = 0 WHERE gathered"))
