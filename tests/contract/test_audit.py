"""The audit's contract: each move leaves its row, in the same transaction, in one chain that cannot fork."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store.audit import AuditReader, open_audit_reader
from adapters.store.compare_and_set import Move
from adapters.store.open import SqlStore, open_store
from bot.approval import Outcome, Stage
from bot.audit import Fact, Row, first_break
from bot.canonical import NotCanonical
from bot.errors import Unavailable
from bot.ladder import Action
from bot.protocol import HITLDecision
from bot.records import Counted, NewApproval
from bot.store import Store
from tests.contract.conftest import PAGERS, Eyes
from tests.contract.values import (
    BOARD,
    DEADLINE,
    FINANCE,
    LEASE,
    NOW,
    a_deadline,
    a_placement,
    a_request,
    a_rung,
    a_vote,
    admit,
    after,
    ahead_of,
    an_alert,
    an_approval,
    begin,
    bring_to,
    claim,
    close,
    decide,
    fire,
    revise,
    settle,
    wins,
)


@pytest.fixture
async def audit_reader(store: Store, url: str) -> AsyncIterator[AuditReader]:
    """The audit as it is when the test asks for it first; nothing is locked."""
    async with open_audit_reader(url) as opened:
        yield opened


async def rows_at(url: str) -> list[Row]:
    """The whole chain, read over a second connection."""
    async with open_audit_reader(url) as opened:
        return [row async for row in opened.rows()]


async def told(url: str, kind: str) -> dict[str, Any]:
    """What the last row of this kind says."""
    return dict(json.loads([row for row in await rows_at(url) if row.kind == kind][-1].body))


async def test_a_life_is_told_in_order(store: SqlStore, url: str) -> None:
    """From the request to the end, each move has its row, dated, with its approval; the chain holds."""
    await store.approvals.insert(
        [NewApproval(approval=an_approval(), placements=[a_placement()], rungs=[a_rung(0, due=1)])]
    )
    await store.placements.attempt("c1", at=NOW)
    await store.placements.shown("c1", ref="ts1", revision=1, digest=a_request().digest)
    await fire(store, [a_rung(0, due=1)], at=after(1))
    await store.approvals.vote("r1", vote=a_vote(at=after(2)), needs=2, eligible=None)
    await store.approvals.vote("r1", vote=a_vote("bob", at=after(3)), needs=2, eligible=None)
    await store.approvals.confirm({"r1": a_request().digest}, began_at=after(3.5))
    await begin(store, now=after(4))
    await store.approvals.settle("r1", was=Stage.DECIDED, outcome=Outcome.APPROVED, at=after(5))
    await store.placements.shown("c1", ref="ts1", revision=9, digest=a_request().digest)
    await close(store)
    rows = await rows_at(url)
    kinds = ["admitted", "card_shown", "rung_fired", "voted", "voted", "decided", "delivery_begun", "settled"]
    assert [*kinds, "card_shown", "closed"] == [row.kind for row in rows]
    assert {"r1"} == {row.approval_id for row in rows}
    assert milliseconds(after(3)) == rows[5].at_ms
    assert first_break(rows) is None


def milliseconds(at: datetime) -> int:
    """Since 1970."""
    return round(at.timestamp() * 1000)


async def test_each_rung_is_told_with_what_it_did(store: Store, url: str) -> None:
    """Action, people, channels, when it was due, and who may decide by then; no row for a redraw."""
    rungs = [
        a_rung(0, due=1, action=Action.WIDEN, who=("cfo",), cards=(FINANCE, BOARD)),
        a_rung(1, due=2, action=Action.PING),
        a_rung(100, due=2, action=Action.REDRAW, who=()),
    ]
    await store.approvals.insert([NewApproval(approval=an_approval(), rungs=rungs)])
    await fire(store, rungs, at=after(3))
    bodies = [json.loads(row.body) for row in await rows_at(url) if row.kind == "rung_fired"]
    assert [("widen", ["cfo"]), ("ping", ["finance", "bøb"])] == [(b["action"], b["who"]) for b in bodies]
    assert [[str(FINANCE), str(BOARD)], []] == [body["cards"] for body in bodies]
    assert ("2026-03-01T12:00:01.123+00:00", ["cfo"]) == (bodies[0]["due"], bodies[0]["widened"])


async def test_who_is_on_it_is_told(store: Store, url: str) -> None:
    """By name and handle, until when, and about which call."""
    digest = await admit(store)
    await claim(store)
    expected = {"person": "ann", "name": "Ann", "until": "2026-03-01T12:00:30.123+00:00", "digest": digest}
    assert expected == await told(url, "claimed")


async def test_a_deadline_that_moved_is_told(store: Store, url: str) -> None:
    """Where to, from where, and by which word of the platform's."""
    await admit(store)
    await store.approvals.retime(
        "r1", was=DEADLINE, route="payments", lease=LEASE, deadline=a_deadline(after(600)), rungs=()
    )
    expected = {
        "deadline": "2026-03-01T12:10:00.123+00:00",
        "was": "2026-03-01T12:03:00.123+00:00",
        "source": "timeout_at",
        "doubt": None,
        "renewed": 0,
        "route": "payments",
        "widened": [],
    }
    assert expected == await told(url, "retimed")


async def test_an_admission_tells_the_call_without_its_arguments(store: Store, url: str) -> None:
    """Who wants to run what, by which route and rule, until when; of the arguments a digest only."""
    request = a_request(arguments={"iban": "DE02 1203"}, run_id="run-7", created_at="2026-03-01T11:59:00Z")
    await store.approvals.insert([NewApproval(approval=replace(an_approval(request=request), rule="reads"))])
    body = await told(url, "admitted")
    assert ("payments", "reads", "pay", "treasury", "run-7") == tuple(
        body[name] for name in ("route", "rule", "tool", "agent", "run")
    )
    assert ("2026-03-01T12:03:00.123+00:00", request.digest) == (body["deadline"], body["digest"])
    assert 64 == len(body["arguments_digest"])
    assert "1203" not in json.dumps(body)


async def test_a_call_without_a_canonical_form_is_told_too(store: Store, url: str) -> None:
    """It has no digest of its arguments; it has its request's."""
    request = a_request(arguments={"huge": 10**200})
    await store.approvals.insert([NewApproval(approval=an_approval(request=request))])
    body = await told(url, "admitted")
    assert (None, request.digest) == (body["arguments_digest"], body["digest"])


async def test_a_vote_and_its_decision_are_told_in_full(store: Store, url: str, eyes: Eyes) -> None:
    """Who, on which card, about which call, in whose place, with which note, and what the agent will hear."""
    await admit(store)
    await store.approvals.vote("r1", vote=a_vote("bob"), needs=2, eligible=None)
    await store.approvals.vote(
        "r1", vote=a_vote(acting_for="cid", note="ok 🪙", at=after(1), seen_whole=True), needs=2, eligible=None
    )
    expected = {
        "person": "ann",
        "acting_for": "cid",
        "verdict": "approved",
        "note": "ok 🪙",
        "note_length": 4,
        "card": "c1",
        "digest": a_request().digest,
        "seen_whole": True,
        "surface": "slack",
        "account": "U-ann",
        "name": "Ann",
        "email": "ann@acme.example",
    }
    told_of = await told(url, "voted")
    assert 3 == told_of.pop("revision")
    signature = told_of.pop("signature")
    assert [(signature,)] == eyes("SELECT signature FROM votes WHERE person = 'ann'")
    assert expected == told_of
    decided = await told(url, "decided")
    assert ["Bob <bob@acme.example>"] == decided["others"]
    assert "Bob <bob@acme.example>, Ann <ann@acme.example>" in decided["operator_input"]


async def test_what_happens_to_a_call_and_its_answer_is_told(store: Store, url: str) -> None:
    """A change, a decision made void, a card superseded, an alert and its mending, people asked for a rule."""
    await store.approvals.insert([NewApproval(approval=an_approval(), placements=[a_placement()])])
    await decide(store)
    await revise(store, was=Stage.DECIDED, route="wires")
    await store.placements.shown("c1", ref="ts1", revision=3)
    await store.approvals.ask_people("r1")
    await store.alerts.raise_(an_alert())
    await store.alerts.resolve("r1", cause="undelivered", how="it got through")
    rows = await rows_at(url)
    kinds = ["changed", "voided", "card_superseded", "asked_people", "alert_raised", "alert_mended"]
    assert kinds == [row.kind for row in rows[3:]]
    assert {"verdict": "approved", "why": "the call changed", "revision": 3} == await told(url, "voided")
    assert "wires" == (await told(url, "changed"))["route"]
    assert list(PAGERS) == (await told(url, "alert_raised"))["pagers"]


async def test_a_decision_taken_back_and_an_alert_raised_again_are_told(store: Store, url: str) -> None:
    """Why the decision cannot go out; and the alert with its new text, as often as it was raised."""
    await bring_to(store, Stage.DECIDED)
    assert await store.approvals.void("r1", why="denied by no-wires", at=after(1))
    assert not await store.approvals.void("r1", why="denied by no-wires", at=after(2))
    await store.alerts.raise_(an_alert())
    await store.alerts.resolve("r1", cause="undelivered", how="it got through")
    assert await store.alerts.raise_(replace(an_alert(raised_at=after(3)), text="again"))
    assert not await store.alerts.raise_(replace(an_alert(raised_at=after(4)), text="and again"))
    rows = await rows_at(url)
    assert ["voided", "alert_raised", "alert_mended", "alert_raised"] == [row.kind for row in rows[3:]]
    assert {"verdict": "approved", "why": "denied by no-wires", "revision": 3} == await told(url, "voided")
    assert milliseconds(after(1)) == rows[3].at_ms
    assert "again" == (await told(url, "alert_raised"))["text"]


async def test_a_move_that_is_lost_leaves_no_row(store: Store, url: str) -> None:
    """The audit tells what happened, not what was tried."""
    await bring_to(store, Stage.CLOSED)
    before = await rows_at(url)
    assert not await wins(store, a_vote("bob"))
    assert not await revise(store)
    assert not await store.approvals.ask_people("r1")
    assert not await close(store)
    assert await begin(store) is None
    await store.placements.shown("nowhere", ref="ts", revision=1)
    await store.alerts.resolve("r1", cause="undelivered", how="fine")
    assert before == await rows_at(url)


async def test_facts_are_noted_and_the_policy_found_again(store: Store, url: str) -> None:
    """A refusal or a policy moves no record and has its row; the last policy is the one in force."""
    assert await store.journal.policy_in_force() is None
    for version in ("one", "two"):
        await store.journal.note(Fact(kind="policy_in_force", at=NOW, body={"version": version}))
    await store.journal.note(Fact(kind="refused", at=NOW, body={"code": "forged", "card": None}))
    assert "two" == await store.journal.policy_in_force()
    assert {"code": "forged", "card": None} == await told(url, "refused")


async def test_odd_characters_do_not_break_the_chain(store: Store, url: str) -> None:
    """What no database keeps is replaced before it is hashed, so that it reads back as it was signed."""
    await store.approvals.insert([NewApproval(approval=an_approval("r\0"))])
    digest = a_request("r\0").digest
    assert await store.approvals.vote(
        "r\0", vote=a_vote(digest=digest, name="A\ud800", note="\0"), needs=1, eligible=None
    )
    await store.journal.note(Fact(kind="refused", at=NOW, approval_id="\ud800", body={"\udfff": ["\0", None]}))
    rows = await rows_at(url)
    assert 4 == len(rows)
    assert first_break(rows) is None


async def test_without_a_row_there_is_no_move(store: SqlStore, eyes: Eyes, url: str) -> None:
    """If the audit cannot be written, nothing happens: not the vote, not the decision, not the card."""
    await store.approvals.insert(
        [NewApproval(approval=an_approval(), placements=[a_placement()], rungs=[a_rung()])]
    )
    eyes("ALTER TABLE audit RENAME TO hidden")
    moves = [
        store.approvals.vote("r1", vote=a_vote(), needs=1, eligible=None),
        store.approvals.settle("r1", was=Stage.OPEN, outcome=Outcome.TIMEOUT_SKIP, at=NOW),
        store.approvals.insert([NewApproval(approval=an_approval("r2"))]),
        store.placements.shown("c1", ref="ts1", revision=1),
        fire(store, [a_rung()], at=NOW),
        store.alerts.raise_(an_alert()),
        revise(store),
    ]
    for move in moves:
        with pytest.raises((Unavailable, DBAPIError)):
            await move
    eyes("ALTER TABLE hidden RENAME TO audit")
    unmoved = replace(an_approval(), ahead=ahead_of(a_rung()))
    assert (unmoved, None) == (await store.approvals.get("r1"), await store.approvals.get("r2"))
    assert (a_placement(),) == await store.placements.of("r1")
    assert () == await store.alerts.due(NOW, most=99)
    assert ["admitted"] == [row.kind for row in await rows_at(url)]


async def test_a_fact_that_is_no_plain_json_is_refused(store: Store, url: str) -> None:
    """Nothing gets into the chain that two readers could read differently."""
    with pytest.raises(NotCanonical):
        await store.journal.note(Fact(kind="refused", at=NOW, body={"x": float("inf")}))
    assert [] == await rows_at(url)


async def test_moves_at_once_make_one_chain(store: Store, url: str) -> None:
    """Fifty votes and fifty refusals at the same moment: one row each, no gap, no fork."""
    for number in range(50):
        await admit(store, f"r{number}")
    votes = [
        store.approvals.vote(f"r{n}", vote=a_vote(digest=a_request(f"r{n}").digest), needs=1, eligible=None)
        for n in range(50)
    ]
    notes = [store.journal.note(Fact(kind="refused", at=NOW, body={"n": n})) for n in range(50)]
    counted = await asyncio.gather(*votes, *notes)
    assert [Counted.DECIDED] * 50 == counted[:50]
    rows = await rows_at(url)
    assert list(range(1, 201)) == [row.number for row in rows]
    assert first_break(rows) is None


async def test_transactions_at_once_share_one_chain(postgres_url: str) -> None:
    """Eight transactions at once on one PostgreSQL take turns at the chain's end."""
    async with open_store(postgres_url, ring=lambda step: None, pagers=()) as store:
        await asyncio.gather(*(admit(store, f"r{number}") for number in range(80)))
    rows = await rows_at(postgres_url)
    assert 80 == len(rows)
    assert first_break(rows) is None


FORGERIES = [
    "UPDATE audit SET kind = 'approved' WHERE number = 1",
    "DELETE FROM audit WHERE number = 2",
    "DELETE FROM audit",
    "INSERT INTO audit_anchor (number, hash, at) VALUES (1, 'nonsense', 1)",
    "INSERT INTO audit_anchor (number, hash, at) SELECT number + 9, hash, 1 FROM audit",
]


@pytest.mark.parametrize("forgery", FORGERIES)
async def test_the_database_itself_refuses_to_change_the_past(
    store: Store, eyes: Eyes, url: str, forgery: str
) -> None:
    """Whatever writes to the tables, rows are neither changed nor deleted, and no anchor is made up."""
    await bring_to(store, Stage.DECIDED)
    before = await rows_at(url)
    with pytest.raises(Exception, match="the audit is append-only"):
        eyes(forgery)
    assert before == await rows_at(url)


async def test_a_row_is_not_replaced_either(store: Store, eyes: Eyes, url: str) -> None:
    """SQLite's INSERT OR REPLACE and PostgreSQL's TRUNCATE go past ordinary triggers; not past ours."""
    await bring_to(store, Stage.DECIDED)
    before = await rows_at(url)
    if url.startswith("sqlite"):
        trick = "INSERT OR REPLACE INTO audit SELECT number, at_ms, 'x', '', body, previous, hash FROM audit"
    else:
        trick = "TRUNCATE audit, audit_anchor"
    with pytest.raises(Exception, match="the audit is append-only"):
        eyes(trick)
    assert before == await rows_at(url)


async def test_two_rows_never_share_a_number(store: SqlStore) -> None:
    """Should the turns ever fail, the primary key keeps the chain from forking."""
    await admit(store)

    async def fork(connection: AsyncConnection) -> None:
        await connection.exec_driver_sql(
            "INSERT INTO audit (number, at_ms, kind, body, previous, hash) VALUES (1, 1, 'x', '{}', '', '')"
        )

    with pytest.raises(IntegrityError):
        await store.journal._database.write(Move.NOTE, fork)


async def test_the_reader_sees_one_moment_and_writes_nothing(
    store: Store, audit_reader: AuditReader, url: str
) -> None:
    """A running bot does not disturb a reader, nor the reader the bot."""
    await admit(store)
    first = [row.number async for row in audit_reader.rows()]
    await decide(store)
    await settle(store, was=Stage.DECIDED)
    assert first == [row.number async for row in audit_reader.rows()]
    assert 4 == len(await rows_at(url))
    with pytest.raises(DBAPIError, match=r"readonly|read-only"):
        await audit_reader._connection.exec_driver_sql("DELETE FROM rungs")


async def test_a_rejection_is_told_as_one(store: Store, url: str) -> None:
    """The verdict's own word is in the audit, never another."""
    await admit(store)
    assert await wins(store, a_vote(verdict=HITLDecision.REJECTED, note=None))
    body = await told(url, "voted")
    assert ("rejected", None, 0) == (body["verdict"], body["note"], body["note_length"])
