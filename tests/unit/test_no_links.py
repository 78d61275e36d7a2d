"""Files that Nod writes are never reached through a link that another user put in their place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from adapters.checkpoints import read_or_make_key
from adapters.checkpoints.checkpoint import add, checkpoint_of
from adapters.store.open import open_store
from adapters.watch import Spool
from bot.errors import ConfigError
from bot.records import Alert
from tests.contract.values import NOW


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    """Another user's file."""
    file = tmp_path / "precious"
    file.write_text("precious\n")
    return file


async def test_the_lock_of_a_database_is_no_link(tmp_path: Path, precious: Path) -> None:
    """The start is refused, and what the link names keeps its content."""
    (tmp_path / "nod.db.lock").symlink_to(precious)
    with pytest.raises(ConfigError, match=r"nod\.db"):
        async with open_store(f"sqlite:///{tmp_path}/nod.db", ring=lambda _: None, pagers=()):
            pass
    assert "precious\n" == precious.read_text()


def test_the_file_with_the_checkpoints_is_no_link(tmp_path: Path, precious: Path) -> None:
    """A checkpoint that would go through one is not written."""
    key = read_or_make_key(tmp_path / "key")
    (tmp_path / "lines").symlink_to(precious)
    with pytest.raises(OSError, match="symbolic link"):
        add(tmp_path / "lines", checkpoint_of(1, "0" * 64, key=key, at=NOW))
    assert "precious\n" == precious.read_text()


def test_the_spool_is_no_link(tmp_path: Path, precious: Path) -> None:
    """Neither the spool nor what is written beside it to take its place."""
    alert = Alert(approval_id="r1", cause="store-down", text="t", raised_at=NOW)
    (tmp_path / "spool").symlink_to(precious)
    assert not Spool(tmp_path / "spool").put(alert)
    assert "precious\n" == precious.read_text()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_key_of_somebody_else_is_refused(tmp_path: Path) -> None:
    """The owner can read it and put another in its place, whatever its mode says."""
    read_or_make_key(tmp_path / "key")
    os.chown(tmp_path / "key", 65534, 65534)
    with pytest.raises(ConfigError, match="owns"):
        read_or_make_key(tmp_path / "key")
