"""Values of the domain for the store's contract suite, with one moment from which all others are counted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from sqlalchemy import select

from adapters.store import tables
from adapters.store.columns import value_in
from adapters.store.open import SqlStore
from adapters.store.outbox import OWED
from bot.approval import Actor, Approval, Claim, Decision, Outcome, Stage, Vote
from bot.ladder import Action, Ahead, Deadline, DeadlineSource, Lease
from bot.protocol import HITLDecision, HITLRequest
from bot.records import (
    LAST_CALLS,
    Alert,
    Claimed,
    Counted,
    DueRung,
    NewApproval,
    NotificationKind,
    OutboxItem,
    Placement,
    Triggered,
    Waiting,
)
from bot.seal import Signing
from bot.store import Store
from bot.surface import Destination, Surface

#: What a bot of these tests signs with, when more than one in turn opens its database.
SIGNING = Signing("a secret of the contract suite, 32 characters")
NOW = datetime(2026, 3, 1, 12, 0, 0, 123_000, tzinfo=UTC)
DEADLINE = NOW + timedelta(minutes=3)
#: No lease of these tests is as long as this.
LEASE = Lease(until=NOW + timedelta(hours=1), last_call=NOW + timedelta(minutes=45))


def after(seconds: float) -> datetime:
    """That many seconds from NOW."""
    return NOW + timedelta(seconds=seconds)


async def all_lagging(store: Store) -> tuple[tuple[Placement, Approval], ...]:
    """Every card that is older than its record, due or put off, earliest deadline first."""
    late = after(3e8)
    cards = list(
        await store.placements.outdated((Surface.SLACK, Surface.TEAMS), now=late, most=100, decided_before=late)
    )
    for where in (await store.placements.backlog(late)).lines:
        cards += await store.placements.line(where, now=late, most=100, probes=0)
    return tuple(sorted(cards, key=lambda one: (one[1].deadline.at, one[1].id, one[0].card_id)))


async def all_waiting(store: Store) -> dict[Destination, tuple[Waiting, ...]]:
    """The cards for people that nobody has tried to post yet, by their places."""
    waiting = store.queue_messages.waiting
    return {where: await waiting(where) for where in await store.queue_messages.lines()}


def a_request(approval_id: str = "r1", **changes: Any) -> HITLRequest:
    """A request to pay a person."""
    known: dict[str, Any] = {
        "tool_name": "pay",
        "arguments": {"to": "ann", "cents": 12},
        "agent_id": "treasury",
    }
    return HITLRequest(request_id=approval_id, **{**known, **changes})


def a_deadline(at: datetime = DEADLINE) -> Deadline:
    """A deadline in the platform's own words."""
    return Deadline(at=at, source=DeadlineSource.TIMEOUT_AT)


def an_approval(
    approval_id: str = "r1", *, deadline: datetime = DEADLINE, request: HITLRequest | None = None
) -> Approval:
    """An open approval."""
    return Approval(
        request=request or a_request(approval_id),
        route="payments",
        stage=Stage.OPEN,
        first_seen=NOW,
        deadline=a_deadline(deadline),
    )


FINANCE = Destination(surface=Surface.SLACK, channel="C0FINANCE")
BOARD = Destination(surface=Surface.TEAMS, channel="19:board@thread.v2")


def a_placement(card_id: str = "c1", approval_id: str = "r1", *, at: Destination = FINANCE) -> Placement:
    """A card that is not up yet."""
    return Placement(card_id=card_id, approval_id=approval_id, destination=at)


def a_rung(number: int = 0, *, due: float = 60.0, approval_id: str = "r1", **changes: Any) -> DueRung:
    """A rung that is due that many seconds from NOW."""
    known: dict[str, Any] = {"who": ("finance", "bøb")}
    return DueRung(approval_id=approval_id, number=number, due_at=after(due), **{**known, **changes})


async def unfired(store: Store, by: datetime) -> list[tuple[DueRung, Approval]]:
    """The rungs of open approvals that are due by then and have not fired, those behind a claim included."""
    rungs, approvals = tables.rungs, tables.approvals
    written = select(rungs).join(approvals, approvals.c.id == rungs.c.approval_id)
    waiting = written.where(rungs.c.fired_at.is_(None), approvals.c.stage == Stage.OPEN, rungs.c.due_at <= by)
    in_turn = waiting.order_by(approvals.c.deadline, approvals.c.id, rungs.c.number)
    read = [value_in(row, DueRung, rungs) for row in await cast(SqlStore, store).database.fetch(in_turn)]
    return [(rung, await found(store, rung.approval_id)) for rung in read]


async def unsent(store: Store) -> list[OutboxItem]:
    """The messages still to deliver, whatever they wait for, in the order of their deadlines."""
    notices, approvals = tables.notices, tables.approvals
    written = select(notices).join(approvals, approvals.c.id == notices.c.approval_id).where(OWED)
    in_turn = written.order_by(approvals.c.deadline, approvals.c.id, notices.c.owed_since, notices.c.mark)
    read = await cast(SqlStore, store).database.fetch(in_turn)
    return [value_in(row, OutboxItem, notices) for row in read]


async def fire(
    store: Store,
    rungs: Sequence[DueRung],
    *,
    at: datetime,
    notices: Sequence[OutboxItem] = (),
    placements: Sequence[Placement] = (),
) -> bool:
    """Fire these rungs of one approval; whether they were."""
    firing = Triggered(rungs=tuple(rungs), notices=tuple(notices), placements=tuple(placements))
    return bool(await store.rungs.trigger([firing], at=at))


def ahead_of(rung: DueRung) -> Ahead:
    """What an approval says of the first of its rungs that has not fired."""
    return Ahead(action=rung.action, who=rung.who, at=rung.due_at)


def a_notice(mark: str = "c1.rung0", approval_id: str = "r1", **changes: Any) -> OutboxItem:
    """A word in the thread of the card `c1`, about a rung."""
    known: dict[str, Any] = {"news": NotificationKind.RUNG, "surface": Surface.SLACK, "owed_since": NOW}
    if "person" not in changes:
        known["card_id"] = "c1"
    return OutboxItem(mark=mark, approval_id=approval_id, **{**known, **changes})


def a_claim(person: str = "ann", *, at: datetime = NOW, until: datetime | None = None) -> Claim:
    """ "I'm on it", for half a minute."""
    return Claim(person=person, name=person.title(), at=at, until=until or at + timedelta(seconds=30))


async def claim(
    store: Store, claim: Claim | None = None, approval_id: str = "r1", *, digest: str | None = None
) -> Claimed:
    """Claim an approval that `admit` made, with a last call 5 s before the lease ends."""
    one = claim or a_claim()
    due = one.until - timedelta(seconds=5)
    last = DueRung(
        approval_id=approval_id, number=LAST_CALLS, due_at=due, action=Action.LAST_CALL, who=(one.person,)
    )
    call = digest or a_request(approval_id).digest
    return await store.approvals.claim(approval_id, claim=one, digest=call, last_call=last)


async def found(store: Store, approval_id: str = "r1") -> Approval:
    """The approval as it is now."""
    approval = await store.approvals.get(approval_id)
    assert approval is not None
    return approval


def a_vote(
    person: str = "ann",
    *,
    digest: str | None = None,
    verdict: HITLDecision = HITLDecision.APPROVED,
    at: datetime = NOW,
    note: str | None = "fine",
    name: str | None = None,
    **changes: Any,
) -> Vote:
    """A person's approval of the call that `admit` makes."""
    actor = Actor(
        surface=Surface.SLACK,
        account=f"U-{person}",
        name=person.title() if name is None else name,
        email=f"{person}@acme.example",
    )
    known = {"person": person, "verdict": verdict, "actor": actor, "at": at, "card_id": "c1", "note": note}
    return Vote(**{**known, "digest": digest or a_request().digest, **changes})


def a_rules_vote(approval_id: str = "r1", *, rule: str = "reads") -> Vote:
    """A rule's approval of the call that `admit` makes."""
    actor = Actor(surface=Surface.POLICY, account=rule, name=f"rule {rule}")
    digest = a_request(approval_id).digest
    return a_vote(f"rule:{rule}", digest=digest, actor=actor, card_id="", note="read-only")


def decision_of(vote: Vote, *others: str) -> Decision:
    """The decision that this vote brought, with those who had voted the same before."""
    return Decision(
        verdict=vote.verdict,
        actor=vote.actor,
        at=vote.at,
        card_id=vote.card_id,
        note=vote.note,
        others=others,
    )


def an_alert(approval_id: str = "r1", cause: str = "undelivered", *, raised_at: datetime = NOW) -> Alert:
    """An alert for an operator."""
    return Alert(approval_id=approval_id, cause=cause, text="pay: it did not get through.", raised_at=raised_at)


async def admit(store: Store, approval_id: str = "r1", *, deadline: datetime = DEADLINE) -> str:
    """Admit an approval without cards or rungs; returns its digest."""
    approval = an_approval(approval_id, deadline=deadline)
    assert await store.approvals.insert([NewApproval(approval=approval)])
    return approval.request.digest


async def decide(store: Store, approval_id: str = "r1") -> Vote:
    """Decide an open approval that `admit` made, by one vote."""
    vote = a_vote(digest=a_request(approval_id).digest)
    assert await store.approvals.vote(approval_id, vote=vote, needs=1, eligible=None) is Counted.DECIDED
    return vote


async def wins(store: Store, vote: Vote, approval_id: str = "r1") -> bool:
    """Whether this vote alone decides it."""
    return await store.approvals.vote(approval_id, vote=vote, needs=1, eligible=None) is Counted.DECIDED


async def revise(
    store: Store,
    approval_id: str = "r1",
    *,
    was: Stage = Stage.OPEN,
    request: HITLRequest | None = None,
    route: str = "payments",
    deadline: Deadline | None = None,
    placements: Sequence[Placement] = (),
    rungs: Sequence[DueRung] = (),
) -> bool:
    """Another call under the same id."""
    return await store.approvals.revise(
        approval_id,
        was=was,
        request=request or a_request(approval_id, arguments=1),
        route=route,
        deadline=deadline or a_deadline(),
        placements=placements,
        rungs=rungs,
    )


async def retime(
    store: Store,
    approval_id: str = "r1",
    *,
    deadline: Deadline,
    route: str = "payments",
    rungs: Sequence[DueRung] = (),
    lease: Lease = LEASE,
    placements: Sequence[Placement] = (),
) -> bool:
    """Another deadline than DEADLINE for the same call."""
    return await store.approvals.retime(
        approval_id,
        was=DEADLINE,
        route=route,
        deadline=deadline,
        rungs=rungs,
        lease=lease,
        placements=placements,
    )


async def begin(
    store: Store,
    approval_id: str = "r1",
    *,
    now: datetime = NOW,
    until: datetime | None = None,
    as_read: Approval | None = None,
) -> Approval | None:
    """Begin a POST of an approval as it is now, or as it was read."""
    as_read = as_read or await store.approvals.get(approval_id)
    assert as_read is not None
    begun = await store.approvals.begin_delivery([as_read], now=now, until=until or after(20))
    return begun[0] if begun else None


async def vanished(store: Store, *, believed_after: int = 5, now: datetime = NOW) -> tuple[Approval, ...]:
    """What polls miss, and what is to be asked of the audit after two of them."""
    return await store.approvals.vanished(
        now, believed_after=believed_after, asked_after=2, by_word=True, most=9
    )


async def settle(
    store: Store, approval_id: str = "r1", *, was: Stage = Stage.OPEN, outcome: Outcome | None = None
) -> None:
    """Settle an approval."""
    outcome = outcome or (Outcome.ELSEWHERE if was is Stage.OPEN else Outcome.APPROVED)
    assert await store.approvals.settle(approval_id, was=was, outcome=outcome, at=NOW)


async def close(store: Store, approval_id: str = "r1") -> bool:
    """Close what is settled, with nobody who waits to hear of it."""
    await store.approvals.told({approval_id: ()})
    return bool(await store.approvals.close(approval_id))


async def bring_to(store: Store, stage: Stage, approval_id: str = "r1") -> None:
    """Admit an approval and lead it to a stage."""
    await admit(store, approval_id)
    if stage in (Stage.DECIDED, Stage.SETTLED, Stage.CLOSED):
        await decide(store, approval_id)
    if stage in (Stage.SETTLED, Stage.CLOSED):
        await settle(store, approval_id, was=Stage.DECIDED)
    if stage is Stage.CLOSED:
        assert await close(store, approval_id)
