"""The records: what the store keeps beside the approvals themselves. The port to it is `bot.store`. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bot.approval import Approval, Stage
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
    """Where a card stands, or shall stand. `ref` is what the surface needs to find the message again."""

    card_id: str
    approval_id: str
    destination: Destination
    ref: str | None = None
    shown_revision: int = 0  #: 0: not shown yet
    attempted_at: datetime | None = None  #: when a first post was begun; with no ref it may be up all the same
    tries: int = 0  #: failed tries in a row
    next_try: datetime | None = None
    digest: str | None = None  #: of the call that the message shows; an Approve counts for no other
    superseded: bool = False  #: the call changed; a newer card asks about it
    gathered: bool = False  #: it stands on its channel's digest, and has no message of its own
    gathered_at: datetime | None = None  #: a digest that shows an earlier moment does not tell of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a poll is compared with: how far it is, which call it is, and how many polls missed it."""

    stage: Stage
    digest: str
    missed: int
    first_seen: datetime
    deadline: datetime
    attempts: int = 0  #: decision POSTs begun
    forged: bool = False  #: its rows were found not to be Nod's: it is taken anew


class Claimed(StrEnum):
    """What became of "I'm on it"."""

    YES = "yes"
    TAKEN = "taken"  #: somebody else is on it now
    BEFORE = "before"  #: she was on it before; a lease is not renewed
    LOST = "lost"  #: it is no longer open, or another call: read the record and say what is true


class Counted(StrEnum):
    """What became of a vote."""

    WAITING = "waiting"  #: it counts; more people are needed
    DECIDED = "decided"  #: it was enough
    LOST = "lost"  #: something else came first: read the record and say what is true


@dataclass(frozen=True, slots=True, kw_only=True)
class DueRung:
    """A rung of one approval, written when it was admitted, or when somebody claimed it."""

    approval_id: str
    number: int  #: place on the ladder, from 0; those of no ladder begin at UNWRITTEN
    due_at: datetime
    action: Action = Action.PING
    who: tuple[str, ...] = ()
    cards: tuple[Destination, ...] = ()


#: The numbers of rungs that stand in no ladder: redraws from here on, last calls from here on.
UNWRITTEN, LAST_CALLS = 100, 200


@dataclass(frozen=True, slots=True, kw_only=True)
class NewApproval:
    """An approval whose life begins, with the cards and the rungs that belong to it."""

    approval: Approval
    placements: Sequence[Placement] = ()
    rungs: Sequence[DueRung] = ()


class NotificationKind(StrEnum):
    """What a notice is about."""

    RUNG = "rung"  #: it still waits; of no use once it is answered
    LAST_CALL = "last_call"  #: the same, to whoever claimed it
    OUTCOME = "outcome"  #: how it ended


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxItem:
    """A message that is owed: in the thread of a card, or to one person alone. What it says is no row:

    it is made from the record at the moment it is sent, like a card.
    """

    mark: str  #: unique and stable, for example `<card id>.rung2`
    approval_id: str
    news: NotificationKind
    surface: Surface
    card_id: str | None = None  #: in this card's thread, or its digest's
    person: str | None = None  #: or to this person of the policy, by direct message
    who: tuple[str, ...] = ()  #: people and groups whom it mentions in a thread, or through which it is hers
    owed_since: datetime
    sent_as: str | None = None  #: an earlier try may have put it up under this mark
    attempted_at: datetime | None = None
    tries: int = 0
    next_try: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ping:
    """A message of ours that is up and says that requests wait, of which none does any more."""

    surface: Surface
    channel: str
    ref: str
    mark: str
    approvals: tuple[Approval, ...]  #: at least one, the earliest deadline first


@dataclass(frozen=True, slots=True, kw_only=True)
class Up:
    """A message from which people answer what is open: a card, or a digest with what stands on it."""

    mark: str  #: the id of the card or the digest
    destination: Destination
    ref: str
    deadline: datetime  #: the earliest one that it tells of


@dataclass(frozen=True, slots=True, kw_only=True)
class Lack:
    """How many requests wait for people without a card in one place."""

    destination: Destination
    unseen: int  #: of these no card is up anywhere, and no digest tells of them
    in_vain: int  #: of the unseen ones, those whose card was tried here
    elsewhere: int  #: their card was tried here, and people see them in another place


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A card that nobody has tried to post yet."""

    card_id: str
    approval_id: str
    agent_id: str
    first_seen: datetime
    deadline: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Batched:
    """An open request that stands on a digest: what can be told of it without its call."""

    card_id: str
    approval_id: str
    route: str
    deadline: datetime
    widened: tuple[str, ...]
    voters: frozenset[str]  #: who has voted on the call as it is now


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueMessage:
    """A channel's one message for what is too much for cards of their own."""

    digest_id: str
    destination: Destination
    count: int  #: open requests that stand on it
    first: tuple[Approval, ...]  #: some of them, earliest deadline first
    agents: frozenset[str] = frozenset()  #: all whose requests these are
    joined_at: datetime | None = None  #: when the last of those that stand on it was gathered
    ref: str | None = None
    shown: str | None = None  #: a fingerprint of what the message says; None: not shown yet
    shown_at: datetime | None = None  #: the moment of which the message tells
    attempted_at: datetime | None = None
    tries: int = 0
    next_try: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """Something that could not be recovered: one per request and cause."""

    approval_id: str
    cause: str  #: short and stable, for example `undelivered`
    text: str  #: one line for an operator; no arguments, no tokens
    raised_at: datetime
    resolved: str | None = None  #: how it came right after all
    link: str | None = None  #: to its card, known only while it is told


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What a pager has of an alert that it was told of past the store."""

    taken: bool
    ref: str | None = None
    attempted_at: datetime | None = None  #: when the first try began of which nobody knows how it ended


@dataclass(frozen=True, slots=True, kw_only=True)
class Triggered:
    """Rungs of one approval that are due together, with all that they owe."""

    rungs: tuple[DueRung, ...]  #: at least one
    notices: tuple[OutboxItem, ...] = ()
    placements: tuple[Placement, ...] = ()
    alert: Alert | None = None

    def __post_init__(self) -> None:
        if len({rung.approval_id for rung in self.rungs}) != 1:
            raise ValueError("a firing is of the rungs of one approval")

    @property
    def approval_id(self) -> str:
        """Whose rungs they are."""
        return self.rungs[0].approval_id


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingPage:
    """An alert that a pager has not taken yet, or whose mending it has not been told."""

    alert: Alert
    pager: str
    ref: str | None = None
    attempted_at: datetime | None = None
    tries: int = 0
