"""Where the bot of a chat may speak."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table; nothing that is there changes."""
    scope = sa.Enum(
        "team",
        "groupChat",
        "personal",
        name="conversations_scope",
        native_enum=False,
        create_constraint=True,
        length=20,
    )
    op.create_table(
        "conversations",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("service_url", sa.Text, nullable=False),
        sa.Column("scope", scope, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("bot_id", sa.Text, nullable=False),
        sa.Column("person", sa.Text),
        sa.Column("user_id", sa.Text),
        sa.Column("team", sa.Text),
    )
    op.create_index("conversations_of", "conversations", ["person"])
