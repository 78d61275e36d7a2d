"""Rungs that do more than ping, claims, messages that are owed, digests, and a second chat."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

CHATS, ANSWERERS = "surface IN ('slack', 'teams')", "surface IN ('slack', 'teams', 'policy')"
ACTIONS = ("remind", "ping", "widen", "page", "fallback", "last_call", "redraw")


def upgrade() -> None:
    """Add what is new; whoever waited for the end of what is settled has heard of it from its card."""
    _extend_approvals()
    for table in ("decisions", "votes"):
        with op.batch_alter_table(table) as answers:
            answers.drop_constraint(f"{table}_surface", type_="check")
            answers.create_check_constraint(f"{table}_surface", ANSWERERS)
    _extend_placements()
    _extend_rungs()
    _create_claims()
    _create_notices()
    _create_digests()


def _word(*words: str, check: str) -> sa.Enum:
    return sa.Enum(*words, name=check, native_enum=False, create_constraint=True, length=20)


def _extend_approvals() -> None:
    # A parent of foreign keys is not rebuilt, hence no batch.
    op.add_column("approvals", sa.Column("agent", sa.Text))
    op.add_column("approvals", sa.Column("widened", sa.Text, nullable=False, server_default="[]"))
    op.add_column("approvals", sa.Column("told", sa.Boolean, nullable=False, server_default=sa.false()))
    op.create_index("approvals_of_agents", "approvals", ["stage", "rule", "agent"])
    table = sa.table(
        "approvals",
        *(sa.column(name) for name in ("id", "stage", "request", "agent")),
        sa.column("told", sa.Boolean),
    )
    over = table.c.stage.in_(["settled", "closed"])
    connection = op.get_bind()
    connection.execute(sa.update(table).where(over).values(told=True))
    waiting = connection.execute(sa.select(table.c.id, table.c.request).where(~over)).all()
    for approval_id, request in waiting:
        agent = _keepable(json.loads(request)["agent_id"])
        connection.execute(sa.update(table).where(table.c.id == approval_id).values(agent=agent))


def _keepable(text: str) -> str:
    odd = dict.fromkeys((0, *range(0xD800, 0xE000)), "\N{REPLACEMENT CHARACTER}")
    return text.translate(odd)


def _extend_placements() -> None:
    # Batch mode does not keep what a partial index is about (alembic/ops/batch.py), so they are made anew.
    op.drop_index("placements_owed", "placements")
    with op.batch_alter_table("placements") as placements:
        placements.drop_constraint("placements_surface", type_="check")
        placements.create_check_constraint("placements_surface", CHATS)
        placements.add_column(sa.Column("gathered", sa.Boolean, nullable=False, server_default=sa.false()))
    op.create_index(
        "placements_owed",
        "placements",
        ["approval_id"],
        sqlite_where=sa.text("owed = 1"),
        postgresql_where=sa.column("owed", sa.Boolean),
    )


def _extend_rungs() -> None:
    op.drop_index("rungs_unfired", "rungs")
    action = _word(*ACTIONS, check="rungs_action")
    with op.batch_alter_table("rungs") as rungs:
        rungs.drop_column("attempted_at")
        rungs.add_column(sa.Column("action", action, nullable=False, server_default="ping"))
        rungs.add_column(sa.Column("cards", sa.Text, nullable=False, server_default="[]"))
    unfired = sa.column("fired_at", sa.BigInteger).is_(None)
    op.execute(
        sa.text(
            "DELETE FROM rungs WHERE fired_at IS NULL"
            " AND approval_id IN (SELECT id FROM approvals WHERE stage = 'closed')"
        )
    )
    op.create_index("rungs_unfired", "rungs", ["due_at"], sqlite_where=unfired, postgresql_where=unfired)


def _create_claims() -> None:
    op.create_table(
        "claims",
        sa.Column("approval_id", sa.Text, sa.ForeignKey("approvals.id"), primary_key=True),
        sa.Column("person", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
    )


def _create_notices() -> None:
    op.create_table(
        "notices",
        sa.Column("approval_id", sa.Text, sa.ForeignKey("approvals.id"), primary_key=True),
        sa.Column("mark", sa.Text, primary_key=True),
        sa.Column("news", _word("rung", "last_call", "outcome", check="notices_news"), nullable=False),
        sa.Column("surface", sa.String(20), nullable=False),
        sa.Column("card_id", sa.Text),
        sa.Column("person", sa.Text),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("owed_since", sa.BigInteger, nullable=False),
        sa.Column("sent_as", sa.Text),
        sa.Column("attempted_at", sa.BigInteger),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("next_try", sa.BigInteger),
        sa.Column("sent_at", sa.BigInteger),
        sa.Column("dropped_at", sa.BigInteger),
        sa.CheckConstraint(CHATS, name="notices_surface"),
        sa.CheckConstraint("(card_id IS NULL) != (person IS NULL)", name="notices_to"),
    )
    unpaid = sa.and_(
        sa.column("sent_at", sa.BigInteger).is_(None), sa.column("dropped_at", sa.BigInteger).is_(None)
    )
    op.create_index("notices_owed", "notices", ["approval_id"], sqlite_where=unpaid, postgresql_where=unpaid)


def _create_digests() -> None:
    op.create_table(
        "digests",
        sa.Column("digest_id", sa.Text, primary_key=True),
        sa.Column("surface", sa.String(20), nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("ref", sa.Text),
        sa.Column("shown", sa.Text),
        sa.Column("shown_at", sa.BigInteger),
        sa.Column("attempted_at", sa.BigInteger),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("next_try", sa.BigInteger),
        sa.CheckConstraint(CHATS, name="digests_surface"),
        sa.UniqueConstraint("surface", "channel", name="digests_channel"),
    )
