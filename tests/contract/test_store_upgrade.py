"""A database that an earlier version made, with rows in it, is brought to the new tables and loses nothing."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic import command
from sqlalchemy import create_engine, make_url

from adapters.store import migrations, tables
from adapters.store.open import open_store
from bot.approval import Stage
from bot.errors import ConfigError
from bot.ladder import Action
from bot.protocol import HITLRequest
from bot.records import Claimed, Counted, NewApproval
from tests.contract.conftest import PAGERS
from tests.contract.values import (
    NOW,
    SIGNING,
    a_claim,
    a_notice,
    a_placement,
    a_request,
    a_rung,
    a_vote,
    after,
    all_waiting,
    an_approval,
    claim,
    fire,
    revise,
    unfired,
    unsent,
    wins,
)

AT = round(NOW.timestamp() * 1000)
TABLES = {
    "approvals": "id, request, digest, route, stage, first_seen, deadline, deadline_source, revision, missed,"
    " attempts",
    "decisions": "approval_id, verdict, surface, account, name, at, card_id, note",
    "placements": "card_id, approval_id, surface, channel, ref, shown_revision, tries, owed",
    "rungs": "approval_id, number, due_at, who",
    "rungs_begun": "approval_id, number, due_at, who, attempted_at, fired_at",
    "approvals_ended": "id, request, digest, route, stage, first_seen, deadline, deadline_source, revision,"
    " missed, attempts, outcome",
    "votes": "approval_id, person, verdict, surface, account, name, at, card_id, digest",
    "audit": "number, at_ms, kind, approval_id, body, previous, hash",
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


def an_open(approval_id: str, stage: str, *, digest: str = "old") -> str:
    """An approval's values, with a digest of another make."""
    times = f"{AT}, {AT + 180_000}, 'timeout_at'"
    return f"'{approval_id}', '{a_call(approval_id)}', '{digest}', 'default', '{stage}', {times}, 1, 0, 0"


#: Of the call of `r2`, as the first release made it.
DIGEST = HITLRequest(**{**json.loads(a_call("r2")), "form": "1"}).digest


ROWS = [
    ("approvals", an_open("r1", "open")),
    ("approvals", an_open("r2", "decided", digest=DIGEST)),
    ("decisions", f"'r2', 'approved', 'slack', 'U1', 'Ann', {AT}, 'c2', 'fine'"),
    ("placements", "'c1', 'r1', 'slack', 'C0FINANCE', 'ts1', 1, 0, true"),
    ("rungs", f"'r1', 0, {AT}, '[\"finance\"]'"),
    ("alerts", f"'r2', 'undelivered', 'x', {AT}"),
    ("pages", "'r2', 'undelivered', 'ops', 0, false, false"),
]


SETTLED = f"{AT}, {AT + 180_000}, 'timeout_at', 2, 0, 0, 'elsewhere'"
ROWS_OF_TWO = [
    *((table, values) for table, values in ROWS if table != "rungs"),
    ("approvals_ended", f"'r3', '{a_call('r3')}', 'old', 'default', 'settled', {SETTLED}"),
    ("approvals_ended", f"'r4', '{a_call('r4')}', 'old', 'default', 'closed', {SETTLED}"),
    ("rungs_begun", f"'r1', 0, {AT}, '[\"finance\"]', {AT}, NULL"),
    ("rungs_begun", f"'r1', 1, {AT}, '[\"finance\"]', {AT}, {AT}"),
    ("rungs_begun", f"'r4', 0, {AT}, '[\"finance\"]', NULL, NULL"),
    ("votes", f"'r2', 'ann', 'approved', 'slack', 'U1', 'Ann', {AT}, 'c2', '{DIGEST}'"),
    ("votes", f"'r2', 'rule:x', 'approved', 'policy', 'x', 'rule x', {AT}, '', '{DIGEST}'"),
    ("audit", f"1, {AT}, 'admitted', 'r1', '{{}}', '{'0' * 64}', '{'1' * 64}'"),
]


def left_behind(url: str, revision: str, rows: list[tuple[str, str]]) -> None:
    """Tables by the migrations up to this one, with rows in them."""
    driver = "sqlite" if url.startswith("sqlite") else "postgresql+psycopg"
    engine = create_engine(make_url(url).set(drivername=driver))
    with engine.begin() as connection:
        config = migrations._config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        for table, values in rows:
            name = table.partition("_")[0]
            connection.exec_driver_sql(f"INSERT INTO {name} ({TABLES[table]}) VALUES ({values})")
    engine.dispose()


def as_version_one_left_it(url: str) -> None:
    """Tables by the first migration alone, with rows in them."""
    left_behind(url, "0001", ROWS)


async def test_an_upgrade_from_the_second_version_keeps_every_row(fresh_url: str) -> None:
    """Rungs, votes, cards and the audit read back; agents are counted; people who heard of an end keep that."""
    left_behind(fresh_url, "0002", ROWS_OF_TWO)
    async with open_store(fresh_url, ring=lambda step: None, pagers=PAGERS) as store:
        due = [rung for rung, _ in await unfired(store, NOW)]
        assert [(0, Action.PING, ("finance",), ())] == [(r.number, r.action, r.who, r.cards) for r in due]
        found = await store.approvals.get("r1")
        assert found is not None
        assert ((), (), Stage.OPEN) == (found.widened, found.claims, found.stage)
        (card,) = await store.placements.of("r1")
        assert ("ts1", False) == (card.ref, card.gathered)
        assert {"treasury": 1} == dict(await store.approvals.open_by_agent(at_least=1))
        assert () == await store.approvals.untold(most=9)
        assert await store.approvals.close("r3")
        head = await store.journal.head()
    assert head is not None
    assert (2, "1" * 64) == (head.number, head.previous)


async def test_what_stood_on_a_digest_before_the_upgrade_is_seen_there(fresh_url: str) -> None:
    """Nobody knows since when; the digest that is up counts as telling of it."""
    left_behind(fresh_url, "0004", [row for row in ROWS if row[0] in ("approvals", "placements", "decisions")])
    run(fresh_url, "UPDATE placements SET gathered = true, ref = NULL")
    digest = f"'d1', 'slack', 'C0FINANCE', 'ts9', 'x', {AT}, 0"
    run(
        fresh_url,
        f"INSERT INTO digests (digest_id, surface, channel, ref, shown, shown_at, tries) VALUES ({digest})",
    )
    async with open_store(fresh_url, ring=lambda step: None, pagers=PAGERS) as store:
        (card,) = await store.placements.of("r1")
        assert card.gathered_at is not None
        assert ((), None) == await store.approvals.unseen(after(100), share=0.25)


async def test_a_card_that_was_out_of_date_before_the_upgrade_is_found(fresh_url: str) -> None:
    """Its row learns what its request asks: an update, a first post for people, or nothing any more."""
    left_behind(fresh_url, "0010", ROWS)
    more = "card_id, approval_id, surface, channel, ref, shown_revision, tries, owed"
    run(fresh_url, f"INSERT INTO placements ({more}) VALUES ('c2', 'r1', 'slack', 'C0BOARD', NULL, 0, 0, true)")
    run(fresh_url, f"INSERT INTO placements ({more}) VALUES ('c3', 'r2', 'slack', 'C0BOARD', 'ts', 0, 0, true)")
    async with open_store(fresh_url, ring=lambda step: None, pagers=PAGERS, take_over=True) as store:
        backlog = await store.placements.backlog(NOW)
        waiting = await all_waiting(store)
    assert (["C0BOARD"], True) == ([where.channel for where in backlog.lines], backlog.outdated)
    assert ["c2"] == [card.card_id for cards in waiting.values() for card in cards]


async def test_a_second_chat_and_the_policy_answer_after_an_upgrade(fresh_url: str) -> None:
    """The database names no chat and no kind of step; of a policy it knows that nothing is shown there."""
    left_behind(fresh_url, "0002", ROWS_OF_TWO)
    async with open_store(fresh_url, ring=lambda step: None, pagers=PAGERS):
        pass
    for table in ("votes", "decisions"):
        for surface in ("fax", "teams", "policy", "slack"):
            run(fresh_url, f"UPDATE {table} SET surface = '{surface}'")
    run(fresh_url, "UPDATE placements SET surface = 'fax'")
    run(fresh_url, "UPDATE rungs SET action = 'shout'")
    for statement in (
        "UPDATE placements SET surface = 'policy'",
        "UPDATE audit SET body = 'x'",
        "INSERT INTO claims (approval_id, person, name, at, until) VALUES ('nobody', 'ann', 'Ann', 1, 2)",
    ):
        with pytest.raises((sqlite3.IntegrityError, psycopg.errors.IntegrityError)):
            run(fresh_url, statement)


async def test_an_upgrade_keeps_every_row(fresh_url: str) -> None:
    """Approvals, decisions, cards, rungs and alerts read back; what is new has its resting value."""
    as_version_one_left_it(fresh_url)
    async with open_store(fresh_url, ring=lambda step: None, pagers=PAGERS, take_over=True) as store:
        found = await store.approvals.get("r2")
        assert found is not None
        assert found.decision is not None
        assert (Stage.DECIDED, None, ()) == (found.stage, found.rule, found.votes)
        assert ("Ann", "fine", ()) == (found.decision.actor.name, found.decision.note, found.decision.others)
        (card,) = await store.placements.of("r1")
        assert ("ts1", None, False) == (card.ref, card.digest, card.superseded)
        assert [("finance",)] == [rung.who for rung, _ in await unfired(store, NOW)]
        # No pager has accepted it, so the new pager gets it as well.
        assert ["oncall", "ops"] == [page.pager for page in await store.alerts.due(NOW, most=99)]
        head = await store.journal.head()
    assert head is not None
    assert ("answers_signed", {"approvals": 1, "decisions": 1, "votes": 0}) == (
        head.kind,
        json.loads(head.body),
    )


@pytest.mark.parametrize(("verdict", "due"), [("rejected", ["r2"]), ("approved", [])])
async def test_a_decision_of_before_is_due_after_the_start(
    fresh_url: str, verdict: str, due: list[str]
) -> None:
    """An Approve once a poll lists it, as ever."""
    as_version_one_left_it(fresh_url)
    run(fresh_url, f"UPDATE decisions SET verdict = '{verdict}'")
    async with open_store(fresh_url, ring=lambda step: None, pagers=PAGERS, take_over=True) as store:
        await store.approvals.resume()
        found = await store.approvals.deliverable(NOW, after=NOW, most=9)
        assert due == [approval.id for approval in found]
        await store.approvals.confirm({"r2": DIGEST}, began_at=after(1))
        found = await store.approvals.deliverable(NOW, after=NOW, most=9)
        assert ["r2"] == [approval.id for approval in found]


async def test_life_goes_on_after_an_upgrade(fresh_url: str) -> None:
    """A call with a digest of an older kind is read again at the next poll, and can then be decided."""
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
    """The database takes decisions and votes by a rule, and refuses cards, messages and queues of a policy."""
    as_version_one_left_it(fresh_url)
    async with open_store(fresh_url, ring=lambda step: None, pagers=PAGERS):
        pass
    run(fresh_url, "UPDATE decisions SET surface = 'policy'")
    queue = "INSERT INTO digests (digest_id, surface, channel, tries) VALUES ('d1', 'policy', 'C1', 0)"
    for statement in ("UPDATE placements SET surface = 'policy'", queue):
        with pytest.raises((sqlite3.IntegrityError, psycopg.errors.CheckViolation)):
            run(fresh_url, statement)


async def test_the_file_is_copied_before_the_upgrade(sqlite_url: str, tmp_path: Path) -> None:
    """What version one left can be had back by hand."""
    as_version_one_left_it(sqlite_url)
    async with open_store(sqlite_url, ring=lambda step: None, pagers=PAGERS):
        pass
    with closing(sqlite3.connect(tmp_path / f"nod.db.before-{migrations.head()}")) as copy:
        assert [("r1",), ("r2",)] == copy.execute("SELECT id FROM approvals ORDER BY id").fetchall()


def run(url: str, statement: str) -> None:
    """One statement, past the store."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(make_url(url).database or "")) as connection, connection:
            connection.execute("PRAGMA foreign_keys = 1")
            connection.execute(statement)
        return
    with psycopg.connect(url) as server:
        server.execute(statement)


#: What migrations 0014 and 0016 do, taken back.
TAKEN_BACK = (
    "DROP INDEX approvals_of_source",
    *(f"DROP INDEX approvals_{name}" for name in ("at_stage", "due", "unlisted", "in_trouble", "missing")),
    "ALTER TABLE approvals DROP COLUMN source",
    "ALTER TABLE approvals DROP COLUMN request_id",
    "CREATE INDEX approvals_at_stage ON approvals (stage, deadline)",
    "CREATE INDEX approvals_due ON approvals (due_at) WHERE due_at IS NOT NULL",
    "CREATE INDEX approvals_unlisted ON approvals (next_try) WHERE stage = 'decided' AND due_at IS NULL",
    f"CREATE INDEX approvals_in_trouble ON approvals (deadline) WHERE {tables.IN_TROUBLE}",
    f"CREATE INDEX approvals_missing ON approvals (deadline) WHERE {tables.MISSING}",
    "DROP TABLE polls",
    "UPDATE nod_schema SET version_num = '0013'",
)


async def test_what_is_under_way_goes_on_when_approvals_get_sources(fresh_url: str) -> None:
    """Live cards, an open vote, a claim, an owed message and a decision whose POST was begun: each goes on."""
    pay, wire, late = (a_request(one) for one in ("run:1", "wire", "late"))
    rung = a_rung(approval_id="wire", due=0)
    opening: dict[str, Any] = {"ring": lambda step: None, "pagers": PAGERS, "signing": SIGNING}
    async with open_store(fresh_url, **opening) as store:
        for request in (pay, wire, late):
            card = a_placement(f"c-{request.request_id}", request.request_id)
            approval, rungs = an_approval(request=request), [rung] if request is wire else []
            await store.approvals.insert([NewApproval(approval=approval, placements=[card], rungs=rungs)])
            await store.placements.shown(card.card_id, ref="ts", revision=1, digest=request.digest)
        assert Counted.WAITING is await store.approvals.vote(
            "run:1", vote=a_vote(digest=pay.digest), needs=2, eligible=None
        )
        assert Claimed.YES is await claim(store, a_claim("olu"), "wire", digest=wire.digest)
        assert await fire(store, [rung], at=NOW, notices=[a_notice(approval_id="wire", card_id="c-wire")])
        await store.approvals.vote("late", vote=a_vote(digest=late.digest), needs=1, eligible=None)
        await store.approvals.confirm({"late": late.digest}, began_at=after(1))
        read = await store.approvals.get("late")
        assert read is not None
        assert await store.approvals.begin_delivery([read], now=after(1), until=after(21))
        chain = await store.journal.head()
    before = rows_at(fresh_url, "SELECT id, request, digest, call_signature, terms_signature FROM approvals")
    for statement in TAKEN_BACK:
        run(fresh_url, statement)
    left_behind(fresh_url, "0014", [])
    run(fresh_url, f"UPDATE nod_schema SET version_num = '{migrations.head()}'")

    async with open_store(fresh_url, **opening) as store:
        now = rows_at(fresh_url, "SELECT id, request, digest, call_signature, terms_signature FROM approvals")
        named = rows_at(fresh_url, "SELECT source, request_id, id FROM approvals")
        assert (before, chain) == (now, await store.journal.head())
        assert {("glaip", one, one) for one in ("run:1", "wire", "late")} == set(named)
        assert {"run:1", "wire", "late"} == store.approvals.waiting()
        cards = [card for one in ("run:1", "wire", "late") for card in await store.placements.of(one)]
        assert [("ts", 1)] * 3 == [(card.ref, card.shown_revision) for card in cards]
        (owed,) = await unsent(store)
        assert ("wire", "c-wire") == (owed.approval_id, owed.card_id)
        assert Counted.DECIDED is await store.approvals.vote(
            "run:1", vote=a_vote("bob", digest=pay.digest, at=after(2)), needs=2, eligible=None
        )
        wired = await store.approvals.get("wire")
        assert wired is not None
        assert wired.claim_at(after(5)) is not None
        await store.approvals.resume()
        await store.approvals.confirm({"late": late.digest, "run:1": pay.digest}, began_at=after(3))
        sent = await store.approvals.deliverable(after(4), after=after(4), most=9)
        assert [("late", 1, ()), ("run:1", 0, ())] == [(one.id, one.attempts, one.forged) for one in sent]
        begun = await store.approvals.begin_delivery(sent, now=after(4), until=after(24))
        assert [2, 1] == [one.attempts for one in begun]


def rows_at(url: str, statement: str) -> list[tuple[Any, ...]]:
    """What a statement finds, past the store."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(make_url(url).database or "")) as connection:
            return connection.execute(statement).fetchall()
    with psycopg.connect(url) as server:
        return server.execute(statement).fetchall()


async def test_an_id_that_would_name_a_source_waits_for_its_end(fresh_url: str) -> None:
    """In one line; the version of before goes on with it."""
    request = a_request("eu::r1")
    opening: dict[str, Any] = {"ring": lambda step: None, "pagers": PAGERS, "signing": SIGNING}
    async with open_store(fresh_url, **opening) as store:
        await store.approvals.insert([NewApproval(approval=an_approval(request=request))])
    run(fresh_url, "UPDATE approvals SET id = 'eu::r1'")
    for statement in TAKEN_BACK:
        run(fresh_url, statement)

    with pytest.raises(ConfigError, match="until that request has ended"):
        async with open_store(fresh_url, **opening):
            pass
    assert [("0013",)] == rows_at(fresh_url, "SELECT version_num FROM nod_schema")
