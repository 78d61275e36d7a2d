"""What a click is measured in: approvals that wait, and three ways to decide one, each doing more."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import tables
from adapters.store.compare_and_set import Move, move
from adapters.store.open import SqlStore
from adapters.store.votes import decision_row
from bot.approval import Actor, Approval, Decision, Stage, Vote
from bot.card import Button
from bot.desk import Click, Voted
from bot.flow.desk import FrontDesk
from bot.ladder import Deadline, DeadlineSource
from bot.matching import Match
from bot.policy import Person, Policy
from bot.protocol import HITLDecision, HITLRequest
from bot.records import Counted, NewApproval, Placement
from bot.routing import Route
from bot.seal import Seal
from bot.surface import Destination, Surface

_PLACE = Destination(surface=Surface.SLACK, channel="C0FINANCE")
_ANN = Actor(surface=Surface.SLACK, account="U1", name="Ann", email="ann@acme.example")
_SEAL = Seal("a secret that is long enough for a benchmark")


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A way to decide an approval of this store; the click says whether it won."""

    name: str
    of: Callable[[SqlStore], Callable[[str], Awaitable[bool]]]


async def approvals_for(store: SqlStore, count: int) -> list[str]:
    """So many open approvals, each with its card up."""
    now = datetime.now(UTC)
    deadline = Deadline(at=now + timedelta(hours=1), source=DeadlineSource.TIMEOUT_AT)
    ids = [f"r{number}" for number in range(count)]
    for one in ids:
        request = _request(one)
        approval = Approval(
            request=request, route="default", stage=Stage.OPEN, first_seen=now, deadline=deadline
        )
        card = Placement(card_id=f"c-{one}", approval_id=one, destination=_PLACE)
        await store.approvals.insert([NewApproval(approval=approval, placements=[card])])
        await store.placements.shown(card.card_id, ref="ts", revision=1, digest=request.digest)
    return ids


def _request(approval_id: str) -> HITLRequest:
    return HITLRequest(
        request_id=approval_id, tool_name="pay", arguments={"to": "ann", "cents": 12}, agent_id="treasury"
    )


def _two_rows(store: SqlStore) -> Callable[[str], Awaitable[bool]]:
    """What a click wrote before: the record moves, and the decision is kept. No vote, no audit."""
    database = store.approvals._database  # noqa: SLF001 - the same connection, past what the store promises
    proofs = store.approvals._proofs  # noqa: SLF001 - the same signatures

    async def click(approval_id: str) -> bool:
        now = datetime.now(UTC)
        decision = Decision(verdict=HITLDecision.APPROVED, actor=_ANN, at=now, card_id="c1", note="fine")
        same = tables.approvals.c.digest == _request(approval_id).digest
        won = move(approval_id, Stage.OPEN, Stage.DECIDED, same, tables.approvals.c.deadline > now)

        async def work(connection: AsyncConnection) -> bool:
            if not (await connection.execute(won.values(revision=2))).rowcount:
                return False
            row = decision_row(
                approval_id, decision, digest=_request(approval_id).digest, revision=2, proofs=proofs
            )
            await connection.execute(insert(tables.decisions), row)
            return True

        return await database.write(Move.DECIDE, work)

    return click


def _vote(store: SqlStore) -> Callable[[str], Awaitable[bool]]:
    """The store's own vote: the vote, the decision and two rows of the chain."""

    async def click(approval_id: str) -> bool:
        vote = Vote(
            person="ann",
            verdict=HITLDecision.APPROVED,
            actor=_ANN,
            at=datetime.now(UTC),
            card_id="c1",
            digest=_request(approval_id).digest,
            note="fine",
        )
        return await store.approvals.vote(approval_id, vote=vote, needs=1, eligible=None) is Counted.DECIDED

    return click


def _desk(store: SqlStore) -> Callable[[str], Awaitable[bool]]:
    """All that a click does before it is answered: the seal, the policy, the call as it was shown."""
    ann = Person(handle="ann", name="Ann", accounts={Surface.SLACK: "U1"})
    route = Route(name="default", match=Match(), cards=(_PLACE,), approvers=("ann",))
    policy = Policy(people={"ann": ann}, groups={}, routes=(route,))
    desk = FrontDesk(
        store=store,
        policy=lambda: policy,
        seal=_SEAL,
        clock=lambda: datetime.now(UTC),
        count=lambda _: None,
    )

    async def click(approval_id: str) -> bool:
        digest = _request(approval_id).digest
        value = _SEAL.value(card_id=f"c-{approval_id}", verb=Button.APPROVE.value, digest=digest)
        pressed = Click(
            surface=Surface.SLACK,
            account="U1",
            home=True,
            value=value,
            channel=_PLACE.channel,
            ref="ts",
            verb=Button.APPROVE,
        )
        return isinstance(await desk.press(pressed), Voted)

    return click


BY_TWO_ROWS = Way(name="two rows", of=_two_rows)
BY_STORE = Way(name="vote and audit", of=_vote)
BY_DESK = Way(name="desk: seal, policy, vote, audit", of=_desk)
