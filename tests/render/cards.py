"""Approvals in every state, and their cards, for tests of what the chats show."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from bot.approval import Actor, Approval, Claim, Decision, Outcome, Stage, Vote
from bot.card import Card, QueueCard, card_of, queue_card_of
from bot.desk import Explanation, NotCounted
from bot.errors import Refusal
from bot.ladder import Action, Ahead, Deadline, DeadlineSource
from bot.matching import EVERYTHING
from bot.policy import Person, Policy
from bot.protocol import HITLDecision, HITLRequest, Json
from bot.records import QueueMessage
from bot.rotation import Cadence, Rotation
from bot.routing import Route
from bot.seal import Reading, Seal
from bot.surface import Destination, Surface
from bot.wording import CardState

NOW = datetime(2026, 11, 22, 14, 29, tzinfo=UTC)
UNTIL = NOW + timedelta(minutes=3)
CARD_ID = "c0ffee"
DIGEST_ID = "d19e57"
SEAL = Seal("a secret of the tests")

ANN = Person(handle="ann", name="Ann Albers", email="ann@acme.example", accounts={Surface.SLACK: "U0ANN"})
ACTOR = Actor(surface=Surface.SLACK, account="U0ANN", name=ANN.name, email=ANN.email)

ARGUMENTS: Json = {
    "to": "jane.doe@example.com",
    "subject": "Offer",
    "body": "Dear Jane,\n\nI am happy to offer …",
    "options": {"track": False, "cc": ["bo@example.com", "cy@example.com"]},
}


def request(arguments: Json = ARGUMENTS, **more: Any) -> HITLRequest:
    """One tool call that waits."""
    given: dict[str, Any] = {
        "request_id": "req-1",
        "tool_name": "send_email",
        "arguments": arguments,
        "agent_id": "hitl_approval_agent",
        "run_id": "7f3a",
        "timeout_at": UNTIL.isoformat(),
    }
    return HITLRequest(**{**given, **more})


def reading(call: str, account: str = "U0ANN") -> Reading:
    """A person's look at a call of this text."""
    return Reading(
        seal=SEAL,
        surface=Surface.SLACK,
        account=account,
        card_id=CARD_ID,
        digest=request().digest,
        call=call,
    )


def policy(why: str | None = None) -> Policy:
    """Ann in finance decides everything."""
    route = Route(
        name="default",
        match=EVERYTHING,
        cards=(Destination(surface=Surface.SLACK, channel="C0APPROVALS"),),
        approvers=("finance",),
        why=why,
    )
    return Policy(people={"ann": ANN}, groups={"finance": ("ann",)}, routes=(route,))


def ping_of(*who: str) -> Ahead:
    """What is ahead: half-way through, these are pinged."""
    return Ahead(action=Action.PING, who=who, at=NOW + (UNTIL - NOW) / 2)


def approval(asked: HITLRequest | None = None, **more: Any) -> Approval:
    """An open approval, changed by `more`."""
    given: dict[str, Any] = {
        "request": asked or request(),
        "route": "default",
        "stage": Stage.OPEN,
        "first_seen": NOW,
        "deadline": Deadline(at=UNTIL, source=DeadlineSource.TIMEOUT_AT),
    }
    return Approval(**{**given, **more})


def decision(verdict: HITLDecision = HITLDecision.APPROVED, note: str | None = None) -> Decision:
    """Ann's answer, a minute after the request."""
    return Decision(verdict=verdict, actor=ACTOR, at=NOW + timedelta(minutes=1), card_id=CARD_ID, note=note)


def settled(outcome: Outcome, by: Decision | None = None, **more: Any) -> Approval:
    """An approval that is over."""
    return approval(stage=Stage.SETTLED, outcome=outcome, decision=by, settled_at=UNTIL, **more)


def vote(verdict: HITLDecision = HITLDecision.APPROVED, **more: Any) -> Vote:
    """Ann's vote, half a minute after the request."""
    given: dict[str, Any] = {
        "person": "ann",
        "verdict": verdict,
        "actor": ACTOR,
        "at": NOW + timedelta(seconds=30),
        "card_id": CARD_ID,
        "digest": request().digest,
    }
    return Vote(**{**given, **more})


def claim(**more: Any) -> Claim:
    """Ann's claim, from ten seconds after the request to a minute after it."""
    lease = {"at": NOW + timedelta(seconds=10), "until": NOW + timedelta(minutes=1)}
    return Claim(**{"person": "ann", "name": ANN.name, **lease, **more})


def digest_card(*, count: int, named: int = 5, flooding: tuple[str, ...] = ()) -> QueueCard:
    """The digest of a channel in which so many requests wait, of which the store gave the first `named`."""
    first = tuple(
        approval(
            request(request_id=f"req-{n}", tool_name=f"tool_{n}"),
            deadline=Deadline(at=UNTIL + timedelta(seconds=n), source=DeadlineSource.TIMEOUT_AT),
        )
        for n in range(min(count, named))
    )
    where = Destination(surface=Surface.SLACK, channel="C0APPROVALS")
    digest = QueueMessage(digest_id=DIGEST_ID, destination=where, count=count, first=first)
    return queue_card_of(digest, policy=policy(), seal=SEAL, now=NOW, flooding=flooding)


BOB = Person(handle="bob", name="Bob Brandt", email="bob@acme.example", accounts={Surface.SLACK: "U0BOB"})
OLU = Person(handle="olu", name="Olu Okafor", email="olu@acme.example", accounts={Surface.SLACK: "U0OLU"})


def house(*, quorum: int = 1, **more: Any) -> Policy:
    """Ann and Bob decide, Olu is on call, agents have names, and runs a page."""
    usual = policy()
    route = replace(usual.routes[0], approvers=("finance",), quorum=quorum, why="moves money", **more)
    shift = Rotation(
        people=("olu",), zone=ZoneInfo("UTC"), cadence=Cadence.DAILY, at=time(9), begins=NOW.date()
    )
    return replace(
        usual,
        people={"ann": ANN, "bob": BOB, "olu": OLU},
        groups={"finance": ("ann", "bob"), "oncall": ("olu",)},
        routes=(route,),
        oncall={"oncall": shift},
        agents={"hitl_approval_agent": "Mail agent"},
        run_link="https://acme.example/runs/{run_id}?tab=log",
    )


def house_card(of: Approval, rules: Policy, *, after: timedelta = timedelta(), **more: Any) -> Card:
    """The card of an approval in the house, so long after it was asked."""
    return card_of(of, card_id=CARD_ID, policy=rules, seal=SEAL, now=NOW + after, **more)


#: An approval for each state; a card is CHANGED when another one has replaced it.
ENDS = {
    CardState.CHANGED: approval(),
    CardState.AUTOMATIC: approval(rule="read-only"),
    CardState.APPROVED: settled(Outcome.APPROVED, decision()),
    CardState.REJECTED: settled(
        Outcome.REJECTED, decision(HITLDecision.REJECTED, "Wrong <Jane> & *wrong* day")
    ),
    CardState.SKIPPED: settled(Outcome.SKIPPED, decision(HITLDecision.SKIPPED)),
    CardState.EXPIRED: settled(Outcome.TIMEOUT_SKIP),
    CardState.ELSEWHERE: settled(Outcome.ELSEWHERE, decision(), platform_word="rejected"),
    CardState.UNDELIVERABLE: settled(Outcome.UNDELIVERABLE, decision()),
    CardState.SENDING: approval(stage=Stage.DECIDED, decision=decision()),
    CardState.RETRYING: approval(stage=Stage.DECIDED, decision=decision(), trouble="it answers with HTTP 503"),
    CardState.OPEN: approval(escalated_at=NOW + timedelta(minutes=2)),
}


def shown(of: Approval, *, why: str | None = None, superseded: bool = False, now: datetime = NOW) -> Card:
    """The card of an approval."""
    return card_of(of, card_id=CARD_ID, policy=policy(why), seal=SEAL, now=now, superseded=superseded)


def card(state: CardState = CardState.OPEN) -> Card:
    """The card of an approval in this state."""
    return shown(ENDS[state], why="sends mail to people outside", superseded=state is CardState.CHANGED)


def open_card(arguments: Json, **more: Any) -> Card:
    """The open card of a call with these arguments."""
    return shown(approval(request(arguments, **more)))


def not_counted(code: Refusal, text: str) -> NotCounted:
    """A refusal as the desk answers it."""
    return NotCounted(card_id=None, code=code, text=text)


def explanation(*lines: str, refusal: Refusal | None = None, **more: Any) -> Explanation:
    """An answer to "Why me?" as the desk gives it."""
    return Explanation(card_id=CARD_ID, lines=lines, refusal=refusal, **more)
