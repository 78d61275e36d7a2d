"""Who may click what, when, where: every situation in Slack and in Teams with its one right result.

On the real desk and the real store. Each request has a card on both surfaces, as most people have an account.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adapters.store.open import SqlStore, open_store
from bot.approval import Actor, Approval, Claim, Outcome, Stage, Vote
from bot.call import lines_of, text_of
from bot.card import DIGEST_SEAL, Button
from bot.desk import Click, NotCounted, ReasonForm, Reply, Voted
from bot.errors import Refusal
from bot.flow.desk import FrontDesk
from bot.ladder import Action, Deadline, DeadlineSource
from bot.matching import Match, Pattern
from bot.policy import Delegation, Person, Policy
from bot.ports import NO_METRICS
from bot.protocol import HITLDecision, HITLRequest
from bot.records import LAST_CALLS, DueRung, NewApproval, Placement
from bot.routing import ReasonRule, RejectionRule, Route, Rule, Rules
from bot.seal import Pages, Reading, Seal
from bot.surface import Destination, Surface
from tests.servers.sqlite_template import lay_database

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
SLACK, TEAMS = Surface.SLACK, Surface.TEAMS
BOTH = frozenset({SLACK, TEAMS})
OTHER = {SLACK: TEAMS, TEAMS: SLACK}
PLACES = {
    SLACK: Destination(surface=SLACK, channel="C0APPROVALS"),
    TEAMS: Destination(surface=TEAMS, channel="approvals"),
}
CARDS = {SLACK: "card-in-slack", TEAMS: "card-in-teams"}
SEAL, OTHER_SEAL = Seal("s" * 32), Seal("x" * 32)
A, R, S = Button.APPROVE, Button.REJECT, Button.SKIP
CLAIM, NEXT = Button.CLAIM, Button.NEXT


def account_of(handle: str, surface: Surface) -> str:
    return f"U0{handle.upper()}" if surface == SLACK else f"tenant/{handle}"


def person(handle: str, on: frozenset[Surface] = BOTH, **more: object) -> Person:
    accounts = {surface: account_of(handle, surface) for surface in on}
    return Person(**{"handle": handle, "name": handle.title(), "accounts": accounts, **more})  # type: ignore[arg-type]


PEOPLE = {
    p.handle: p
    for p in (
        person("ann", email="ann@acme.example"),
        person("bob"),
        person("cyd"),
        person("eve"),
        person("gil", outside=BOTH),
        person("tess", outside=frozenset({TEAMS})),
        person("sal", frozenset({SLACK})),
        person("tom", frozenset({TEAMS})),
        person("gone", frozenset()),
        person("deputy"),
        person("late"),
        person("helper"),
    )
}


def route(name: str, **more: object) -> Route:
    usual = {
        "match": Match(tool=Pattern(text=name)),
        "cards": tuple(PLACES.values()),
        "approvers": ("finance", "gil"),
    }
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
    groups={"finance": ("ann", "bob", "cyd", "gone", "sal", "tess", "tom")},
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
    """One situation. What comes of it is a refusal, or the stage that the approval is in afterwards."""

    what: str
    who: str
    verb: Button
    then: Refusal | Stage  #: on either surface, or in Slack where `teams` says another thing
    teams: Refusal | Stage | None = None
    route: str = "one"
    state: str = "open"
    note: str | None = None
    home: bool = True
    seal: Seal = SEAL
    channel: str | None = None  #: where it was pressed, if not where its card is
    ref: str = "m1"
    borrowed: bool = False  #: the button is the one of the other surface's card
    seen_whole: bool = False

    def comes_to(self, surface: Surface) -> Refusal | Stage:
        """The specified result there."""
        return self.teams if surface == TEAMS and self.teams is not None else self.then


def cases() -> list[Case]:
    return [
        *(Case(what=f"an approver: {verb}", who="ann", verb=verb, then=Stage.DECIDED) for verb in (A, R, S)),
        *(Case(what=f"not an approver: {verb}", who="eve", verb=verb, then=Refusal.NOT_APPROVER) for verb in (A, R, S)),
        *(Case(what=f"unknown to the policy: {verb}", who="mallory", verb=verb, then=Refusal.NOT_APPROVER) for verb in (A, R, S)),
        *(Case(what=f"nobody may: {verb}", who="ann", verb=verb, route="nobody", then=Refusal.NOT_APPROVER) for verb in (A, R, S)),
        *(Case(what=f"route gone: {verb}", who="ann", verb=verb, route="removed", then=Refusal.NOT_APPROVER) for verb in (A, R, S)),
        *(Case(what=f"a guest: {verb}", who="gil", verb=verb, then=Refusal.OUTSIDER) for verb in (A, R, S)),
        *(Case(what=f"a guest named by the route: {verb}", who="gil", verb=verb, route="guests", then=Stage.DECIDED) for verb in (A, R, S)),
        *(Case(what=f"from another workspace or tenant: {verb}", who="ann", verb=verb, home=False, then=Refusal.OUTSIDER) for verb in (A, R, S)),
        Case(what="another workspace or tenant, guests route", who="ann", verb=A, home=False, route="guests", then=Refusal.OUTSIDER),
        Case(what="another workspace or tenant, named", who="gil", verb=A, home=False, route="guests", then=Stage.DECIDED),
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
        Case(what="first was one who is a guest now", who="ann", verb=A, route="two", state="gil voted", then=Stage.OPEN),
        Case(what="first was one who left", who="ann", verb=A, route="two", state="gone voted", then=Stage.OPEN),
        Case(what="first was one who is a guest in Teams only", who="ann", verb=A, route="two", state="tess voted", then=Stage.DECIDED),
        Case(what="one rejection where it takes two", who="bob", verb=R, route="both", state="voted", then=Stage.OPEN),
        Case(what="a delegate of one who voted is no second person", who="deputy", verb=A, route="two", state="voted", then=Stage.OPEN),
        *(Case(what=f"decided by another: {verb}", who="bob", verb=verb, state="decided", then=Refusal.ALREADY_DECIDED) for verb in (A, R, S)),
        *(Case(what=f"decided by herself: {verb}", who="ann", verb=verb, state="decided", then=Refusal.ALREADY_DECIDED) for verb in (A, R, S)),
        *(Case(what=f"past the deadline: {verb}", who="ann", verb=verb, state="late", then=Refusal.EXPIRED) for verb in (A, R, S)),
        *(Case(what=f"expired: {verb}", who="ann", verb=verb, state="expired", then=Refusal.EXPIRED) for verb in (A, R, S)),
        *(Case(what=f"answered elsewhere: {verb}", who="ann", verb=verb, state="elsewhere", then=Refusal.ANSWERED_ELSEWHERE) for verb in (A, R, S)),
        *(Case(what=f"changed under the card: {verb}", who="ann", verb=verb, state="changed", then=Refusal.CHANGED) for verb in (A, R, S)),
        *(Case(what=f"changed, and back to what the card shows: {verb}", who="ann", verb=verb, state="back", then=Refusal.CHANGED) for verb in (A, R, S)),
        *(Case(what=f"the card was drawn for another call: {verb}", who="ann", verb=verb, state="drawn", then=then) for verb, then in ((A, Refusal.CHANGED), (R, Stage.DECIDED), (S, Stage.DECIDED))),
        *(Case(what=f"a rule answers it: {verb}", who="ann", verb=verb, state="automatic", then=Refusal.AUTOMATIC) for verb in (A, R, S)),
        *(Case(what=f"sealed by somebody else: {verb}", who="ann", verb=verb, seal=OTHER_SEAL, then=Refusal.FORGED) for verb in (A, R, S)),
        Case(what="another channel", who="ann", verb=A, channel="C0OTHER", then=Refusal.MOVED_CARD),
        Case(what="another message", who="ann", verb=A, ref="m2", then=Refusal.MOVED_CARD),
        Case(what="the other surface's button", who="ann", verb=A, borrowed=True, then=Refusal.MOVED_CARD),
        Case(what="the other surface's button, claim", who="ann", verb=CLAIM, borrowed=True, then=Refusal.MOVED_CARD),
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
        *(Case(what=f"known in Slack only: {verb}", who="sal", verb=verb, then=Stage.DECIDED, teams=Refusal.NOT_APPROVER) for verb in (A, R, S)),
        *(Case(what=f"known in Teams only: {verb}", who="tom", verb=verb, then=Refusal.NOT_APPROVER, teams=Stage.DECIDED) for verb in (A, R, S)),
        *(Case(what=f"a guest in Teams only: {verb}", who="tess", verb=verb, then=Stage.DECIDED, teams=Refusal.OUTSIDER) for verb in (A, R, S)),
        *claims_and_digests(),
        *across_surfaces(),
    ]  # fmt: skip


def across_surfaces() -> list[Case]:
    """A decision on the other surface is valid on this one."""
    return [
        Case(what="she voted there, the same", who="ann", verb=A, route="two", state="voted there", then=Refusal.ALREADY_VOTED),
        Case(what="she voted there, another", who="ann", verb=R, route="two", state="voted there", then=Stage.DECIDED),
        Case(what="she voted there, he is the second", who="bob", verb=A, route="two", state="voted there", then=Stage.DECIDED),
        Case(what="she voted there, her delegate", who="deputy", verb=A, route="two", state="voted there", then=Stage.OPEN),
        Case(what="she voted there, claim", who="ann", verb=CLAIM, route="two", state="voted there", then=Refusal.ALREADY_VOTED),
        *(Case(what=f"she decided there, he: {verb}", who="bob", verb=verb, state="decided there", then=Refusal.ALREADY_DECIDED) for verb in (A, R, S, CLAIM)),
        *(Case(what=f"she decided there, she: {verb}", who="ann", verb=verb, state="decided there", then=Refusal.ALREADY_DECIDED) for verb in (A, R, S)),
    ]  # fmt: skip


def claims_and_digests() -> list[Case]:
    """ "I'm on it", and the next one of a digest: the stage afterwards is that nothing was decided."""
    nobody = Refusal.NOTHING_WAITING
    return [
        Case(what="claim: an approver", who="ann", verb=CLAIM, then=Stage.OPEN),
        Case(what="claim: not an approver", who="eve", verb=CLAIM, then=Refusal.NOT_APPROVER),
        Case(what="claim: unknown to the policy", who="mallory", verb=CLAIM, then=Refusal.NOT_APPROVER),
        Case(what="claim: a guest", who="gil", verb=CLAIM, then=Refusal.OUTSIDER),
        Case(what="claim: from another workspace or tenant", who="ann", verb=CLAIM, home=False, then=Refusal.OUTSIDER),
        Case(what="claim: known in Slack only", who="sal", verb=CLAIM, then=Stage.OPEN, teams=Refusal.NOT_APPROVER),
        Case(what="claim: known in Teams only", who="tom", verb=CLAIM, then=Refusal.NOT_APPROVER, teams=Stage.OPEN),
        Case(what="claim: he is on it there", who="ann", verb=CLAIM, state="claimed there", then=Refusal.ALREADY_CLAIMED),
        Case(what="claim: she is on it there", who="bob", verb=CLAIM, state="claimed there", then=Refusal.ALREADY_CLAIMED),
        Case(what="claimed there is no lock", who="ann", verb=A, state="claimed there", then=Stage.DECIDED),
        Case(what="claim: past the deadline", who="ann", verb=CLAIM, state="late", then=Refusal.EXPIRED),
        Case(what="claim: changed under the card", who="ann", verb=CLAIM, state="changed", then=Refusal.CHANGED),
        Case(what="next: an approver", who="ann", verb=NEXT, state="gathered", then=Stage.OPEN),
        Case(what="next: not an approver", who="eve", verb=NEXT, state="gathered", then=nobody),
        Case(what="next: unknown to the policy", who="mallory", verb=NEXT, state="gathered", then=nobody),
        Case(what="next: a guest", who="gil", verb=NEXT, state="gathered", then=nobody),
        Case(what="next: a guest named by the route", who="gil", verb=NEXT, route="guests", state="gathered", then=Stage.OPEN),
        Case(what="next: from another workspace or tenant", who="ann", verb=NEXT, home=False, state="gathered", then=nobody),
        Case(what="next: known in Slack only", who="sal", verb=NEXT, state="gathered", then=Stage.OPEN, teams=nobody),
        Case(what="next: known in Teams only", who="tom", verb=NEXT, state="gathered", then=nobody, teams=Stage.OPEN),
        Case(what="next: the other surface's digest", who="ann", verb=NEXT, state="gathered", borrowed=True, then=Refusal.MOVED_CARD),
        Case(what="next: another channel", who="ann", verb=NEXT, state="gathered", channel="C0OTHER", then=Refusal.MOVED_CARD),
        Case(what="next: sealed by somebody else", who="ann", verb=NEXT, state="gathered", seal=OTHER_SEAL, then=Refusal.FORGED),
        *(Case(what=f"opened from a digest: {verb}", who="ann", verb=verb, state="gathered", seen_whole=True, then=Stage.DECIDED) for verb in (A, R, S)),
        Case(what="opened from a digest: a guest", who="gil", verb=A, state="gathered", seen_whole=True, then=Refusal.OUTSIDER),
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
        flaw="it contains the same key twice" if case.state == "flawed" else None,
    )


def vote_of(who: str, verdict: HITLDecision, request: HITLRequest, *, surface: Surface) -> Vote:
    actor = Actor(surface=surface, account=account_of(who, surface), name=who.title())
    return Vote(
        person=who, verdict=verdict, actor=actor, at=NOON, card_id=CARDS[surface], digest=request.digest
    )


async def arrange(store: SqlStore, case: Case, request: HITLRequest, *, here: Surface) -> None:
    """The record in the case's state, with a card up on both surfaces; what is done there, is done elsewhere."""
    deadline = Deadline(at=NOON + timedelta(minutes=3), source=DeadlineSource.TIMEOUT_AT)
    approval = Approval(
        request=request,
        route=case.route,
        rule="read-only" if case.state == "automatic" else None,
        stage=Stage.OPEN,
        first_seen=NOON,
        deadline=deadline,
    )
    cards = [Placement(card_id=CARDS[one], approval_id="r1", destination=PLACES[one]) for one in PLACES]
    await store.approvals.insert([NewApproval(approval=approval, placements=cards)])
    if case.state == "gathered":
        await store.queue_messages.batch(list(CARDS.values()))
        return
    shown = replace(request, arguments={"amount": 5000}) if case.state == "drawn" else request
    for card_id in CARDS.values():
        await store.placements.shown(card_id, ref="m1", revision=1, digest=shown.digest)
    where = OTHER[here] if case.state.endswith("there") else here
    approved = vote_of("ann", HITLDecision.APPROVED, request, surface=where)
    match case.state.removesuffix(" there"):
        case "voted":
            await store.approvals.vote("r1", vote=approved, needs=2, eligible=None)
        case "gil voted" | "gone voted" | "tess voted" as state:
            theirs = vote_of(state.removesuffix(" voted"), HITLDecision.APPROVED, request, surface=where)
            await store.approvals.vote("r1", vote=theirs, needs=2, eligible=None)
        case "decided":
            await store.approvals.vote("r1", vote=approved, needs=1, eligible=None)
        case "claimed":
            claim = Claim(person="bob", name="Bob", at=NOON, until=deadline.at)
            last = DueRung(
                approval_id="r1", number=LAST_CALLS, due_at=deadline.at, action=Action.LAST_CALL, who=("bob",)
            )
            await store.approvals.claim("r1", claim=claim, digest=request.digest, last_call=last)
        case "expired":
            await store.approvals.settle("r1", was=Stage.OPEN, outcome=Outcome.TIMEOUT_SKIP, at=NOON)
        case "elsewhere":
            await store.approvals.settle("r1", was=Stage.OPEN, outcome=Outcome.ELSEWHERE, at=NOON)
        case "changed" | "back":
            calls = [replace(request, arguments={"amount": 5000}), request]
            for number, call in enumerate(calls[: 1 if case.state == "changed" else 2]):
                new = [replace(card, card_id=f"{card.card_id}-{number}") for card in cards]
                assert await store.approvals.revise(
                    "r1", was=Stage.OPEN, request=call, route="one", deadline=deadline, placements=new, rungs=[]
                )


def seen_by(case: Case, request: HITLRequest, *, here: Surface) -> str:
    """The seal of every page."""
    reading = Reading(
        seal=SEAL,
        surface=here,
        account=account_of(case.who, here),
        card_id=CARDS[here],
        digest=request.digest,
        call=text_of(lines_of(request, redaction=POLICY.redaction)),
    )
    return reading.sealed(Pages(seen=0, count=1))


async def click_of(store: SqlStore, case: Case, request: HITLRequest, *, here: Surface) -> Click:
    """The press that the case is about."""
    whose = OTHER[here] if case.borrowed else here
    card_id, digest = ("card-of-nobody" if case.state == "unknown" else CARDS[whose]), request.digest
    if case.verb is NEXT:
        standing = {one.destination: one.digest_id for one in await store.queue_messages.standing(lines=1)}
        card_id, digest = standing[PLACES[whose]], DIGEST_SEAL
    return Click(
        surface=here,
        account=account_of(case.who, here),
        home=case.home,
        value=case.seal.value(card_id=card_id, verb=case.verb.value, digest=digest),
        channel=case.channel or PLACES[here].channel,
        ref=case.ref,
        verb=case.verb,
        form=True,
        note=case.note,
        look=seen_by(case, request, here=here) if case.seen_whole and case.verb is A else None,
    )


def code_of(reply: Reply) -> Refusal | None:
    """Why it does not count; None where it does."""
    refused = reply.problem if isinstance(reply, ReasonForm) else reply
    return refused.code if isinstance(refused, NotCounted) else None


CASES = cases()


def test_the_matrix_is_large_enough() -> None:
    """At least sixty situations, each named once; where the surfaces differ, they differ."""
    assert len(CASES) >= 60
    assert len(CASES) == len({case.what for case in CASES})
    assert not [case.what for case in CASES if case.teams is case.then]


# Every case in one of the chats; `make test-all` has both.
@pytest.mark.parametrize(
    ("case", "here"),
    [
        pytest.param(case, here, id=f"{case.what}-{here}", marks=() if turn == number % 2 else pytest.mark.slow)
        for number, case in enumerate(CASES)
        for turn, here in enumerate(PLACES)
    ],
)
async def test_click(tmp_path: Path, case: Case, here: Surface) -> None:
    """Exactly the specified result: counted, decided, or refused with this code; and never a decision more."""
    now = NOON + timedelta(minutes=4 if case.state == "late" else 1)
    policy = replace(POLICY, rules=POLICY.rules if case.state == "denied" else Rules())
    request, then = request_for(case), case.comes_to(here)
    lay_database(tmp_path)
    async with open_store(f"sqlite:///{tmp_path / 'nod.db'}", ring=lambda _: None, pagers=()) as store:
        await arrange(store, case, request, here=here)
        desk = FrontDesk(store=store, policy=lambda: policy, seal=SEAL, clock=lambda: now, metrics=NO_METRICS)
        click = await click_of(store, case, request, here=here)
        before = await store.approvals.get("r1")
        assert before is not None

        given = await desk.press(click)
        got = code_of(given)
        if isinstance(given, Voted):
            # An Approve is valid only where all was shown: on the card, or in pages.
            assert given.vote.seen_whole is (case.verb is A)

        after = await store.approvals.get("r1")
        assert after is not None
        assert then is (got or after.stage)
        if isinstance(then, Refusal):
            assert before == after
        if then is Stage.DECIDED and after.decision is not None:
            assert (here, click.account) == (after.decision.actor.surface, after.decision.actor.account)
        assert isinstance(await desk.press(replace(click, verb=Button.WHY)), NotCounted)
