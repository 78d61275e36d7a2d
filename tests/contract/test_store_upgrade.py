"""A database that an earlier version made, with rows in it, is brought to the new tables and loses nothing."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from alembic import command
from sqlalchemy import create_engine, make_url

from adapters.store import schema
from adapters.store.open import open_store
from bot.approval import Stage
from tests.contract.conftest import PAGERS
from tests.contract.values import NOW, a_placement, a_vote, after, revise, wins

AT = round(NOW.timestamp() * 1000)
TABLES = {
    "approvals": "id, request, digest, route, stage, first_seen, deadline, deadline_source, revision, missed,"
    " attempts",
    "decisions": "approval_id, verdict, surface, account, name, at, card_id, note",
    "placements": "card_id, approval_id, surface, channel, ref, shown_revision, tries, owed",
    "rungs": "approval_id, number, due_at, who",
    "alerts": "approval_id, cause, text, raised_at",
    "pages": "approval_id, cause, pager, tries, taken, told_mended",
}


def a_call(approval_id: str) -> str:
    """A request as version 0.1 wrote it: without a platform."""
    call = {
        "request_id": approval_id,
        "tool_name": "pay",
        "arguments": {"to": "ann", "cents": 12},
        "agent_id": "treasury",
        "run_id": None,
        "created_at": None,
        "timeout_at": None,
        "timeout_seconds": None,
        "whole": True,
    }
    return json.dumps(call)


def an_open(approval_id: str, stage: str) -> str:
    """An approval's values, with a digest of another make."""
    times = f"{AT}, {AT + 180_000}, 'timeout_at'"
    return f"'{approval_id}', '{a_call(approval_id)}', 'old', 'default', '{stage}', {times}, 1, 0, 0"


ROWS = [
    ("approvals", an_open("r1", "open")),
    ("approvals", an_open("r2", "decided")),
    ("decisions", f"'r2', 'approved', 'slack', 'U1', 'Ann', {AT}, 'c2', 'fine'"),
    ("placements", "'c1', 'r1', 'slack', 'C0FINANCE', 'ts1', 1, 0, true"),
    ("rungs", f"'r1', 0, {AT}, '[\"finance\"]'"),
    ("alerts", f"'r2', 'undelivered', 'x', {AT}"),
    ("pages", "'r2', 'undelivered', 'ops', 0, false, false"),
]


def as_version_one_left_it(url: str) -> None:
    """Tables by the first migration alone, with rows in them."""
    driver = "sqlite" if url.startswith("sqlite") else "postgresql+psycopg"
    engine = create_engine(make_url(url).set(drivername=driver))
    with engine.begin() as connection:
        config = schema._config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for table, values in ROWS:
            connection.exec_driver_sql(f"INSERT INTO {table} ({TABLES[table]}) VALUES ({values})")
    engine.dispose()


async def test_an_upgrade_keeps_every_row(fresh_url: str) -> None:
    """Approvals, decisions, cards, rungs and alerts read back; what is new has its resting value."""
    as_version_one_left_it(fresh_url)
    async with open_store(fresh_url, ring=lambda step: None, pagers=PAGERS) as store:
        found = await store.approvals.get("r2")
        assert found is not None
        assert found.decision is not None
        assert (Stage.DECIDED, None, ()) == (found.stage, found.rule, found.votes)
        assert ("Ann", "fine", ()) == (found.decision.actor.name, found.decision.note, found.decision.others)
        (card,) = await store.placements.of("r1")
        assert ("ts1", None, False) == (card.ref, card.digest, card.superseded)
        assert [("finance",)] == [rung.who for rung, _ in await store.rungs.due(NOW)]
        assert ["ops"] == [page.pager for page in await store.alerts.owed(NOW)]
        assert await store.journal.head() is None


async def test_life_goes_on_after_an_upgrade(fresh_url: str) -> None:
    """A call whose digest was of another make is taken anew at the next poll, and can then be decided."""
    as_version_one_left_it(fresh_url)
    async with open_store(fresh_url, ring=lambda step: None, pagers=PAGERS) as store:
        found = await store.approvals.get("r1")
        assert found is not None
        assert await revise(store, request=found.request, placements=[a_placement("c9")])
        assert await wins(store, a_vote(digest=found.request.digest, at=after(1)))
        rows = await store.journal.head()
    assert rows is not None
    assert "decided" == rows.kind


async def test_a_policy_may_decide_and_shows_nothing(fresh_url: str) -> None:
    """The database takes decisions and votes by a rule, refuses unknown surfaces, and cards of a policy."""
    as_version_one_left_it(fresh_url)
    async with open_store(fresh_url, ring=lambda step: None, pagers=PAGERS):
        pass
    run(fresh_url, "UPDATE decisions SET surface = 'policy'")
    a_vote_by_fax = "'r1', 'ann', 'approved', 'fax', 'U1', 'Ann', 1, 'c1', 'd'"
    columns = "approval_id, person, verdict, surface, account, name, at, card_id, digest"
    for statement in (
        "UPDATE decisions SET surface = 'fax'",
        "UPDATE placements SET surface = 'policy'",
        f"INSERT INTO votes ({columns}) VALUES ({a_vote_by_fax})",
    ):
        with pytest.raises((sqlite3.IntegrityError, psycopg.errors.CheckViolation)):
            run(fresh_url, statement)


async def test_the_file_is_copied_before_the_upgrade(sqlite_url: str, tmp_path: Path) -> None:
    """What version one left can be had back by hand."""
    as_version_one_left_it(sqlite_url)
    async with open_store(sqlite_url, ring=lambda step: None, pagers=PAGERS):
        pass
    with closing(sqlite3.connect(tmp_path / f"nod.db.before-{schema.head()}")) as copy:
        assert [("r1",), ("r2",)] == copy.execute("SELECT id FROM approvals ORDER BY id").fetchall()


def run(url: str, statement: str) -> None:
    """One statement, past the store."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(make_url(url).database or "")) as connection, connection:
            connection.execute(statement)
        return
    with psycopg.connect(url) as server:
        server.execute(statement)
