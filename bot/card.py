"""Approval -> Card: what every chat must show, in no chat's dialect. Pure.

A card answers in this order, without a click: what would run, with what, who asks, until when and what
happens then, what is still needed. Text that an agent wrote stands only in `tool`, `agent`, `run`, `call`
and `folded`, and a chat must show those as they are, unparsed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from bot.approval import Approval
from bot.call import Line, Sight, excerpt, sight_of
from bot.policy import Policy
from bot.records import QueueMessage
from bot.seal import Seal
from bot.wording import (
    CardState,
    Saying,
    folded_call,
    name_of,
    notification_of,
    state_of,
    status_of,
    title_of,
    waiting_name,
)

#: The longest run id on a card: enough to tell runs apart.
LONGEST_RUN = 8
#: Stands where a card's seal has the digest of a call: a digest of many requests shows none.
DIGEST_SEAL = "-"


class Button(StrEnum):
    """What a person can press on a card. Verdicts are there only while a click can count."""

    APPROVE = "approve"
    REJECT = "reject"
    SKIP = "skip"
    VIEW_ALL = "view_all"
    CLAIM = "claim"  #: I'm on it
    WHY = "why"
    NEXT = "next"  #: on a digest: the next one that waits


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One look at one approval, for one placement."""

    card_id: str
    approval_id: str
    revision: int
    digest: str  #: of the request that is shown
    state: CardState
    tool: str  #: as the agent wrote it, made visible, not longer than wording.LONGEST_NAME
    agent: str
    run: str | None
    title: str  #: one line; contains `tool`
    notification: Saying  #: for notifications and screen readers; contains `tool` and `agent`
    asked_at: datetime
    deadline: datetime
    why: str | None = None  #: the operator's own words on the risk
    warnings: tuple[str, ...] = ()  #: what an eye would miss in the call; contains host names
    call: tuple[Line, ...] = ()  #: the arguments, while they matter
    hidden: str | None = None  #: how much of the call the card does not show; None when all is there
    folded: str | None = None  #: the call in one line, once it is decided
    status: tuple[Saying, ...] = ()  #: what is needed, or what became of it, a sentence a line
    #: The buttons in their order, each with the sealed value that it must carry.
    buttons: Mapping[Button, str] = field(default_factory=dict)
    #: The sealed value of a look at all of the call, for a surface that has to hide more than `hidden` says.
    look: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueCard:
    """What waits in a channel beyond the cards that it has room for. Nothing is decided on it."""

    digest_id: str
    count: int
    earliest: datetime | None  #: deadline; None when nothing waits any more
    first: tuple[tuple[str, datetime], ...]  #: tool and agent, and the deadline, of the first few
    flooding: tuple[str, ...] = ()  #: agents that ask for more than their share, by name
    title: str
    notification: Saying
    buttons: Mapping[Button, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """A message of ours that is no card: about a request in a card's thread or to one person, or an alert."""

    mark: str  #: unique and stable, so that a notice whose post was unanswered can be found again
    text: Saying
    mentions: tuple[str, ...] = ()  #: accounts of the surface to ping
    link: str | None = None  #: an address of ours to the card, as the surface made it
    spare: bool = False  #: it takes no turn that anything else wants


def card_of(
    approval: Approval,
    *,
    card_id: str,
    policy: Policy,
    seal: Seal,
    now: datetime,
    superseded: bool = False,
    sight: Sight | None = None,
) -> Card:
    """The card of an approval as it stands now; `superseded` when a newer card shows the changed call.

    `sight` is that of its call under this policy, where it was made before: a long one takes a while.
    """
    state = state_of(approval, superseded=superseded)
    live = state is CardState.OPEN
    request = approval.request
    seen = sight or sight_of(request, redaction=policy.redaction)
    shown, hidden = excerpt(seen.lines, request=request, never=seen.never) if live else ((), None)
    route = policy.route_named(approval.route)
    tool = name_of(request.tool_name)
    pressed = _buttons(approval, hidden=hidden, now=now) if live else ()
    digest = request.digest

    def sealed(button: Button) -> str:
        return seal.value(card_id=card_id, verb=button.value, digest=digest)

    return Card(
        card_id=card_id,
        approval_id=approval.id,
        revision=approval.revision,
        digest=digest,
        state=state,
        tool=tool,
        agent=name_of(request.agent_id),
        run=name_of(request.run_id)[:LONGEST_RUN] if request.run_id else None,
        title=title_of(state, tool),
        notification=notification_of(approval, state),
        asked_at=approval.first_seen,
        deadline=approval.deadline.at,
        why=route.why if route and live else None,
        warnings=seen.warnings if live else (),
        call=shown,
        hidden=hidden,
        folded=None if live else folded_call(seen.lines),
        status=status_of(approval, state, policy=policy, now=now),
        buttons={button: sealed(button) for button in pressed},
        look=sealed(Button.VIEW_ALL) if live else "",
    )


def queue_card_of(digest: QueueMessage, *, seal: Seal, flooding: tuple[str, ...] = ()) -> QueueCard:
    """A channel's digest as it stands now."""
    earliest = digest.first[0].deadline.at if digest.first else None
    more = "1 more request waits" if digest.count == 1 else f"{digest.count} more requests wait"
    value = seal.value(card_id=digest.digest_id, verb=Button.NEXT.value, digest=DIGEST_SEAL)
    return QueueCard(
        digest_id=digest.digest_id,
        count=digest.count,
        earliest=earliest,
        first=tuple((waiting_name(approval), approval.deadline.at) for approval in digest.first),
        flooding=tuple(name_of(agent) for agent in flooding),
        title=more if earliest else "Nothing more waits here",
        notification=(f"{more}, the earliest until ", earliest) if earliest else ("Nothing more waits here",),
        buttons={Button.NEXT: value} if earliest else {},
    )


def _buttons(approval: Approval, *, hidden: str | None, now: datetime) -> tuple[Button, ...]:
    claim = () if approval.claim_at(now) else (Button.CLAIM,)
    if not approval.request.approvable:
        look = (Button.VIEW_ALL,) if hidden else ()
        return (Button.REJECT, Button.SKIP, *look, *claim, Button.WHY)
    if hidden:
        return (Button.VIEW_ALL, Button.REJECT, Button.SKIP, *claim, Button.WHY)
    return (Button.APPROVE, Button.REJECT, Button.SKIP, *claim, Button.WHY)
