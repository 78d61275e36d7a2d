"""The records that the store keeps beside the approvals. The port to it is `bot.store`. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bot.approval import Approval, Outcome, Stage
from bot.ladder import Action
from bot.surface import Destination, Surface


class Step(StrEnum):
    """The steps of the flow; each is woken by the commits that give it work."""

    INGEST = "admit"
    ANSWER = "answer"
    BATCH = "gather"
    SHOW = "show"
    DELIVER = "deliver"
    ESCALATE = "escalate"
    ANNOUNCE = "tell"
    NOTIFY = "say"
    AMEND = "amend"
    CLOSE = "close"
    EXPIRE = "expire"
    RECONCILE = "reconcile"
    ALERT = "alert"


Ring = Callable[[Step], None]  #: wake a step; called after a commit, never inside a transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where a card is, or will be. `ref` is what the chat needs to find the message again."""

    card_id: str
    approval_id: str
    destination: Destination
    ref: str | None = None
    shown_revision: int = 0  #: 0: not shown yet
    attempted_at: datetime | None = None  #: when a first post was begun; without a ref it may still be up
    tries: int = 0  #: failed tries in a row
    next_try: datetime | None = None
    digest: str | None = None  #: of the call that the message shows; an Approve is valid for this call only
    superseded: bool = False  #: the call changed; a newer card asks about it
    gathered: bool = False  #: it is on its channel's queue message, and has no message of its own
    gathered_at: datetime | None = None  #: a queue message that shows an earlier time does not include it


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """A card that a chat shows now. Revision 0 and no digest: unknown which."""

    card_id: str
    ref: str
    revision: int
    digest: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What there is to show."""

    lines: tuple[Destination, ...]  #: where cards wait for their first post, put off or not
    outdated: bool  #: whether a message shows less than its record, and is not put off
    next_try: datetime | None  #: when the first of those that are put off is due


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a poll is compared with: the stage, the call, and how many polls missed it."""

    stage: Stage
    digest: str
    missed: int
    first_seen: datetime
    deadline: datetime
    attempts: int = 0  #: decision POSTs begun
    forged: bool = False  #: its rows were not written by Nod: it is read again as new


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """A good poll of a source whose list said what the records say."""

    number: int  #: of those that were noted, from 1
    began_at: datetime
    body: str  #: the fingerprint of the list; empty: another list came since
    listed: int  #: how many requests it listed, all open or decided; no others were


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What there is to do for decisions that are not settled, and when; nothing of the records themselves."""

    due: bool = False  #: some can be sent now
    next_due: datetime | None = None  #: when a pause or lease of one that can be sent then is over
    next_turn: datetime | None = None  #: the same of one that waits for a list, too
    overdue: bool = False  #: of some the last moment is over
    lapsed: bool = False  #: of some a deadline is over that Nod made up
    next_deadline: datetime | None = None  #: the earliest deadline of the others
    unlisted: bool = False  #: some wait only for a list that confirms the call
    late: int = 0  #: how many are in trouble
    contradicted: bool = False  #: of some the platform said that they were resolved, and lists them


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How one approval ends: a move to SETTLED."""

    approval_id: str
    was: Stage
    outcome: Outcome
    at: datetime
    as_read: Approval | None = (
        None  #: only if its revision, call and attempt are these, and it was not listed again
    )
    platform_word: str | None = None
    trouble: str | None = None


class Claimed(StrEnum):
    """The result of "I'm on it"."""

    YES = "yes"
    TAKEN = "taken"  #: someone else has the claim now
    BEFORE = "before"  #: they had the claim before; a lease is not renewed
    LOST = "lost"  #: it is no longer open, or another call: read the record and say how things are


class Counted(StrEnum):
    """The result of a vote."""

    WAITING = "waiting"  #: it is valid; more people are needed
    DECIDED = "decided"  #: it completed the decision
    LOST = "lost"  #: something else came first: read the record and say how things are


@dataclass(frozen=True, slots=True, kw_only=True)
class DueRung:
    """An escalation step of one approval, written when it was first seen, or when a person claimed it."""

    approval_id: str
    number: int  #: place on the ladder, from 0; steps outside a ladder begin at UNWRITTEN
    due_at: datetime
    action: Action = Action.PING
    who: tuple[str, ...] = ()
    cards: tuple[Destination, ...] = ()


#: The numbers of steps outside a ladder: redraws from here on, last calls from here on.
UNWRITTEN, LAST_CALLS = 100, 200


@dataclass(frozen=True, slots=True, kw_only=True)
class NewApproval:
    """A new approval, with the cards and the escalation steps that belong to it."""

    approval: Approval
    placements: Sequence[Placement] = ()
    rungs: Sequence[DueRung] = ()


class NotificationKind(StrEnum):
    """What a notification is about."""

    RUNG = "rung"  #: it is still pending; useless once it is answered
    LAST_CALL = "last_call"  #: the same, to the person with the claim
    OUTCOME = "outcome"  #: how it ended


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxItem:
    """A queued message: in the thread of a card, or to one person alone.

    Its text is not stored: it is made from the record when it is sent, like a card.
    """

    mark: str  #: unique and stable, for example `<card id>.rung2`
    approval_id: str
    news: NotificationKind
    surface: Surface
    card_id: str | None = None  #: in the thread of this card or of its queue message
    person: str | None = None  #: or to this person of the policy, by direct message
    who: tuple[str, ...] = ()  #: people and groups that it mentions, or through which this person gets it
    owed_since: datetime
    sent_as: str | None = None  #: an earlier try may have posted it under this mark
    attempted_at: datetime | None = None
    tries: int = 0
    next_try: datetime | None = None


Lane = tuple[Surface, str, str]  #: takes one message at a time: a chat, a person or "", a channel or ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DueNotice:
    """A queued message that can be sent, or dropped, now."""

    notice: OutboxItem
    approval: Approval
    placement: Placement | None = None  #: the card in whose thread it belongs
    digest_id: str | None = None  #: if the card is on one, the channel's queue message
    digest_ref: str | None = None

    @property
    def lane(self) -> Lane:
        """What it waits in line for."""
        channel = self.placement.destination.channel if self.placement else ""
        return self.notice.surface, self.notice.person or "", channel


@dataclass(frozen=True, slots=True, kw_only=True)
class Ping:
    """A posted message that says that requests are pending, of which none is any more."""

    surface: Surface
    channel: str
    ref: str
    mark: str
    approvals: tuple[Approval, ...]  #: at least one, the earliest deadline first
    threaded: bool  #: in the thread of a card, not to one person


@dataclass(frozen=True, slots=True, kw_only=True)
class Up:
    """A message from which people answer open requests: a card, or a queue message with its requests."""

    mark: str  #: the id of the card or the queue message
    destination: Destination
    ref: str
    deadline: datetime  #: the earliest deadline of its requests


#: Where a look at a portion of the open approvals ended: a deadline and an id.
Cursor = tuple[datetime, str]
#: So many are looked at in one portion.
PORTION = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """An open request that nobody can see, though it is time."""

    id: str
    route: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lack:
    """How many requests wait for people without a card in one place."""

    destination: Destination
    unseen: int  #: no card of these is up anywhere, and no queue message lists them
    in_vain: int  #: the unseen ones whose card was tried here
    elsewhere: int  #: their card was tried here, and people see them in another place


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A card that no step has tried to post yet."""

    card_id: str
    approval_id: str
    agent_id: str
    first_seen: datetime
    deadline: datetime
    up_by: datetime | None = None  #: when it has to be up; None: not known yet


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """The cards of one place that no step has tried to post yet."""

    count: int
    unmet: int  #: those of which it is not known by when they have to be up
    up_by: datetime | None  #: the earliest of the others
    deadline: datetime  #: the earliest


@dataclass(frozen=True, slots=True, kw_only=True)
class Batched:
    """An open request on a queue message: what can be said of it without its call."""

    card_id: str
    approval_id: str
    route: str
    deadline: datetime
    widened: tuple[str, ...]
    voters: frozenset[str]  #: who has voted on the current call


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueMessage:
    """A channel's one message for the requests without their own card."""

    digest_id: str
    destination: Destination
    count: int  #: open requests on it
    first: tuple[Approval, ...]  #: some of them, earliest deadline first
    agents: frozenset[str] = frozenset()  #: those of the agents that were asked for with a request on it
    joined_at: datetime | None = None  #: when the last of its requests was batched
    ref: str | None = None
    shown: str | None = None  #: a fingerprint of the message's text; None: not shown yet
    shown_at: datetime | None = None  #: the time whose state the message shows
    attempted_at: datetime | None = None
    tries: int = 0
    next_try: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """An unrecoverable problem: one per request and cause."""

    approval_id: str
    cause: str  #: short and stable, for example `undelivered`
    text: str  #: one line for an operator; no arguments, no tokens
    raised_at: datetime
    resolved: str | None = None  #: how it was resolved after all
    link: str | None = None  #: to its card, known only while it is sent


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What a pager knows of an alert that it got without the store."""

    taken: bool
    ref: str | None = None
    attempted_at: datetime | None = None  #: when the first try began whose result is unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Triggered:
    """Escalation steps of one approval that are due together, with all messages and cards that they cause."""

    rungs: tuple[DueRung, ...]  #: at least one
    notices: tuple[OutboxItem, ...] = ()
    placements: tuple[Placement, ...] = ()
    alert: Alert | None = None

    def __post_init__(self) -> None:
        if len({rung.approval_id for rung in self.rungs}) != 1:
            raise ValueError("all rungs of a firing must belong to one approval")

    @property
    def approval_id(self) -> str:
        """The approval of these steps."""
        return self.rungs[0].approval_id


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingPage:
    """An alert that a pager has not accepted yet, or whose resolution it has not got."""

    alert: Alert
    pager: str
    ref: str | None = None
    attempted_at: datetime | None = None
    tries: int = 0
