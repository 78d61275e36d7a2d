"""Who may click what, when: every situation with its one right result, on the real desk and the real store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adapters.store.open import SqlStore, open_store
from bot.approval import Actor, Approval, Outcome, Stage, Vote
from bot.card import Button
from bot.desk import Click
from bot.errors import Refusal, Refused
from bot.flow.desk import FrontDesk
from bot.ladder import Deadline, DeadlineSource
from bot.matching import Match, Pattern
from bot.policy import Delegation, Person, Policy
from bot.protocol import HITLDecision, HITLRequest
from bot.records import Placement
from bot.routing import ReasonRule, RejectionRule, Route
from bot.rules import Rule, Rules
from bot.seal import Seal
from bot.surface import Destination, Surface

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
HERE = Destination(surface=Surface.SLACK, channel="C0APPROVALS")
SEAL, OTHER_SEAL = Seal("s" * 32), Seal("x" * 32)
A, R, S = Button.APPROVE, Button.REJECT, Button.SKIP
SLACK = Surface.SLACK


def person(handle: str, **more: object) -> Person:
    account = {SLACK: f"U0{handle.upper()}"}
    return Person(**{"handle": handle, "name": handle.title(), "accounts": account, **more})  # type: ignore[arg-type]


PEOPLE = {
    p.handle: p
    for p in (
        person("ann", email="ann@acme.example"),
        person("bob"),
        person("cyd"),
        person("eve"),
        person("gil", outside=frozenset({SLACK})),
        person("gone", accounts={}),
        person("deputy"),
        person("late"),
        person("helper"),
    )
}


def route(name: str, **more: object) -> Route:
    usual = {"match": Match(tool=Pattern(text=name)), "cards": (HERE,), "approvers": ("finance", "gil")}
    return Route(name=name, **(usual | more))  # type: ignore[arg-type]


ROUTES = (
    route("one"),
    route("two", quorum=2),
    route("both", quorum=2, rejection=RejectionRule.QUORUM),
    route("nobody", approvers=()),
    route("guests", outsiders=("gil",)),
    route("own", requester="arguments.by"),
    route("own-allowed", requester="arguments.by", self_approval=True),
    route(
        "why", reason={HITLDecision.REJECTED: ReasonRule.REQUIRED, HITLDecision.APPROVED: ReasonRule.REQUIRED}
    ),
    route("default", match=Match()),
)
POLICY = Policy(
    people=PEOPLE,
    groups={"finance": ("ann", "bob", "cyd", "gone")},
    routes=ROUTES,
    rules=Rules(
        deny=(Rule(name="no-drops", match=Match(tool=Pattern(text="drop_*")), verdict=HITLDecision.REJECTED),)
    ),
    delegations=(
        Delegation(giver="ann", taker="deputy", until=NOON + timedelta(hours=1)),
        Delegation(giver="ann", taker="late", until=NOON - timedelta(hours=1)),
        Delegation(giver="eve", taker="helper", until=NOON + timedelta(hours=1)),
    ),
)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One situation. `then` is a refusal, or the stage that the approval is in afterwards."""

    what: str
    who: str
    verb: Button
    then: Refusal | Stage
    route: str = "one"
    state: str = "open"
    note: str | None = None
    home: bool = True
    seal: Seal = SEAL
    channel: str = "C0APPROVALS"
    ref: str = "ts1"
    seen_whole: bool = False


def cases() -> list[Case]:
    return [
        *(Case(what=f"an approver: {verb}", who="ann", verb=verb, then=Stage.DECIDED) for verb in (A, R, S)),
        *(Case(what=f"not an approver: {verb}", who="eve", verb=verb, then=Refusal.NOT_APPROVER) for verb in (A, R, S)),
        *(Case(what=f"unknown to the policy: {verb}", who="mallory", verb=verb, then=Refusal.NOT_APPROVER) for verb in (A, R, S)),
        *(Case(what=f"nobody may: {verb}", who="ann", verb=verb, route="nobody", then=Refusal.NOT_APPROVER) for verb in (A, R, S)),
        *(Case(what=f"route gone: {verb}", who="ann", verb=verb, route="removed", then=Refusal.NOT_APPROVER) for verb in (A, R, S)),
        *(Case(what=f"a guest: {verb}", who="gil", verb=verb, then=Refusal.OUTSIDER) for verb in (A, R, S)),
        *(Case(what=f"a guest named by the route: {verb}", who="gil", verb=verb, route="guests", then=Stage.DECIDED) for verb in (A, R, S)),
        *(Case(what=f"from another workspace: {verb}", who="ann", verb=verb, home=False, then=Refusal.OUTSIDER) for verb in (A, R, S)),
        Case(what="another workspace, guests route", who="ann", verb=A, home=False, route="guests", then=Refusal.OUTSIDER),
        Case(what="another workspace, named", who="gil", verb=A, home=False, route="guests", then=Stage.DECIDED),
        Case(what="deactivated", who="gone", verb=A, then=Refusal.NOT_APPROVER),
        Case(what="the delegate of one who is away", who="deputy", verb=A, then=Stage.DECIDED),
        Case(what="the delegate rejects", who="deputy", verb=R, then=Stage.DECIDED),
        Case(what="a delegation that ended", who="late", verb=A, then=Refusal.NOT_APPROVER),
        Case(what="a delegation by one who may not", who="helper", verb=A, then=Refusal.NOT_APPROVER),
        *(Case(what=f"her own request: {verb}", who="ann", verb=verb, route="own", then=Refusal.SELF_APPROVAL) for verb in (A, R, S)),
        Case(what="somebody else's request", who="bob", verb=A, route="own", then=Stage.DECIDED),
        Case(what="for the requester, as her delegate", who="deputy", verb=A, route="own", then=Refusal.SELF_APPROVAL),
        Case(what="her own, where allowed", who="ann", verb=A, route="own-allowed", then=Stage.DECIDED),
        *(Case(what=f"first of two: {verb}", who="ann", verb=verb, route="two", then=stage) for verb, stage in ((A, Stage.OPEN), (R, Stage.DECIDED), (S, Stage.DECIDED))),
        Case(what="second of two", who="bob", verb=A, route="two", state="voted", then=Stage.DECIDED),
        Case(what="the same person again", who="ann", verb=A, route="two", state="voted", then=Refusal.ALREADY_VOTED),
        Case(what="she changes her mind", who="ann", verb=R, route="two", state="voted", then=Stage.DECIDED),
        Case(what="one rejection where it takes two", who="bob", verb=R, route="both", state="voted", then=Stage.OPEN),
        Case(what="a delegate of one who voted is no second person", who="deputy", verb=A, route="two", state="voted", then=Stage.OPEN),
        *(Case(what=f"decided by another: {verb}", who="bob", verb=verb, state="decided", then=Refusal.ALREADY_DECIDED) for verb in (A, R, S)),
        *(Case(what=f"decided by herself: {verb}", who="ann", verb=verb, state="decided", then=Refusal.ALREADY_DECIDED) for verb in (A, R, S)),
        *(Case(what=f"past the deadline: {verb}", who="ann", verb=verb, state="late", then=Refusal.EXPIRED) for verb in (A, R, S)),
        *(Case(what=f"expired: {verb}", who="ann", verb=verb, state="expired", then=Refusal.EXPIRED) for verb in (A, R, S)),
        *(Case(what=f"answered elsewhere: {verb}", who="ann", verb=verb, state="elsewhere", then=Refusal.ANSWERED_ELSEWHERE) for verb in (A, R, S)),
        *(Case(what=f"changed under the card: {verb}", who="ann", verb=verb, state="changed", then=Refusal.CHANGED) for verb in (A, R, S)),
        *(Case(what=f"a rule answers it: {verb}", who="ann", verb=verb, state="automatic", then=Refusal.AUTOMATIC) for verb in (A, R, S)),
        *(Case(what=f"sealed by somebody else: {verb}", who="ann", verb=verb, seal=OTHER_SEAL, then=Refusal.FORGED) for verb in (A, R, S)),
        Case(what="another channel", who="ann", verb=A, channel="C0OTHER", then=Refusal.MOVED_CARD),
        Case(what="another message", who="ann", verb=A, ref="ts2", then=Refusal.MOVED_CARD),
        Case(what="an unknown card", who="ann", verb=A, state="unknown", then=Refusal.UNKNOWN_CARD),
        Case(what="denied by the policy: approve", who="ann", verb=A, state="denied", then=Refusal.DENIED),
        Case(what="denied by the policy: reject", who="ann", verb=R, state="denied", then=Stage.DECIDED),
        Case(what="too long for the card", who="ann", verb=A, state="long", then=Refusal.NOT_SHOWN_WHOLE),
        Case(what="too long, but all was shown", who="ann", verb=A, state="long", seen_whole=True, then=Stage.DECIDED),
        Case(what="too long: reject", who="ann", verb=R, state="long", then=Stage.DECIDED),
        Case(what="cut by the platform", who="ann", verb=A, state="cut", seen_whole=True, then=Refusal.NEVER_APPROVED),
        Case(what="cut by the platform: skip", who="ann", verb=S, state="cut", then=Stage.DECIDED),
        Case(what="no canonical form", who="ann", verb=A, state="flawed", seen_whole=True, then=Refusal.NEVER_APPROVED),
        Case(what="no canonical form: reject", who="ann", verb=R, state="flawed", then=Stage.DECIDED),
        *(Case(what=f"no reason given: {verb}", who="ann", verb=verb, route="why", then=Refusal.REASON_REQUIRED) for verb in (A, R)),
        *(Case(what=f"a reason given: {verb}", who="ann", verb=verb, route="why", note="because", then=Stage.DECIDED) for verb in (A, R)),
        Case(what="skip needs no reason", who="ann", verb=S, route="why", then=Stage.DECIDED),
        Case(what="an endless reason", who="ann", verb=R, note="x" * 1001, then=Refusal.NOTE_TOO_LONG),
    ]  # fmt: skip


def request_for(case: Case) -> HITLRequest:
    arguments: dict[str, object] = {"by": "ann@acme.example", "amount": 5}
    if case.state == "long":
        arguments["body"] = "word " * 4000
    return HITLRequest(
        request_id="r1",
        tool_name="drop_table" if case.state == "denied" else "pay",
        arguments=arguments,  # type: ignore[arg-type]
        agent_id="agent",
        whole=case.state != "cut",
        flaw="it has a key twice" if case.state == "flawed" else None,
    )


def vote_of(who: str, verdict: HITLDecision, request: HITLRequest) -> Vote:
    actor = Actor(surface=SLACK, account=f"U0{who.upper()}", name=who.title())
    return Vote(person=who, verdict=verdict, actor=actor, at=NOON, card_id="c1", digest=request.digest)


async def arrange(store: SqlStore, case: Case, request: HITLRequest) -> None:
    """The record in the case's state, with its card up."""
    deadline = Deadline(at=NOON + timedelta(minutes=3), source=DeadlineSource.TIMEOUT_AT)
    approval = Approval(
        request=request,
        route=case.route,
        rule="read-only" if case.state == "automatic" else None,
        stage=Stage.OPEN,
        first_seen=NOON,
        deadline=deadline,
    )
    await store.approvals.admit(
        approval, placements=[Placement(card_id="c1", approval_id="r1", destination=HERE)], rungs=[]
    )
    await store.placements.shown("c1", ref="ts1", revision=1, digest=request.digest)
    approved = vote_of("ann", HITLDecision.APPROVED, request)
    match case.state:
        case "voted":
            await store.approvals.vote("r1", vote=approved, needs=2, counting=None)
        case "decided":
            await store.approvals.vote("r1", vote=approved, needs=1, counting=None)
        case "expired":
            await store.approvals.settle("r1", was=Stage.OPEN, outcome=Outcome.TIMEOUT_SKIP, at=NOON)
        case "elsewhere":
            await store.approvals.settle("r1", was=Stage.OPEN, outcome=Outcome.ELSEWHERE, at=NOON)
        case "changed":
            changed = replace(request, arguments={"amount": 5000})
            new = Placement(card_id="c2", approval_id="r1", destination=HERE)
            await store.approvals.revise(
                "r1",
                was=Stage.OPEN,
                request=changed,
                route="one",
                deadline=deadline,
                placements=[new],
                rungs=[],
            )


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[SqlStore]:
    async with open_store(f"sqlite:///{folder / 'nod.db'}", ring=lambda _: None, pagers=()) as store:
        yield store


CASES = cases()


def test_the_matrix_is_large_enough() -> None:
    """At least sixty situations, each named once."""
    assert len(CASES) >= 60
    assert len(CASES) == len({case.what for case in CASES})


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
async def test_click(tmp_path: Path, case: Case) -> None:
    """Exactly the specified result: counted, decided, or refused with this code; and never a decision more."""
    now = NOON + timedelta(minutes=4 if case.state == "late" else 1)
    policy = replace(POLICY, rules=POLICY.rules if case.state == "denied" else Rules())
    request = request_for(case)
    async with opened(tmp_path) as store:
        await arrange(store, case, request)
        desk = FrontDesk(store=store, policy=lambda: policy, seal=SEAL, clock=lambda: now, count=lambda _: None)
        card_id = "c9" if case.state == "unknown" else "c1"
        click = Click(
            surface=SLACK,
            account=f"U0{case.who.upper()}",
            home=case.home,
            value=case.seal.value(card_id=card_id, verb=case.verb.value, digest=request.digest),
            channel=case.channel,
            ref=case.ref,
            verb=case.verb,
            note=case.note,
            seen_whole=case.seen_whole,
        )
        before = await store.approvals.get("r1")
        assert before is not None

        got: Refusal | Stage
        try:
            await desk.decide(click)
        except Refused as refused:
            got = refused.code
        else:
            after = await store.approvals.get("r1")
            assert after is not None
            got = after.stage

        after = await store.approvals.get("r1")
        assert after is not None
        assert case.then is got
        if isinstance(case.then, Refusal):
            assert (before.stage, before.decision, before.votes) == (after.stage, after.decision, after.votes)
        explained = await asyncio.gather(desk.explain(click), return_exceptions=True)
        assert isinstance(explained[0], tuple | Refused)
