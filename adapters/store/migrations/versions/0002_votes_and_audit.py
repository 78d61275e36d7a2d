"""Votes of several people, automatic decisions, superseded cards, and the audit chain."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from adapters.store.migrations.guards import POSTGRESQL, SQLITE

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what is new; rows that are there stay as they are."""
    op.add_column("approvals", sa.Column("rule", sa.Text))
    # SQLite cannot add a NOT NULL column without a default, and a parent of foreign keys is not rebuilt.
    op.add_column("placements", sa.Column("digest", sa.Text))
    op.add_column("placements", sa.Column("superseded", sa.Boolean, nullable=False, server_default=sa.false()))
    _widen_decisions()
    _create_votes()
    _create_audit()
    for statement in SQLITE if op.get_bind().dialect.name == "sqlite" else POSTGRESQL:
        op.execute(sa.text(statement))


def _word(*words: str, check: str) -> sa.Enum:
    return sa.Enum(*words, name=check, native_enum=False, create_constraint=True, length=20)


def _widen_decisions() -> None:
    with op.batch_alter_table("decisions") as decisions:
        decisions.drop_constraint("decisions_surface", type_="check")
        decisions.create_check_constraint("decisions_surface", "surface IN ('slack', 'policy')")
        decisions.add_column(sa.Column("others", sa.Text, nullable=False, server_default="[]"))


def _create_votes() -> None:
    op.create_table(
        "votes",
        sa.Column("approval_id", sa.Text, sa.ForeignKey("approvals.id"), primary_key=True),
        sa.Column("person", sa.Text, primary_key=True),
        sa.Column("verdict", _word("approved", "rejected", "skipped", check="votes_verdict"), nullable=False),
        sa.Column("surface", _word("slack", "policy", check="votes_surface"), nullable=False),
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("email", sa.Text),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("card_id", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("note", sa.Text),
        sa.Column("acting_for", sa.Text),
    )


def _create_audit() -> None:
    op.create_table(
        "audit",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("approval_id", sa.Text),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("previous", sa.Text, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
    )
    op.create_index("audit_of", "audit", ["approval_id", "number"])
    op.create_index("audit_at", "audit", ["at_ms"])
    op.create_table(
        "audit_anchor",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("hash", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
    )
