"""A database that ends before its last checkpoint: refused at the start, unless its operator accepts that."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from adapters.app import open_nod
from adapters.checkpoints import read_checkpoints, read_or_make_key
from adapters.checkpoints.checkpoint import add, checkpoint_of
from adapters.settings import Environment
from adapters.store.open import open_store
from bot.errors import ConfigError
from bot.records import NewApproval
from sandbox.servers import open_sandbox
from tests.contract.values import NOW, an_alert, an_approval
from tests.servers.sqlite_template import lay_database
from tests.servers.system import ANN, System, environment, open_bot, until


async def live(system: System, folder: Path) -> None:
    """A life in which something is decided and signed."""
    signed = folder / "nod-checkpoints.jsonl"
    async with open_bot(system, folder):
        request_id = system.ask(timeout_seconds=60)
        card = await system.shown(count=len(system.cards()) + 1)
        await system.press(ANN, card, "skip")
        await until(lambda: ["skipped"] == system.effects(request_id), what="the decision")
        await until(signed.exists, within=10, what="a checkpoint")


@pytest.mark.parametrize("lost", ["deleted", "rewritten"])
async def test_a_database_that_ends_before_what_was_signed_is_refused(tmp_path: Path, lost: str) -> None:
    """Deleted, or another one in its place: in one line, with what to do; nothing in it is touched."""
    async with open_sandbox() as sandbox:
        system = System(sandbox=sandbox, folder=tmp_path)
        await live(system, tmp_path)
        wreck(tmp_path, lost)
        with pytest.raises(ConfigError) as refused:
            async with open_bot(system, tmp_path):
                pass
        assert "NOD_DATABASE_URL" == refused.value.where
        assert "was signed at" in refused.value.what
        assert "--accept-rollback" in refused.value.fix
        assert 1 == len(str(refused.value).splitlines())


async def test_a_rollback_that_is_accepted_is_recorded_and_reconciled(tmp_path: Path) -> None:
    """What still waits is asked about again; the audit says what was accepted, and signing goes on."""
    async with open_sandbox() as sandbox:
        system = System(sandbox=sandbox, folder=tmp_path)
        await live(system, tmp_path)
        (last,) = read_checkpoints(tmp_path / "nod-checkpoints.jsonl")[-1:]
        waits = system.ask(timeout_seconds=60)
        wreck(tmp_path, "deleted")

        settings = Environment.model_validate(environment(sandbox, tmp_path))
        async with open_nod(settings, accept_rollback=True) as nod:
            sandbox.workspace.request_url = f"{nod.address}/slack/events"
            card = await system.shown(count=2)
            await system.press(ANN, card, "approve")
            await until(lambda: ["approved"] == system.effects(waits), what="the decision")
            signed = tmp_path / "nod-checkpoints.jsonl"
            await until(signed.exists, within=10, what="a checkpoint")

        (row,) = [row for row in system.audit() if row["kind"] == "rollback_accepted"]
        assert {"signed": last.number, "hash": last.hash, "signed_at": last.at, "found": 0} == row["body"]
        (kept,) = tmp_path.glob("nod-checkpoints.jsonl.before-*")
        assert last.line == kept.read_text().splitlines()[-1]
        async with open_bot(system, tmp_path):
            """Once accepted, a start needs no word more."""


@pytest.mark.slow
async def test_a_tail_that_is_lost_under_a_running_bot_is_alerted(tmp_path: Path) -> None:
    """The row that was signed is deleted by plain SQL, and the chain goes on from the one before."""
    async with open_sandbox() as sandbox:
        system = System(sandbox=sandbox, folder=tmp_path)
        async with open_bot(system, tmp_path):
            file, signed = tmp_path / "nod.db", tmp_path / "nod-checkpoints.jsonl"
            await until(signed.exists, within=10, what="a checkpoint")
            with closing(sqlite3.connect(file, isolation_level=None)) as connection:
                drop_triggers(connection)
                connection.execute(f"DELETE FROM audit WHERE number = {last_signed(tmp_path)}")
            system.ask(timeout_seconds=60)
            alert = ("audit", "audit-tail-missing")
            await until(lambda: alert in alerts_in(file), within=15, what="the alert")


def alerts_in(file: Path) -> list[tuple[str, str]]:
    """What alerts are about, and their causes."""
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute("SELECT approval_id, cause FROM alerts").fetchall()


def last_signed(folder: Path) -> int:
    """The last row that a checkpoint was signed for."""
    line = (folder / "nod-checkpoints.jsonl").read_text().splitlines()[-1]
    return int(json.loads(line)["number"])


def drop_triggers(connection: sqlite3.Connection) -> None:
    """As the owner of the database can."""
    for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        connection.execute(f"DROP TRIGGER {name}")


async def test_what_is_refused_is_left_as_it_was(tmp_path: Path) -> None:
    """A database that an earlier release left, in the place of another: nothing in it is signed or written."""
    key, checkpoint_log = read_or_make_key(tmp_path / "nod-audit.key"), tmp_path / "nod-checkpoints.jsonl"
    async with open_sandbox() as sandbox:
        lay_database(tmp_path)
        url = f"sqlite:///{tmp_path}/nod.db"
        async with open_store(url, ring=lambda _: None, pagers=()) as store:
            await store.approvals.insert([NewApproval(approval=an_approval())])
            await store.alerts.raise_(an_alert())
        with closing(sqlite3.connect(tmp_path / "nod.db", isolation_level=None)) as connection:
            connection.execute("UPDATE approvals SET call_signature = NULL, terms_signature = NULL")
        left = dump(tmp_path / "nod.db")
        add(checkpoint_log, checkpoint_of(999, "f" * 64, key=key, at=NOW))
        with pytest.raises(ConfigError, match="although row 999 was signed at"):
            async with open_bot(System(sandbox=sandbox, folder=tmp_path), tmp_path):
                pass
        assert left == dump(tmp_path / "nod.db")


def dump(file: Path) -> list[str]:
    """All that is in a database."""
    with closing(sqlite3.connect(file)) as connection:
        return list(connection.iterdump())


async def test_a_word_that_nobody_needs_changes_nothing(tmp_path: Path) -> None:
    """The flag can be given anyway: without a rollback nothing is recorded."""
    async with open_sandbox() as sandbox:
        lay_database(tmp_path)
        settings = Environment.model_validate(environment(sandbox, tmp_path))
        async with open_nod(settings, accept_rollback=True):
            pass
        system = System(sandbox=sandbox, folder=tmp_path)
        assert "rollback_accepted" not in {row["kind"] for row in system.audit()}


def wreck(folder: Path, how: str) -> None:
    """Take the database away; or leave a chain of the same length in which the signed row is another."""
    file = folder / "nod.db"
    if how == "deleted":
        for each in folder.glob("nod.db*"):
            each.unlink()
        return
    number = last_signed(folder)
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        drop_triggers(connection)
        connection.execute("UPDATE audit SET hash = 'f' || substr(hash, 2) || 'f' WHERE number = ?", (number,))
