"""A database writer who lacks NOD_SECRET: what was taken back, old listings, upgrades, and what verify names.

Every statement on every table is in `test_statements`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from adapters.checkpoints import CheckpointLog, open_checkpoint_signer
from adapters.cli.audit import verify
from adapters.store.open import SqlStore, open_store
from bot.approval import Outcome, Stage
from bot.audit import Fact
from bot.flow import WorkerPool
from bot.flow.answer import Answer
from bot.flow.deliver import Deliver
from bot.flow.ingest import Ingest
from bot.flow.polls import Polls
from bot.flow.undelivered import Losses
from bot.matching import Match
from bot.policy import Policy
from bot.ports import NO_METRICS
from bot.protocol import HITLDecision, HITLRequest, HITLResponse
from bot.records import Counted, NewApproval, Step
from bot.routing import Route, Rule, Rules
from tests.contract.conftest import PAGERS, Eyes
from tests.contract.tampering import DECIDED, FRESH, OVER, VOTED
from tests.contract.test_store_upgrade import left_behind, run
from tests.contract.values import NOW, SIGNING, a_placement, a_request, a_vote, an_approval
from tests.fakes import FakePlatform
from tests.servers.fake_clock_bot import NoCallbacks


class Watched(FakePlatform):
    """A platform that remembers every POST that it gets, whatever it answers."""

    def __init__(self) -> None:
        self.now = NOW
        super().__init__(clock=lambda: self.now)
        self.tried: list[tuple[str, str | None]] = []

    async def decide(self, request: HITLRequest, response: HITLResponse) -> None:
        self.tried.append((request.request_id, response.operator_input))
        await super().decide(request, response)


#: A rule that would approve everything came after these requests were put to people.
RULES = Rules(automatic=(Rule(name="reads", match=Match(), verdict=HITLDecision.APPROVED),))
POLICY = Policy(
    people={},
    groups={},
    routes=(
        Route(name="payments", match=Match(), cards=(), approvers=(), quorum=2),
        Route(name="lax", match=Match(), cards=(), approvers=()),
    ),
    rules=RULES,
)


class Rig:
    """The store with every step that can lead to a POST, and time in the test's hands."""

    def __init__(self, store: SqlStore, eyes: Eyes) -> None:
        self.store, self.eyes, self.platform = store, eyes, Watched()
        self.broken = 0
        self.admit = Ingest(
            source=self.platform, store=store, policy=lambda: POLICY, clock=self.clock, metrics=NO_METRICS
        )

    def clock(self) -> datetime:
        return self.platform.now

    async def lay(self, number: int) -> dict[str, str]:
        """Four requests in four states; their ids by state."""
        ids = {name: f"{name}-{number}" for name in (VOTED, DECIDED, OVER, FRESH)}
        self.platform.now += timedelta(seconds=1)
        deadline = self.platform.now + timedelta(hours=1)
        for one in ids.values():
            approval = an_approval(one, deadline=deadline)
            await self.store.approvals.insert(
                [NewApproval(approval=approval, placements=[a_placement(f"c-{one}", one)])]
            )
        await self.vote(ids[VOTED], "ann", needs=2)
        for name in (DECIDED, OVER):
            assert Counted.DECIDED is await self.vote(ids[name], "ann", needs=1)
        outcome = Outcome.APPROVED
        assert await self.store.approvals.settle(ids[OVER], was=Stage.DECIDED, outcome=outcome, at=self.clock())
        for name in (VOTED, DECIDED, FRESH):
            self.platform.waiting[ids[name]] = a_request(ids[name])
        return ids

    async def vote(self, approval_id: str, person: str, *, needs: int) -> Counted:
        vote = a_vote(person, digest=a_request(approval_id).digest, at=self.clock())
        return await self.store.approvals.vote(approval_id, vote=vote, needs=needs, eligible=None)

    async def rounds(self) -> None:
        """What a running bot does next; a step that breaks on what it reads is tried again, as there."""
        for _ in range(2):
            self.platform.now += timedelta(milliseconds=10)
            for step in (self.admit.round, self.answer, self.deliver):
                try:
                    await step()
                except Exception:  # noqa: BLE001 - like `bot.flow.keep_up`
                    self.broken += 1

    async def answer(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            await Answer(
                store=self.store, callbacks=NoCallbacks(), policy=lambda: POLICY, clock=self.clock,
                metrics=NO_METRICS, pool=_pool(Step.ANSWER, tasks),
            ).round()  # fmt: skip

    async def deliver(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            await Deliver(
                source=self.platform, store=self.store, policy=lambda: POLICY, clock=self.clock,
                polls=Polls(store=self.store, clock=self.clock), metrics=NO_METRICS, ring=lambda _: None,
                pool=_pool(Step.DELIVER, tasks), losses=Losses(store=self.store, clock=self.clock),
            ).round()  # fmt: skip


def _pool(step: Step, tasks: asyncio.TaskGroup) -> WorkerPool:
    return WorkerPool(step, size=4, tasks=tasks, ring=lambda _: None, metrics=NO_METRICS)


@pytest.fixture
async def store(url: str) -> AsyncIterator[SqlStore]:
    """An open store, whose secret the tests know."""
    async with open_store(
        url, ring=lambda _: None, pagers=PAGERS, clock=lambda: NOW, signing=SIGNING
    ) as opened:
        yield opened


@pytest.fixture
def rig(store: SqlStore, eyes: Eyes) -> Rig:
    """A fresh one on each database."""
    return Rig(store, eyes)


async def test_what_a_person_decided_is_sent(rig: Rig) -> None:
    """Without an attack: the decision goes out once."""
    ids = await rig.lay(0)
    await rig.rounds()
    assert [ids[DECIDED]] == [one for one, _ in rig.platform.tried]
    assert 0 == rig.broken


async def test_what_was_taken_back_stays_taken_back(rig: Rig) -> None:
    """The very rows of a genuine decision, put back after it was voided; and a vote after a later one."""
    ids = await rig.lay(0)
    one = ids[DECIDED]
    tables = ("votes", "decisions")
    kept = {table: rig.eyes(f"SELECT * FROM {table} WHERE approval_id = '{one}'") for table in tables}
    assert await rig.store.approvals.void(one, why="denied", at=rig.clock())
    for table, rows in kept.items():
        put_back(rig.eyes, table, rows)
    rig.eyes(f"UPDATE approvals SET stage = 'decided', revision = 2 WHERE id = '{one}'")
    await rig.rounds()
    assert [] == rig.platform.tried
    (vote,) = rig.eyes(f"SELECT * FROM votes WHERE approval_id = '{ids[VOTED]}'")
    assert Counted.WAITING is await rig.vote(ids[VOTED], "ann", needs=2)
    rig.eyes(f"DELETE FROM votes WHERE approval_id = '{ids[VOTED]}'")
    put_back(rig.eyes, "votes", [vote])
    assert Counted.WAITING is await rig.vote(ids[VOTED], "bob", needs=2)


def put_back(eyes: Eyes, table: str, rows: list[tuple[object, ...]]) -> None:
    """Rows as they were."""
    for row in rows:
        eyes(f"INSERT INTO {table} VALUES ({', '.join('NULL' if one is None else repr(one) for one in row)})")


async def test_a_listing_is_believed_from_the_platform_alone(rig: Rig) -> None:
    """A moment in a column is no listing: an Approve waits until this process has seen one."""
    ids = await rig.lay(0)
    rig.platform.waiting.clear()
    rig.eyes("UPDATE approvals SET confirmed_at = 99999999999999")
    await rig.deliver()
    assert [] == rig.platform.tried
    rig.platform.waiting[ids[DECIDED]] = a_request(ids[DECIDED])
    await rig.rounds()
    assert [ids[DECIDED]] == [one for one, _ in rig.platform.tried]


async def test_people_are_asked_again_and_an_alert_says_so_once(rig: Rig) -> None:
    """A record that is not Nod's own is read again at the next poll, and can then be decided as usual."""
    ids = await rig.lay(0)
    one = ids[FRESH]
    rig.eyes(f"UPDATE approvals SET route = 'lax' WHERE id = '{one}'")
    found = await rig.store.approvals.get(one)
    assert found is not None
    assert ("terms",) == found.forged
    await rig.rounds()
    again = await rig.store.approvals.get(one)
    assert again is not None
    assert ("payments", (), Stage.OPEN) == (again.route, again.forged, again.stage)
    assert [one] == [alert.approval_id for alert in await rig.store.alerts.open_of(cause="tampered")]
    assert Counted.WAITING is await rig.vote(one, "ann", needs=2)
    assert Counted.DECIDED is await rig.vote(one, "bob", needs=2)
    await rig.rounds()
    assert one in [sent for sent, _ in rig.platform.tried]


async def test_rows_that_retention_did_not_sign_away_are_missed(
    store: SqlStore, url: str, eyes: Eyes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nearly the whole chain, deleted by plain SQL with an anchor and a row that tells of it."""
    file = tmp_path / "checkpoints"
    async with open_checkpoint_signer(
        chain=store.journal,
        alerts=store.alerts,
        key_path=tmp_path / "key",
        checkpoint_log=CheckpointLog(path=file),
        webhook=None,
        clock=lambda: NOW,
        metrics=NO_METRICS,
    ) as signer:
        for number in range(9):
            await store.journal.note(Fact(kind="refused", at=NOW, body={"n": number}))
            await signer.round()
        eyes("INSERT INTO audit_anchor (number, hash, at) SELECT number, hash, 1 FROM audit WHERE number = 8")
        ((gone,),) = eyes("SELECT hash FROM audit WHERE number = 8")
        eyes("DELETE FROM audit WHERE number <= 8")
        body = {"number": 8, "hash": gone, "rows": 8}
        await store.journal.note(Fact(kind="retired", at=NOW, body=body))
        assert 1 == await verify(url, checkpoints=file)
        assert "no signed `retirement` says that Nod removed them" in capsys.readouterr().out


async def test_what_an_upgrade_left_is_signed_once(fresh_url: str) -> None:
    """A second start takes nothing over, nor does one whose checkpoints say that it has happened."""
    left_behind(fresh_url, "0007", [])
    more = {"ring": lambda _: None, "pagers": PAGERS, "clock": lambda: NOW, "signing": SIGNING}
    async with open_store(fresh_url, **more, take_over=True) as store:
        await store.approvals.insert([NewApproval(approval=an_approval("r1"))])
    run(fresh_url, "UPDATE approvals SET call_signature = NULL, terms_signature = NULL")
    async with open_store(fresh_url, **more, take_over=False) as store:
        found = await store.approvals.get("r1")
        assert found is not None
        assert ("call", "terms") == found.forged
    for _ in range(2):
        async with open_store(fresh_url, **more, take_over=True) as store:
            found = await store.approvals.get("r1")
            assert found is not None
            assert () == found.forged
            head = await store.journal.head()
            assert head is not None
            assert ("answers_signed", 2) == (head.kind, head.number)
    run(fresh_url, "UPDATE approvals SET call_signature = NULL, terms_signature = NULL")
    async with open_store(fresh_url, **more, take_over=True) as store:
        found = await store.approvals.get("r1")
        assert found is not None
        assert ("call", "terms") == found.forged


#: What changes the meaning of a record, and what verify says then; `{one}` is an approved request that is over.
MEANT = [
    (
        "UPDATE approvals SET outcome = 'rejected' WHERE id = '{one}'",
        "it is rejected, but approved in the audit log",
    ),
    (
        "UPDATE approvals SET digest = 'x' WHERE id = '{one}'",
        "its digest differs from the one in the audit log",
    ),
    (
        "UPDATE approvals SET route = 'lax' WHERE id = '{one}'",
        "its route differs from the one in the audit log",
    ),
    (
        "UPDATE decisions SET verdict = 'rejected' WHERE approval_id = '{one}'",
        "its decision has a different verdict in the audit log",
    ),
    ("UPDATE decisions SET name = 'Bob' WHERE approval_id = '{one}'", "its decision has no valid signature"),
    (
        "UPDATE decisions SET others = '[\"bob\"]' WHERE approval_id = '{one}'",
        "a different list of earlier voters",
    ),
    ("UPDATE votes SET account = 'U-bob' WHERE approval_id = '{one}'", "a different account in the audit log"),
    ("UPDATE votes SET at = 1 WHERE approval_id = '{one}'", "the vote of ann has no valid signature"),
    ("UPDATE votes SET person = 'bob' WHERE approval_id = '{one}'", "no row records the vote of bob"),
    (
        "UPDATE approvals SET rule = 'reads' WHERE id = '{one}'",
        "its rule differs from the one in the audit log",
    ),
    (
        "UPDATE approvals SET widened = '[\"bob\"]' WHERE id = '{one}'",
        "its list of added approvers differs from the one in the audit log",
    ),
    (
        "UPDATE approvals SET deadline = 1 WHERE id = '{one}'",
        "its deadline differs from the one in the audit log",
    ),
    (
        "UPDATE approvals SET first_seen = 1 WHERE id = '{one}'",
        "its time of arrival differs from the one in the audit log",
    ),
    (
        "UPDATE approvals SET settled_at = 1 WHERE id = '{one}'",
        "its end time differs from the one in the audit log",
    ),
    (
        "UPDATE approvals SET trouble = 'x' WHERE id = '{one}'",
        "its delivery error differs from the one in the audit log",
    ),
    (
        "UPDATE approvals SET attempts = 7 WHERE id = '{one}'",
        "its number of attempts differs from the one in the audit log",
    ),
    (
        "UPDATE approvals SET request = replace(request, '12', '99') WHERE id = '{one}'",
        "its call does not match its digest",
    ),
    (
        "UPDATE approvals SET request = '{}' WHERE id = '{one}'",
        "one of its columns has a value that Nod never writes",
    ),
    (
        "UPDATE approvals SET call_signature = 'x.y' WHERE id = '{fresh}'",
        "its record (call, route and rule) has",
    ),
    ("DELETE FROM votes WHERE approval_id = '{one}'", "the vote of ann is missing"),
    ("DELETE FROM decisions WHERE approval_id = '{one}'", "its decision is missing"),
    ("UPDATE approvals SET id = 'x' WHERE id = '{fresh}'", "no audit row records its arrival"),
]


@pytest.mark.parametrize(("statement", "said"), MEANT)
async def test_what_changes_a_meaning_is_named(
    rig: Rig, url: str, capsys: pytest.CaptureFixture[str], statement: str, said: str
) -> None:
    """By `nod audit verify`, which holds the tables against the chain, and signatures against the secret."""
    ids = await rig.lay(0)
    assert 0 == await verify(url)
    rig.eyes("DELETE FROM placements")
    rig.eyes(statement.replace("{one}", ids[OVER]).replace("{fresh}", ids[FRESH]))
    assert 1 == await verify(url, signing=SIGNING)
    assert said in capsys.readouterr().out


async def test_an_outcome_without_its_votes_is_named(
    store: SqlStore, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where the whole chain was rewritten, so that every hash fits."""
    await store.approvals.insert([NewApproval(approval=an_approval())])
    body = {"outcome": "approved", "platform_word": None, "trouble": None}
    await store.journal.note(Fact(kind="settled", at=NOW, approval_id="r1", body=body))
    assert 1 == await verify(url)
    assert (
        "✗ row 2: it records the outcome approved, but no row records that decision" in capsys.readouterr().out
    )
