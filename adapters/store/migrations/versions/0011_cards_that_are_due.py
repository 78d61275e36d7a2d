"""A card's row says by itself whether there is something to show, so that nothing else is read to find it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from adapters.store.migrations.copies import POSTGRESQL, SQLITE, kept_of

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Rows that are there learn it from their approvals."""
    op.add_column("placements", sa.Column("revision", sa.Integer, nullable=False, server_default="0"))
    op.add_column("placements", sa.Column("deadline", sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("placements", sa.Column("asked", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("placements", sa.Column("for_people", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("placements", sa.Column("up_by", sa.BigInteger))
    learn = f"UPDATE placements SET {kept_of('approvals')} FROM approvals WHERE approvals.id = approval_id"  # noqa: S608 - our own words
    op.execute(sa.text(learn))
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    _index(on_sqlite=on_sqlite)
    for statement in SQLITE if on_sqlite else POSTGRESQL:
        op.execute(sa.text(statement))


def _index(*, on_sqlite: bool) -> None:
    """SQLite uses an index only for statements in the same words (sqlite.org/partialindex.html, 3)."""
    yes, no = ("{} = 1", "{} = 0") if on_sqlite else ("{}", "NOT {}")
    owed = f"{yes.format('owed')} AND {no.format('gathered')}"
    asked, people = yes.format("asked"), yes.format("for_people")
    superseded, current = yes.format("superseded"), no.format("superseded")
    line = ["surface", "channel", "deadline", "approval_id", "card_id"]
    indexes = {
        "in_line": (line, f"{owed} AND ref IS NULL AND (attempted_at IS NOT NULL OR {asked})"),
        "begun": (
            ["surface", "channel", "next_try"],
            f"{owed} AND ref IS NULL AND attempted_at IS NOT NULL",
        ),
        "untried": (
            [*line, "up_by"],
            f"{owed} AND ref IS NULL AND attempted_at IS NULL AND {people} AND {current}",
        ),
        "outdated": (
            ["deadline", "next_try"],
            f"{owed} AND ref IS NOT NULL AND ({superseded} OR shown_revision < revision)",
        ),
        "put_off": (["next_try"], "next_try IS NOT NULL"),
        "gathered": ([*line, "gathered_at"], f"{yes.format('gathered')} AND {people} AND {current}"),
    }
    for name, (columns, text) in indexes.items():
        where = sa.text(text)
        op.create_index(f"placements_{name}", "placements", columns, sqlite_where=where, postgresql_where=where)
