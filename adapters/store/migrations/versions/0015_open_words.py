"""Chats and kinds of escalation steps are open words: no constraint names them."""

from __future__ import annotations

import re

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

#: By table the constraint, and what it says from now on; None: nothing.
CHECKS = {
    "decisions": ("decisions_surface", None),
    "votes": ("votes_surface", None),
    # A policy decides, and shows nothing.
    "placements": ("placements_surface", "surface != 'policy'"),
    "notices": ("notices_surface", "surface != 'policy'"),
    "digests": ("digests_surface", "surface != 'policy'"),
    "rungs": ("rungs_action", None),
}

_WRITTEN = sa.text("SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = :name")
_CHANGE = sa.text("UPDATE sqlite_schema SET sql = :sql WHERE type = 'table' AND name = :name")


def upgrade() -> None:
    """No row changes, and each is as the new constraints want it."""
    if op.get_bind().dialect.name == "sqlite":
        _in_sqlite()
        return
    for table, (check, says) in CHECKS.items():
        op.execute(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {check}")
        if says:
            op.create_check_constraint(check, table, says)


def _in_sqlite() -> None:
    """SQLite cannot change a constraint. Its text in the schema can be, and rows, indexes and triggers stay as
    they are (sqlite.org/lang_altertable.html, section 7: for a CHECK this is the way)."""
    connection = op.get_bind()
    number = int(connection.scalar(sa.text("PRAGMA schema_version")))
    connection.execute(sa.text("PRAGMA writable_schema = ON"))
    for table, (check, says) in CHECKS.items():
        named = {"name": table}
        written = str(connection.scalar(_WRITTEN, named))
        new = f", CONSTRAINT {check} CHECK ({says})" if says else ""
        changed = re.sub(rf",\s*CONSTRAINT \"?{check}\"? CHECK \([^()]*\([^()]*\)[^()]*\)", new, written)
        connection.execute(_CHANGE, {"sql": changed, **named})
    connection.execute(sa.text(f"PRAGMA schema_version = {number + 1}"))
    connection.execute(sa.text("PRAGMA writable_schema = OFF"))
