"""A database with requests in every state, attacked by plain SQL and put back; and the flow on it."""

from __future__ import annotations

import asyncio
import io
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, redirect_stdout
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import psycopg
from sqlalchemy import create_engine, inspect, make_url

from adapters.checkpoints import CheckpointLog, open_checkpoint_signer
from adapters.cli.audit import verify
from adapters.platform.client import HttpPlatform, open_platform
from adapters.store import postgres, sqlite
from adapters.store.database import Database
from adapters.store.open import SqlStore, store_in
from bot.approval import Outcome, Stage
from bot.flow import WorkerPool
from bot.flow.answer import Answer
from bot.flow.deliver import Deliver
from bot.flow.ingest import Ingest
from bot.flow.polls import Polls
from bot.flow.undelivered import Losses
from bot.ladder import Action, Rung
from bot.matching import Match
from bot.policy import Policy
from bot.ports import NO_METRICS
from bot.protocol import HITLDecision, HITLRequest
from bot.records import Counted, NewApproval, Poll, Step
from bot.routing import Route, Rule, Rules
from bot.surface import ConversationRef, Scope
from sandbox import platform as sandbox
from sandbox.platform.approvals import PendingRequest
from sandbox.serve import serve
from tests.contract.conftest import PAGERS
from tests.contract.tampering import (
    BEHEADED,
    CLOSED,
    DECIDED,
    ELSEWHERE,
    FRESH,
    OVER,
    VOTED,
    WAITING,
    Attack,
    Grid,
)
from tests.contract.values import (
    FINANCE,
    SIGNING,
    a_claim,
    a_notice,
    a_placement,
    a_rung,
    a_vote,
    an_alert,
    an_approval,
    claim,
    close,
    fire,
)
from tests.servers.fake_clock_bot import NoCallbacks

KEY = "key-hunter2"
#: What Ann said about `DECIDED`: the only words that may go out.
GENUINE = (DECIDED, "approved", 'approved by Ann <ann@acme.example> in Slack. Note from the approver: "fine"')
#: What else goes out when a record is deleted while Nod is stopped: it is met as a new one, and a rule answers.
BY_RULE = "rule reads"

ROUTES = (
    Route(
        name="payments", match=Match(), cards=(FINANCE,), approvers=(), quorum=2,
        ladder=(Rung(action=Action.WIDEN, share=0.5, who=("bob",)),),
    ),
    Route(name="lax", match=Match(), cards=(), approvers=()),
)  # fmt: skip
PEOPLE = Policy(people={}, groups={}, routes=ROUTES)
#: A rule that would approve everything came after these requests were put to people.
RULES = Rules(automatic=(Rule(name="reads", match=Match(), verdict=HITLDecision.APPROVED),))
POLICY = replace(PEOPLE, rules=RULES)


class Hand(Protocol):
    """A connection to the database from outside Nod, past the triggers and foreign keys."""

    def __call__(self, statement: str) -> list[tuple[Any, ...]]:
        """Raises sqlite3.Error or psycopg.Error."""
        ...


def now() -> datetime:
    return datetime.now(UTC)


@dataclass(kw_only=True)
class Site:
    """The database, the platform, and what is needed to attack the one and see what the other gets."""

    url: str
    database: Database
    hand: Hand
    platform: HttpPlatform
    inside: sandbox.Platform
    checkpoint_log: Path
    grids: list[Grid] = field(default_factory=list)
    broken: int = 0

    def restore(self) -> None:
        """Database and platform as they were before the first attack."""
        self.hand("BEGIN")
        for grid in self.grids:
            name, columns = grid.name, ", ".join(grid.columns)
            same = f"SELECT 1 FROM kept.{name} k WHERE {_same(grid)}"
            self.hand(f"DELETE FROM {name} WHERE NOT EXISTS ({same})")
            missing = f"SELECT {columns} FROM kept.{name} EXCEPT SELECT {columns} FROM {name}"
            self.hand(f"INSERT INTO {name} ({columns}) {missing}")
        self.hand("COMMIT")
        self.list_waiting()

    def list_waiting(self) -> None:
        """The platform lists what waits, and nothing was decided there."""
        self.inside.approvals.forget()
        self.inside.decisions.clear()
        for name in WAITING:
            self.inside.approvals.open(_asked(name), awaited=False)

    async def store(self) -> SqlStore:
        """As a start finds it."""
        return await store_in(self.database, pagers=PAGERS, clock=now, signing=SIGNING)

    def attack(self, attack: Attack) -> int:
        """How many of the statements the database took."""
        taken = 0
        for statement in attack.statements:
            try:
                self.hand(statement)
            except (sqlite3.Error, psycopg.Error, OverflowError):
                continue
            taken += 1
        return taken

    async def rounds(self, store: SqlStore) -> None:
        """What a running bot does next; a step that breaks on what it reads is tried again, as there."""
        admit = Ingest(source=self.platform, store=store, policy=lambda: POLICY, clock=now, metrics=NO_METRICS)
        for step in (admit.round, lambda: self._answer(store), lambda: self._deliver(store)):
            try:
                await step()
            except Exception:  # noqa: BLE001 - like `bot.flow.keep_up`
                self.broken += 1

    async def vote(self, store: SqlStore, name: str, person: str, *, needs: int) -> Counted:
        """A person's vote on the call as the platform lists it."""
        vote = a_vote(person, digest=(await self.requests())[name].digest, at=now())
        return await store.approvals.vote(name, vote=vote, needs=needs, eligible=None)

    async def requests(self) -> dict[str, HITLRequest]:
        """What the platform lists."""
        return {one.request_id: one for one in (await self.platform.pending()).requests}

    @property
    def posts(self) -> list[tuple[str, str, str | None]]:
        """Every word that the platform got."""
        return [(post.request_id, post.decision, post.operator_input) for post in self.inside.decisions]

    async def verified(self) -> tuple[int, str]:
        """What `nod audit verify` ends with, and says."""
        said = io.StringIO()
        with redirect_stdout(said):
            code = await verify(self.url, checkpoints=self.checkpoint_log, signing=SIGNING)
        return code, said.getvalue()

    async def _answer(self, store: SqlStore) -> None:
        async with asyncio.TaskGroup() as tasks:
            await Answer(
                store=store, callbacks=NoCallbacks(), policy=lambda: POLICY, clock=now, metrics=NO_METRICS,
                pool=_pool(Step.ANSWER, tasks),
            ).round()  # fmt: skip

    async def _deliver(self, store: SqlStore) -> None:
        async with asyncio.TaskGroup() as tasks:
            await Deliver(
                source=self.platform, store=store, policy=lambda: POLICY, clock=now,
                polls=Polls(store=store, clock=now), metrics=NO_METRICS, ring=lambda _: None,
                pool=_pool(Step.DELIVER, tasks), losses=Losses(store=store, clock=now),
            ).round()  # fmt: skip


def _pool(step: Step, tasks: asyncio.TaskGroup) -> WorkerPool:
    return WorkerPool(step, size=4, tasks=tasks, ring=lambda _: None, metrics=NO_METRICS)


def _same(grid: Grid) -> str:
    """Whether a row is the kept one `k`, in the words of both databases."""
    pairs = ((f"k.{column}", f"{grid.name}.{column}") for column in grid.columns)
    return " AND ".join(f"({kept} = {now} OR ({kept} IS NULL AND {now} IS NULL))" for kept, now in pairs)


_BEGAN = now().replace(microsecond=0)


def _asked(name: str) -> PendingRequest:
    return PendingRequest(
        request_id=name, tool="pay", arguments={"to": "ann", "cents": 12}, created_at=_BEGAN,
        timeout_seconds=86_400, agent_id="treasury-1", agent_name="treasury", run_id=None,
    )  # fmt: skip


@asynccontextmanager
async def open_site(url: str, folder: Path) -> AsyncIterator[Site]:
    """The database at this address, laid with requests in every state."""
    checkpoint_log = CheckpointLog(path=folder / "checkpoints")
    async with (
        sandbox.open_platform(api_key=KEY) as inside,
        serve(sandbox.platform_app(inside)) as address,
        open_platform(address, KEY, clock=now) as platform,
        _database(url) as database,
    ):
        with _hand(url) as hand:
            site = Site(
                url=url,
                database=database,
                hand=hand,
                platform=platform,
                inside=inside,
                checkpoint_log=checkpoint_log.path,
            )
            site.list_waiting()
            await _lay(site, checkpoint_log, folder / "key")
            with _kept(url, folder, hand) as grids:
                site.grids = grids
                yield site


@asynccontextmanager
async def _database(url: str) -> AsyncIterator[Database]:
    opened = sqlite.opened if url.startswith("sqlite") else postgres.opened
    async with opened(make_url(url), ring=lambda _: None) as database:
        yield database


@contextmanager
def _hand(url: str) -> Iterator[Hand]:
    if url.startswith("sqlite"):
        connection = sqlite3.connect(make_url(url).database or "", isolation_level=None)
        connection.execute("PRAGMA synchronous = OFF")
        yield lambda statement: connection.execute(statement).fetchall()
        connection.close()
        return
    with psycopg.connect(url, autocommit=True) as server:
        server.execute("SET session_replication_role = replica")
        server.execute("SET synchronous_commit = off")

        def run(statement: str) -> list[tuple[Any, ...]]:
            cursor = server.execute(statement)
            return cursor.fetchall() if cursor.description else []

        yield run


async def _lay(site: Site, checkpoint_log: CheckpointLog, key: Path) -> None:
    """A life in each state, one that retention removed, and whatever else the tables hold."""
    clock = [now()]
    store = await store_in(site.database, pagers=PAGERS, clock=lambda: clock[0], signing=SIGNING)
    requests = await site.requests()
    some = requests[FRESH]

    async def live(name: str, *, at: datetime, people: int = 1, settled: datetime | None = None) -> None:
        request = replace(some, request_id=name)
        approval = an_approval(name, deadline=at + timedelta(hours=1), request=request)
        ladder = [a_rung(approval_id=name, action=Action.WIDEN), a_rung(1, due=9e9, approval_id=name)]
        new_approval = NewApproval(
            approval=replace(approval, first_seen=at), placements=[a_placement(f"c-{name}", name)], rungs=ladder
        )
        clock[0] = at
        await store.approvals.insert([new_approval])
        notice = a_notice(f"{name}.0", name, card_id=f"c-{name}")
        assert await fire(store, ladder[:1], at=at, notices=[notice])
        await store.placements.shown(f"c-{name}", ref="ts", revision=99, digest=request.digest)
        await claim(store, a_claim(at=at), name, digest=request.digest)
        for person in ("ann", "bob")[:people]:
            vote = a_vote(person, digest=request.digest, at=at, card_id=f"c-{name}")
            await store.approvals.vote(name, vote=vote, needs=people, eligible=None)
        clock[0] = settled or at
        was, outcome = (Stage.DECIDED, Outcome.APPROVED) if people else (Stage.OPEN, Outcome.ELSEWHERE)
        assert await store.approvals.settle(name, was=was, outcome=outcome, at=clock[0], platform_word="x")

    past = now() - timedelta(days=9)
    await live("gone", at=past)
    await close(store, "gone")
    await live(BEHEADED, at=past, people=2, settled=now())
    await close(store, BEHEADED)
    await live(CLOSED, at=now(), people=2)
    await close(store, CLOSED)
    await live(ELSEWHERE, at=now(), people=0)
    await close(store, ELSEWHERE)
    await live(OVER, at=now())
    admit = Ingest(source=site.platform, store=store, policy=lambda: PEOPLE, clock=now, metrics=NO_METRICS)
    await admit.round()
    assert Counted.WAITING is await site.vote(store, VOTED, "ann", needs=2)
    assert Counted.DECIDED is await site.vote(store, DECIDED, "ann", needs=1)
    await store.alerts.raise_(an_alert(FRESH))
    await store.conversations.put(
        ConversationRef(tenant="t", service_url="https://smba.example", id="19:a", scope=Scope.TEAM)
    )
    assert await store.queue_messages.batch([card.card_id for card in await store.placements.of(FRESH)])
    await store.probe.write()
    await store.approvals.note_poll(Poll(number=1, began_at=now(), body="a fingerprint", listed=9))
    async with open_checkpoint_signer(
        chain=store.journal,
        alerts=store.alerts,
        key_path=key,
        checkpoint_log=checkpoint_log,
        webhook=None,
        clock=now,
        metrics=NO_METRICS,
    ) as signer:
        await signer.round()
        clock[0] = now()
        assert await store.journal.retire(now() - timedelta(days=5), vouch=signer.retire)
    # Another notary signs the very end.
    async with open_checkpoint_signer(
        chain=store.journal,
        alerts=store.alerts,
        key_path=key,
        checkpoint_log=CheckpointLog(path=checkpoint_log.path),
        webhook=None,
        clock=now,
        metrics=NO_METRICS,
    ) as signer:
        await signer.round()


@contextmanager
def _kept(url: str, folder: Path, hand: Hand) -> Iterator[list[Grid]]:
    """The tables as the database describes them, with their rows, which are kept under `kept`."""
    lite = url.startswith("sqlite")
    engine = create_engine(url if lite else make_url(url).set(drivername="postgresql+psycopg"))
    described = inspect(engine)
    names = [name for name in described.get_table_names() if name != "sqlite_sequence"]
    shapes = {
        name: (
            [column["name"] for column in described.get_columns(name)],
            described.get_pk_constraint(name)["constrained_columns"],
        )
        for name in names
    }
    engine.dispose()
    if lite:
        for (name,) in hand("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
            hand(f"DROP TRIGGER {name}")
        hand(f"VACUUM INTO '{folder / 'kept.db'}'")
        hand(f"ATTACH '{folder / 'kept.db'}' AS kept")
    else:
        hand("DROP SCHEMA IF EXISTS kept CASCADE")
        hand("CREATE SCHEMA kept")
        for name in names:
            hand(f"CREATE TABLE kept.{name} AS TABLE {name}")
    yield [
        Grid(
            name=name,
            columns=columns,
            key=key or columns,
            rows=[
                dict(zip(columns, row, strict=True)) for row in hand(f"SELECT {', '.join(columns)} FROM {name}")
            ],
        )
        for name, (columns, key) in shapes.items()
    ]
    if not lite:
        hand("DROP SCHEMA kept CASCADE")
