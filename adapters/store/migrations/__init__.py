"""Brings a database's tables to what this code expects (Alembic, configured here and nowhere else)."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from bot.errors import ConfigError

#: Our own name for Alembic's table, so that Nod may share a PostgreSQL database with other users of Alembic.
VERSION_TABLE = "nod_schema"


def head() -> str:
    """The revision that this code expects."""
    revision = _scripts().get_current_head()
    assert revision is not None  # noqa: S101 - the package has its first migration
    return revision


def revision_of(connection: Connection) -> str | None:
    """The revision a database is at; None before the first.

    Raises:
        ConfigError: a newer Nod has been here, and this code does not know what it changed.
    """
    opts = {"version_table": VERSION_TABLE}
    current = MigrationContext.configure(connection, opts=opts).get_current_revision()
    ours = {script.revision for script in _scripts().walk_revisions()}
    if current is not None and current not in ours:
        raise ConfigError(
            where="NOD_DATABASE_URL",
            what=f"the database has schema {current}, which is newer than this version of Nod",
            fix="Run the newer version of Nod, or restore the copy of the database made before its upgrade.",
        )
    return current


def upgrade(connection: Connection) -> None:
    """Run the missing migrations in the transaction that is open on this connection."""
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


@cache
def _scripts() -> ScriptDirectory:
    """The migrations, imported once: they are part of this code, and do not change while it runs."""
    return ScriptDirectory.from_config(_config())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return config
