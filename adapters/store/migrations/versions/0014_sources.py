"""Approvals by their source and its request id, and indexes on what the steps of each source look for."""

from __future__ import annotations

import re

import sqlalchemy as sa
from alembic import op

from bot.errors import ConfigError

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_KEYED = re.compile("[a-z][a-z0-9-]*::")
_OF_EACH = (
    ("approvals_due", "due_at", "due_at IS NOT NULL"),
    ("approvals_unlisted", "next_try", "stage = 'decided' AND due_at IS NULL"),
    ("approvals_in_trouble", "deadline", "stage = 'decided' AND (trouble IS NOT NULL OR gones > 0)"),
    ("approvals_missing", "deadline", "stage IN ('open', 'decided') AND missed > 0"),
)


def upgrade() -> None:
    """All that is there is of `glaip`, and its id is the request's own.

    Raises ConfigError while a request waits whose id would read like one of another source from now on.
    """
    waiting = op.get_bind().execute(sa.text("SELECT id FROM approvals WHERE stage IN ('open', 'decided')"))
    if any(_KEYED.match(one) for (one,) in waiting):
        what = "a pending request has an id of the form word::…, which from this version on names a source"
        fix = "Run the version of before until that request has ended, then upgrade."
        raise ConfigError("NOD_DATABASE_URL", what, fix)
    op.add_column("approvals", sa.Column("source", sa.Text, nullable=False, server_default="glaip"))
    op.add_column("approvals", sa.Column("request_id", sa.Text, nullable=False, server_default=""))
    op.execute("UPDATE approvals SET request_id = id")
    op.create_index("approvals_of_source", "approvals", ["source", "request_id"], unique=True)
    op.drop_index("approvals_at_stage", "approvals")
    op.create_index("approvals_at_stage", "approvals", ["stage", "deadline", "source"])
    for name, column, where in _OF_EACH:
        op.drop_index(name, "approvals")
        op.create_index(
            name, "approvals", ["source", column], sqlite_where=sa.text(where), postgresql_where=sa.text(where)
        )
