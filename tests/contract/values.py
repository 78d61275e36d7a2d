"""Values of the domain for the store's contract suite, with one moment from which all others are counted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.approval import Actor, Approval, Decision, Outcome, Stage, Surface, Vote
from bot.ladder import Deadline, DeadlineSource
from bot.protocol import HITLDecision, HITLRequest
from bot.records import Alert, Counted, DueRung, Placement, Store
from bot.routing import Destination

NOW = datetime(2026, 3, 1, 12, 0, 0, 123_000, tzinfo=UTC)
DEADLINE = NOW + timedelta(minutes=3)


def after(seconds: float) -> datetime:
    """That many seconds from NOW."""
    return NOW + timedelta(seconds=seconds)


def a_request(approval_id: str = "r1", **changes: Any) -> HITLRequest:
    """A request to pay somebody."""
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


def a_placement(card_id: str = "c1", approval_id: str = "r1") -> Placement:
    """A card that is not up yet."""
    place = Destination(surface=Surface.SLACK, channel="C0FINANCE")
    return Placement(card_id=card_id, approval_id=approval_id, destination=place)


def a_rung(number: int = 0, *, due: float = 60.0, approval_id: str = "r1") -> DueRung:
    """A rung that is due that many seconds from NOW."""
    return DueRung(approval_id=approval_id, number=number, due_at=after(due), who=("finance", "bøb"))


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
    assert await store.approvals.admit(approval, placements=(), rungs=())
    return approval.request.digest


async def decide(store: Store, approval_id: str = "r1") -> Vote:
    """Decide an open approval that `admit` made, by one vote."""
    vote = a_vote(digest=a_request(approval_id).digest)
    assert await store.approvals.vote(approval_id, vote=vote, needs=1, counting=None) is Counted.DECIDED
    return vote


async def wins(store: Store, vote: Vote, approval_id: str = "r1") -> bool:
    """Whether this vote alone decides it."""
    return await store.approvals.vote(approval_id, vote=vote, needs=1, counting=None) is Counted.DECIDED


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
    return await store.approvals.begin_delivery(approval_id, now=now, until=until or after(20), as_read=as_read)


async def settle(store: Store, approval_id: str = "r1", *, was: Stage = Stage.OPEN) -> None:
    """Settle an approval."""
    outcome = Outcome.ELSEWHERE if was is Stage.OPEN else Outcome.APPROVED
    assert await store.approvals.settle(approval_id, was=was, outcome=outcome, at=NOW)


async def bring_to(store: Store, stage: Stage, approval_id: str = "r1") -> None:
    """Admit an approval and lead it to a stage."""
    await admit(store, approval_id)
    if stage in (Stage.DECIDED, Stage.SETTLED, Stage.CLOSED):
        await decide(store, approval_id)
    if stage in (Stage.SETTLED, Stage.CLOSED):
        await settle(store, approval_id, was=Stage.DECIDED)
    if stage is Stage.CLOSED:
        assert await store.approvals.close(approval_id)
