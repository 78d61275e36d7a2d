"""The first tables. Types are spelled out here, so that later changes of the code do not change the past."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create all tables."""
    _create_approvals()
    _create_decisions()
    _create_placements()
    _create_rungs()
    _create_alerts()


def _word(*words: str, check: str) -> sa.Enum:
    return sa.Enum(*words, name=check, native_enum=False, create_constraint=True, length=20)


def _create_approvals() -> None:
    op.create_table(
        "approvals",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("request", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("route", sa.Text, nullable=False),
        sa.Column(
            "stage", _word("open", "decided", "settled", "closed", check="approvals_stage"), nullable=False
        ),
        sa.Column("first_seen", sa.BigInteger, nullable=False),
        sa.Column("deadline", sa.BigInteger, nullable=False),
        sa.Column(
            "deadline_source",
            _word("timeout_at", "timeout_seconds", "default", check="approvals_deadline_source"),
            nullable=False,
        ),
        sa.Column("deadline_doubt", sa.Text),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column(
            "outcome",
            _word(
                "approved",
                "rejected",
                "skipped",
                "timeout_skip",
                "elsewhere",
                "undeliverable",
                check="approvals_outcome",
            ),
        ),
        sa.Column("settled_at", sa.BigInteger),
        sa.Column("platform_word", sa.Text),
        sa.Column("trouble", sa.Text),
        sa.Column("escalated_at", sa.BigInteger),
        sa.Column("confirmed_at", sa.BigInteger),
        sa.Column("missed", sa.Integer, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_try", sa.BigInteger),
        sa.CheckConstraint("(stage IN ('settled', 'closed')) = (outcome IS NOT NULL)", name="approvals_ended"),
    )
    op.create_index("approvals_at_stage", "approvals", ["stage", "deadline"])


def _create_decisions() -> None:
    op.create_table(
        "decisions",
        sa.Column("approval_id", sa.Text, sa.ForeignKey("approvals.id"), primary_key=True),
        sa.Column(
            "verdict", _word("approved", "rejected", "skipped", check="decisions_verdict"), nullable=False
        ),
        sa.Column("surface", _word("slack", check="decisions_surface"), nullable=False),
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("email", sa.Text),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("card_id", sa.Text, nullable=False),
        sa.Column("note", sa.Text),
    )


def _create_placements() -> None:
    op.create_table(
        "placements",
        sa.Column("card_id", sa.Text, primary_key=True),
        sa.Column("approval_id", sa.Text, sa.ForeignKey("approvals.id"), nullable=False),
        sa.Column("surface", _word("slack", check="placements_surface"), nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("ref", sa.Text),
        sa.Column("shown_revision", sa.Integer, nullable=False),
        sa.Column("attempted_at", sa.BigInteger),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("next_try", sa.BigInteger),
        sa.Column("owed", sa.Boolean, nullable=False),
    )
    op.create_index("placements_of", "placements", ["approval_id"])
    owed = sa.column("owed", sa.Boolean)
    op.create_index("placements_owed", "placements", ["approval_id"], sqlite_where=owed, postgresql_where=owed)


def _create_rungs() -> None:
    op.create_table(
        "rungs",
        sa.Column("approval_id", sa.Text, sa.ForeignKey("approvals.id"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("due_at", sa.BigInteger, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("attempted_at", sa.BigInteger),
        sa.Column("fired_at", sa.BigInteger),
    )
    unfired = sa.column("fired_at", sa.BigInteger).is_(None)
    op.create_index("rungs_unfired", "rungs", ["due_at"], sqlite_where=unfired, postgresql_where=unfired)


def _create_alerts() -> None:
    op.create_table(
        "alerts",
        sa.Column("approval_id", sa.Text, primary_key=True),
        sa.Column("cause", sa.Text, primary_key=True),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("raised_at", sa.BigInteger, nullable=False),
        sa.Column("mended", sa.Text),
    )
    op.create_table(
        "pages",
        sa.Column("approval_id", sa.Text, primary_key=True),
        sa.Column("cause", sa.Text, primary_key=True),
        sa.Column("pager", sa.Text, primary_key=True),
        sa.Column("ref", sa.Text),
        sa.Column("attempted_at", sa.BigInteger),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("next_try", sa.BigInteger),
        sa.Column("taken", sa.Boolean, nullable=False),
        sa.Column("told_mended", sa.Boolean, nullable=False),
        sa.ForeignKeyConstraint(["approval_id", "cause"], ["alerts.approval_id", "alerts.cause"]),
    )
    op.create_index("pages_owed", "pages", ["told_mended", "next_try"])
