"""Approval -> Card: what every chat must show, in no chat's dialect. Pure.

A card answers in this order, without a click: what would run, with what, who asks, until when and what
happens then, what is still needed. Text that an agent wrote stands only in `tool`, `agent`, `run`, `call`
and `folded`, and a chat must show those as they are, unparsed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import assert_never

from bot.approval import Approval, Outcome, Stage
from bot.call import Line, excerpt, lines_of, size_of
from bot.ladder import DeadlineSource
from bot.policy import Policy, approvers_named
from bot.protocol import HITLDecision

#: The longest name of a tool or agent inside a sentence, in characters.
LONGEST_NAME = 80

#: Plain text and moments, in order. A chat shows each moment in its reader's own time zone.
Saying = tuple[str | datetime, ...]


class CardState(StrEnum):
    """What a card shows; one look per state, on every surface (card.md, Its states)."""

    OPEN = "open"
    SENDING = "sending"
    APPROVED = "approved"
    REJECTED = "rejected"
    SKIPPED = "skipped"
    EXPIRED = "expired"
    ELSEWHERE = "elsewhere"
    RETRYING = "retrying"
    UNDELIVERABLE = "undeliverable"


class Button(StrEnum):
    """What a person can press on a card. Buttons exist only while a click can count."""

    APPROVE = "approve"
    REJECT = "reject"
    SKIP = "skip"
    VIEW_ALL = "view_all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One look at one approval, for one placement."""

    card_id: str
    approval_id: str
    revision: int
    digest: str  #: of the request that is shown; each button carries it back
    state: CardState
    tool: str  #: as the agent wrote it, not longer than LONGEST_NAME
    agent: str
    run: str | None
    title: str  #: one line; contains `tool`
    notification: Saying  #: for notifications and screen readers; contains `tool` and `agent`
    asked_at: datetime
    why: str | None = None  #: the operator's own words on the risk
    call: tuple[Line, ...] = ()  #: the arguments, while they matter
    hidden: str | None = None  #: how much of the call the card does not show; None when all is there
    folded: str | None = None  #: the call in one line, once it is decided
    status: tuple[Saying, ...] = ()  #: what is needed, or what became of it, a sentence a line
    buttons: tuple[Button, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A message of ours that is no card: a rung in a card's thread, or an alert."""

    mark: str  #: unique and stable, so that a notice whose post was unanswered can be found again
    text: Saying
    mentions: tuple[str, ...] = ()  #: accounts of the surface to ping


def card_of(approval: Approval, *, card_id: str, policy: Policy) -> Card:
    """The card of an approval as it stands now."""
    state = state_of(approval)
    live = state is CardState.OPEN
    lines = lines_of(approval.request)
    shown, hidden = excerpt(lines, whole=approval.request.whole) if live else ((), None)
    tool = name_of(approval.request.tool_name)
    agent = name_of(approval.request.agent_id)
    route = policy.route_named(approval.route)
    return Card(
        card_id=card_id,
        approval_id=approval.id,
        revision=approval.revision,
        digest=approval.request.digest,
        state=state,
        tool=tool,
        agent=agent,
        run=name_of(approval.request.run_id) if approval.request.run_id else None,
        title=_title(state, tool),
        notification=_notification(approval, state, tool=tool, agent=agent),
        asked_at=approval.first_seen,
        why=route.why if route and live else None,
        call=shown,
        hidden=hidden,
        folded=None if live else _folded(lines),
        status=_status(approval, state, policy=policy),
        buttons=_buttons(approval, hidden=hidden) if live else (),
    )


def state_of(approval: Approval) -> CardState:
    """Which look the record calls for."""
    match approval.stage:
        case Stage.OPEN:
            return CardState.OPEN
        case Stage.DECIDED:
            return CardState.RETRYING if approval.trouble else CardState.SENDING
        case Stage.SETTLED | Stage.CLOSED:
            return _ENDED[approval.outcome] if approval.outcome else CardState.ELSEWHERE
        case _:
            assert_never(approval.stage)


def name_of(text: str) -> str:
    """A tool's or an agent's name on one line, cut at LONGEST_NAME."""
    line = " ".join(text.split()) or "(no name)"
    return line if len(line) <= LONGEST_NAME else line[: LONGEST_NAME - 1] + "…"


_ENDED = {
    Outcome.APPROVED: CardState.APPROVED,
    Outcome.REJECTED: CardState.REJECTED,
    Outcome.SKIPPED: CardState.SKIPPED,
    Outcome.TIMEOUT_SKIP: CardState.EXPIRED,
    Outcome.ELSEWHERE: CardState.ELSEWHERE,
    Outcome.UNDELIVERABLE: CardState.UNDELIVERABLE,
}

_TITLES = {
    CardState.OPEN: "Approve {tool}?",
    CardState.SENDING: "Decided: {tool}",
    CardState.RETRYING: "Not delivered yet: {tool}",
    CardState.APPROVED: "Approved: {tool}",
    CardState.REJECTED: "Rejected: {tool}",
    CardState.SKIPPED: "Skipped: {tool}",
    CardState.EXPIRED: "Expired: {tool}",
    CardState.ELSEWHERE: "Answered elsewhere: {tool}",
    CardState.UNDELIVERABLE: "Not delivered: {tool}",
}


def _title(state: CardState, tool: str) -> str:
    return _TITLES[state].replace("{tool}", tool)


def _notification(approval: Approval, state: CardState, *, tool: str, agent: str) -> Saying:
    title = _title(state, tool)
    if state is CardState.OPEN:
        return (f"{title} {agent}, until ", approval.deadline.at)
    decision = approval.decision
    return (f"{title}, by {decision.actor.name}",) if decision else (title,)


def _buttons(approval: Approval, *, hidden: str | None) -> tuple[Button, ...]:
    if not approval.request.whole:
        return (Button.REJECT, Button.SKIP)
    if hidden:
        return (Button.VIEW_ALL, Button.REJECT, Button.SKIP)
    return (Button.APPROVE, Button.REJECT, Button.SKIP)


def _folded(lines: tuple[Line, ...]) -> str:
    first = f"{lines[0].key} {lines[0].value}".strip() if lines else "(no arguments)"
    line = " ".join(first.split())
    short = line if len(line) <= LONGEST_NAME else line[: LONGEST_NAME - 1] + "…"
    return short if len(lines) < 2 else f"{short}  (+{len(lines) - 1} more, {size_of(lines)})"


def _status(approval: Approval, state: CardState, *, policy: Policy) -> tuple[Saying, ...]:
    route = policy.route_named(approval.route)
    match state:
        case CardState.OPEN:
            needs: Saying = (f"Needs one of: {approvers_named(policy, route)}",)
            escalated: tuple[Saying, ...] = ()
            if approval.escalated_at:
                escalated = (("Escalated ", approval.escalated_at),)
            return (_until(approval), needs, *escalated)
        case CardState.SENDING:
            return (*_who(approval), ("Telling the platform…",))
        case CardState.RETRYING:
            reach = f"The platform could not be told yet ({approval.trouble}); retrying until "
            return (*_who(approval), (reach, approval.deadline.at))
        case CardState.APPROVED | CardState.REJECTED | CardState.SKIPPED:
            return _who(approval)
        case CardState.EXPIRED:
            asked = approvers_named(policy, route)
            return (("Nobody answered by ", approval.deadline.at, f". Asked: {asked}."),)
        case CardState.ELSEWHERE:
            word = approval.platform_word
            told = f"Answered on the platform: {word}." if word else "No longer pending on the platform."
            return (*_who(approval, but="the platform had its answer already"), (told,))
        case CardState.UNDELIVERABLE:
            cause = approval.trouble or "the deadline passed first"
            told = "may never have been told" if approval.attempts else "was never told"
            return (
                *_who(approval),
                (f"The platform {told}: {cause}. The agent goes on without it.",),
            )
        case _:
            assert_never(state)


_DID = {
    HITLDecision.APPROVED: "approved",
    HITLDecision.REJECTED: "rejected",
    HITLDecision.SKIPPED: "skipped",
}


def _who(approval: Approval, *, but: str | None = None) -> tuple[Saying, ...]:
    decision = approval.decision
    if decision is None:
        return ()
    did: Saying = (f"{decision.actor.name} {_DID[decision.verdict]} this ", decision.at)
    did = (*did, f", but {but}") if but else did
    return (did, (f"Note: {decision.note}",)) if decision.note else (did,)


def _until(approval: Approval) -> Saying:
    then = "then the agent goes on without it"
    match approval.deadline.source:
        case DeadlineSource.TIMEOUT_AT:
            why = then
        case DeadlineSource.TIMEOUT_SECONDS:
            why = f"{then}; counted from when it was first seen"
        case DeadlineSource.DEFAULT:
            why = f"{then}; our default, the platform named no usable deadline"
        case _:
            assert_never(approval.deadline.source)
    return ("Until ", approval.deadline.at, f" ({why})")
