"""Where a message about a request stands, so that it can be brought up to date when the request ends."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_UP = sa.text("ref IS NOT NULL AND amended_at IS NULL")


def upgrade() -> None:
    """Of messages that were sent before, nobody knows where they stand: they stay as they are."""
    op.add_column("notices", sa.Column("channel", sa.Text))
    op.add_column("notices", sa.Column("ref", sa.Text))
    op.add_column("notices", sa.Column("amended_at", sa.BigInteger))
    op.create_index(
        "notices_up", "notices", ["surface", "channel", "ref"], sqlite_where=_UP, postgresql_where=_UP
    )
