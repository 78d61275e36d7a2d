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
from bot.call import Line, excerpt, lines_of, redactions_in, warnings_of
from bot.policy import Policy
from bot.seal import Seal
from bot.wording import CardState, Saying, folded_call, name_of, notification_of, state_of, status_of, title_of

#: The longest run id on a card: enough to tell runs apart.
LONGEST_RUN = 8


class Button(StrEnum):
    """What a person can press on a card. Verdicts are there only while a click can count."""

    APPROVE = "approve"
    REJECT = "reject"
    SKIP = "skip"
    VIEW_ALL = "view_all"
    WHY = "why"


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A message of ours that is no card: a rung in a card's thread, or an alert."""

    mark: str  #: unique and stable, so that a notice whose post was unanswered can be found again
    text: Saying
    mentions: tuple[str, ...] = ()  #: accounts of the surface to ping


def card_of(approval: Approval, *, card_id: str, policy: Policy, seal: Seal, superseded: bool = False) -> Card:
    """The card of an approval as it stands now; `superseded` when a newer card shows the changed call."""
    state = state_of(approval, superseded=superseded)
    live = state is CardState.OPEN
    request = approval.request
    lines = lines_of(request, redaction=policy.redaction)
    shown, hidden = excerpt(lines, request=request) if live else ((), None)
    route = policy.route_named(approval.route)
    tool = name_of(request.tool_name)
    pressed = _buttons(approval, hidden=hidden) if live else ()
    digest = request.digest
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
        warnings=(*warnings_of(request, redaction=policy.redaction), *redactions_in(lines)) if live else (),
        call=shown,
        hidden=hidden,
        folded=None if live else folded_call(lines),
        status=status_of(approval, state, policy=policy),
        buttons={b: seal.value(card_id=card_id, verb=b.value, digest=digest) for b in pressed},
    )


def _buttons(approval: Approval, *, hidden: str | None) -> tuple[Button, ...]:
    if not approval.request.approvable:
        look = (Button.VIEW_ALL,) if hidden else ()
        return (Button.REJECT, Button.SKIP, *look, Button.WHY)
    if hidden:
        return (Button.VIEW_ALL, Button.REJECT, Button.SKIP, Button.WHY)
    return (Button.APPROVE, Button.REJECT, Button.SKIP, Button.WHY)
