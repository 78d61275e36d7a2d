"""Approval -> Card: what every chat must show, in no chat's dialect. Pure.

A card answers in this order, without a click: what would run, who asks, until when, with what, what happens if
nobody acts, who can decide. Text that an agent wrote is only in `title`, `tool`, `lead`, `call`, `folded` and
`status`. A chat must show these as they are, unparsed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from urllib.parse import quote

from bot.approval import Approval
from bot.call import Line, Sight, excerpt, sight_of
from bot.policy import Policy
from bot.records import QueueMessage
from bot.seal import Seal
from bot.status import lead_of, status_of, words_in
from bot.wording import (
    CardState,
    Moment,
    Saying,
    agent_named,
    asker_named,
    folded_call,
    moment_of,
    name_of,
    notification_of,
    state_of,
    title_of,
    waiting_name,
)

#: Characters of the address behind Open run (docs.slack.dev, composition-objects/option-object).
LONGEST_LINK = 3_000
#: Takes the place of the call's digest in the seal of a queue message, which shows no single call.
DIGEST_SEAL = "-"
#: Begins the first warning above a call that can be read in two ways.
NEVER = "This call can be rejected or skipped, never approved"
NO_MORE = "No more requests here"


class Button(StrEnum):
    """What a person can press on a card. Verdicts are there only while a click can take effect."""

    APPROVE = "approve"
    REJECT = "reject"
    SKIP = "skip"
    VIEW_ALL = "view_all"
    VIEW_CALL = "view_call"  #: the whole call, after the decision
    CLAIM = "claim"  #: I'm on it
    WHY = "why"
    IDS = "ids"  #: the ids of the request, to copy
    NEXT = "next"  #: on a queue message: the next pending request


#: The buttons on an open card beside the verdicts; all others are one press further away.
VERDICTS = (Button.APPROVE, Button.REJECT, Button.SKIP)
#: States whose call can still be read: the request has ended, or only waits for delivery.
READABLE = frozenset(
    {
        *(CardState.APPROVED, CardState.REJECTED, CardState.SKIPPED, CardState.EXPIRED),
        *(CardState.ELSEWHERE, CardState.UNDELIVERABLE),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One view of one approval, for one placement."""

    card_id: str
    approval_id: str
    revision: int
    digest: str  #: of the request that is shown
    state: CardState
    tool: str  #: as the agent wrote it, made visible, not longer than wording.LONGEST_NAME
    agent: str  #: by its name in nod.yaml, else by its id
    title: str  #: one line; contains `tool`
    lead: Saying  #: below the title: who asks and until when; contains `agent`
    notification: Saying  #: for notifications and screen readers; contains `tool` and `agent`
    deadline: datetime
    why: str | None = None  #: the operator's own words on the risk
    warnings: tuple[str, ...] = ()  #: what an eye would miss in the call; contains host names
    call: tuple[Line, ...] = ()  #: the arguments, while they matter
    hidden: str | None = None  #: how much of the call the card does not show; None when it shows all
    folded: str | None = None  #: the call in one line, after the decision
    status: tuple[Saying, ...] = ()  #: what is needed, or how it ended, a sentence a line
    #: The buttons in their order, each with the sealed value that it must carry.
    buttons: Mapping[Button, str] = field(default_factory=dict)
    #: The sealed value of View all, for a chat that has to hide more than `hidden` says.
    look: str = ""
    run_url: str | None = None  #: the page of its run
    mentions: tuple[str, ...] = ()  #: accounts of the surface that the card itself pings

    def in_the_open(self, *, whole: bool = True) -> tuple[Button, ...]:
        """The buttons on the card itself: the verdicts, and View all before them if part of the call is hidden.

        `whole` is false for a card that the chat has no room for: then nobody approves on it.
        """
        looks = (Button.VIEW_ALL,) if self.hidden is not None or not whole else ()
        pressed = (b for b in VERDICTS if b in self.buttons and (whole or b is not Button.APPROVE))
        return (*looks, *pressed)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueCard:
    """The pending requests of a channel that have no cards. Nothing is decided on it."""

    digest_id: str
    count: int
    earliest: datetime | None  #: deadline; None when nothing is pending
    first: tuple[tuple[str, Moment], ...]  #: tool and agent, and the deadline, of the first few
    flooding: tuple[str, ...] = ()  #: agents that ask for more than their share, by name
    title: str
    notification: Saying
    buttons: Mapping[Button, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """A message from Nod that is not a card: in a card's thread, to one person, or an alert."""

    mark: str  #: unique and stable, so that a message whose post had no answer can be found again
    text: Saying
    mentions: tuple[str, ...] = ()  #: accounts of the surface to ping
    link: str | None = None  #: a link to the card, as the chat made it
    spare: bool = False  #: it is sent only when the chat has nothing else to send there


def card_of(
    approval: Approval,
    *,
    card_id: str,
    policy: Policy,
    seal: Seal,
    now: datetime,
    superseded: bool = False,
    sight: Sight | None = None,
    mentions: tuple[str, ...] = (),
) -> Card:
    """The card of an approval as of now; `superseded` when a newer card shows the changed call.

    `sight` is the sight of its call under this policy, if it was made before: a long call takes a while.
    `mentions` are accounts that the card pings while it is open.
    """
    state = state_of(approval, superseded=superseded)
    live = state is CardState.OPEN
    request = approval.request
    seen = sight or sight_of(request, redaction=policy.redaction)
    shown, hidden = excerpt(seen.lines, request=request, never=seen.never) if live else ((), None)
    route = policy.route_named(approval.route)
    pressed = _buttons(approval, hidden=hidden, now=now) if live else ()
    pressed = (Button.VIEW_CALL,) if state in READABLE else pressed
    digest, look = request.digest, Button.VIEW_ALL if live else Button.VIEW_CALL
    never = (f"{NEVER}: {request.flaw}.",) if request.flaw else ()

    def sealed(button: Button) -> str:
        return seal.value(card_id=card_id, verb=button.value, digest=digest)

    return Card(
        card_id=card_id,
        approval_id=approval.id,
        revision=approval.revision,
        digest=digest,
        state=state,
        tool=name_of(request.tool_name),
        agent=asker_named(policy, request),
        title=title_of(approval, state),
        lead=lead_of(approval, state, policy=policy, now=now),
        notification=notification_of(approval, state, policy=policy, now=now),
        deadline=approval.deadline.at,
        why=route.why if route and live else None,
        warnings=(*never, *seen.warnings) if live else (),
        call=shown,
        hidden=hidden,
        folded=None if live else folded_call(seen.lines),
        status=status_of(approval, state, policy=policy, now=now, spent=words_in((hidden or "",))),
        buttons={button: sealed(button) for button in pressed},
        look=sealed(look) if live or state in READABLE else "",
        run_url=run_url_of(policy, request.run_id),
        mentions=mentions if live else (),
    )


def run_url_of(policy: Policy, run_id: str | None) -> str | None:
    """The page of a run. The id is one part of the path or the query, so it cannot lead anywhere else."""
    if policy.run_link is None or not run_id or not run_id.strip("."):
        return None
    url = policy.run_link.replace("{run_id}", quote(run_id.encode("utf-8", "surrogatepass"), safe=""))
    return url if len(url) <= LONGEST_LINK else None


def queue_card_of(
    digest: QueueMessage, *, policy: Policy, seal: Seal, now: datetime, flooding: tuple[str, ...] = ()
) -> QueueCard:
    """A channel's queue message as of now; `flooding` are ids of agents."""
    earliest = digest.first[0].deadline.at if digest.first else None
    more = "1 more request" if digest.count == 1 else f"{digest.count} more requests"
    value = seal.value(card_id=digest.digest_id, verb=Button.NEXT.value, digest=DIGEST_SEAL)
    return QueueCard(
        digest_id=digest.digest_id,
        count=digest.count,
        earliest=earliest,
        first=tuple(
            (waiting_name(approval, policy=policy), moment_of(approval.deadline.at, now=now))
            for approval in digest.first
        ),
        flooding=tuple(agent_named(policy, agent) for agent in flooding),
        title=more if earliest else NO_MORE,
        notification=(f"{more}, earliest deadline ", moment_of(earliest, now=now)) if earliest else (NO_MORE,),
        buttons={Button.NEXT: value} if earliest else {},
    )


def _buttons(approval: Approval, *, hidden: str | None, now: datetime) -> tuple[Button, ...]:
    claim = () if approval.claim_at(now) else (Button.CLAIM,)
    approve = (Button.APPROVE,) if approval.request.approvable and not hidden else ()
    return (*approve, Button.REJECT, Button.SKIP, Button.VIEW_ALL, *claim, Button.WHY, Button.IDS)
