"""The deadline, and the escalation steps before it: what is due when. Pure; all times are aware and in UTC."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import Enum, StrEnum

from bot.hours import Hours, Keep, shifted
from bot.protocol import HITLRequest
from bot.surface import Destination

#: A time from the platform that is further than this from our clock is not trusted.
BELIEVABLE_SKEW = timedelta(minutes=1)
#: A longer window is limited to this: nobody plans further, and calendars end somewhere.
LONGEST_WINDOW = timedelta(days=366)
#: A window shorter than the store's resolution is not valid.
SHORTEST_WINDOW = timedelta(milliseconds=1)


#: Another deadline is made up this many times for a request that is still listed after the one before.
MOST_RENEWED = 3


class DeadlineSource(StrEnum):
    """Where a deadline comes from; the card says so if it is not from the platform itself."""

    TIMEOUT_AT = "timeout_at"  #: the platform's own deadline
    TIMEOUT_SECONDS = "timeout_seconds"  #: first seen plus the length that the platform named
    DEFAULT = "default"  #: neither could be used: the configured length


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """When the platform stops waiting, as far as Nod can know."""

    at: datetime
    source: DeadlineSource
    #: Why `timeout_at` was not trusted, in words for an operator; None if it was.
    doubt: str | None = None
    renewed: int = 0  #: how often Nod made up another one, because the platform still listed the request

    @property
    def made_up(self) -> bool:
        """Made up by Nod: a request that is still listed after it has not ended."""
        return self.source is DeadlineSource.DEFAULT

    @property
    def unknown(self) -> bool:
        """It was made up so often that it means nothing any more."""
        return self.renewed > MOST_RENEWED


class Takes(Enum):
    """Whether a step has a list in nod.yaml."""

    NO, MAYBE, NEEDS = range(3)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepKind:
    """What everything else asks of a kind of escalation step. Each posts in the threads of its cards."""

    does: str  #: for `nod policy`, with `{who}` and `{cards}`
    says: str = ""  #: on the card, before the moment when it is due, with `{who}` and `{are}`
    who: Takes = Takes.NO
    cards: Takes = Takes.NO  #: where the card is shown from then on, too
    calls: str = ""  #: the verb before the people whom it mentions and writes to; empty if it calls nobody
    adds_approvers: bool = False  #: its people can decide from then on
    pages: str | None = None  #: the kind of alert that it raises (`bot.alerts`)
    own: bool = False  #: Nod's, in no nod.yaml: a claim does not hold it back, and others hear nothing of it


class Action(StrEnum):
    """Every kind of escalation step: its word in nod.yaml and in the database, and what it does."""

    _value_: str
    kind: StepKind

    def __new__(cls, word: str, kind: StepKind) -> Action:
        """One row of the table."""
        one = str.__new__(cls, word)
        one._value_, one.kind = word, kind
        return one

    #: A message in the card's thread.
    REMIND = "remind", StepKind(does="reminds in the thread", says="Reminder at ")
    #: A message in the thread that mentions people, and a direct message to each of them.
    PING = "ping", StepKind(does="pings {who}", says="{who} {are} pinged at ", who=Takes.NEEDS, calls="pings")
    #: More people can decide, and the card is shown in their channel too.
    WIDEN = (
        "widen",
        StepKind(
            does="lets {who} decide as well", says="{who} can also decide from ",
            who=Takes.NEEDS, cards=Takes.MAYBE, calls="widens to", adds_approvers=True,
        ),
    )  # fmt: skip
    #: The alert channels and pagers.
    PAGE = (
        "page",
        StepKind(
            does="pages the alert channels", says="Escalates to the alert channels at ",
            who=Takes.MAYBE, calls="pages", pages="rung",
        ),
    )  # fmt: skip
    #: The card is shown somewhere else too.
    FALLBACK = (
        "fallback",
        StepKind(does="puts the card in {cards}", says="Shown in another channel at ", cards=Takes.NEEDS),
    )
    #: A direct message to the person with the claim, before their lease ends.
    LAST_CALL = "last_call", StepKind(does="writes to the person with the claim", own=True)
    #: Nobody is notified; the card updates the time left.
    REDRAW = "redraw", StepKind(does="updates the time left", own=True)


#: What people write in nod.yaml, and what they do not.
WRITTEN = tuple(action for action in Action if not action.kind.own)
OWN = tuple(action for action in Action if action.kind.own)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One step of a route's ladder. It is due at a share of the window, or this long before the deadline."""

    action: Action = Action.PING
    share: float | None = None  #: of the window, between 0 and 1
    before: timedelta | None = None  #: the deadline; exactly one of the two is given
    who: tuple[str, ...] = ()  #: names of people and groups
    cards: tuple[Destination, ...] = ()  #: where the card is shown from then on, too
    hours: Hours | None = None  #: when it can happen; it is shifted, never past the deadline
    keep: Keep = Keep.DURING

    def __post_init__(self) -> None:
        """Raises ValueError unless exactly one of `share` and `before` is given."""
        if (self.share is None) == (self.before is None):
            raise ValueError("a rung needs either a share of the window or a time before the deadline")

    def due(self, *, first_seen: datetime, deadline: datetime, began: datetime | None = None) -> datetime:
        """When it is due; a time before the request was first seen means at once.

        The window began at `began`, which is before the first sight of a request that was found late.
        """
        if self.before is not None:
            at = deadline - self.before
        else:
            since = began or first_seen
            at = since + (deadline - since) * (self.share or 0.0)
        at = max(first_seen, at)
        return shifted(at, hours=self.hours, keep=self.keep, deadline=deadline) if self.hours else at


@dataclass(frozen=True, slots=True, kw_only=True)
class Ahead:
    """The next step that has not fired: what happens, who it reaches, and when, if nobody answers."""

    action: Action
    who: tuple[str, ...]  #: names of people and groups
    at: datetime


#: The person with the claim gets the last call, by direct message, after this share of their lease.
LAST_CALL_SHARE = 0.75


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """How long a claim holds back pings to others, and when the claimant gets the last call."""

    until: datetime
    last_call: datetime


def lease_at(now: datetime, *, deadline: datetime, share: float) -> Lease:
    """A lease from now on: a share of the time that is left; None if none is left."""
    length = max(deadline - now, timedelta()) * share
    return Lease(until=now + length, last_call=now + length * LAST_CALL_SHARE)


#: A card is updated with the time left at most at these shares of the window.
REDRAWN_AT = (0.5, 0.8, 0.9)
#: In a shorter window the text would change faster than anyone reads.
REDRAWN_FROM = timedelta(minutes=1)


def redraws(*, first_seen: datetime, deadline: datetime) -> tuple[Rung, ...]:
    """The steps that every ladder has without a notification: the card updates the time left."""
    if deadline - first_seen < REDRAWN_FROM:
        return ()
    return tuple(Rung(action=Action.REDRAW, share=share) for share in REDRAWN_AT)


def time_left(now: datetime, *, first_seen: datetime, deadline: datetime) -> timedelta | None:
    """How much of the window is left at most, true until the next redraw; None early on."""
    window = deadline - first_seen
    if window < REDRAWN_FROM or now >= deadline:
        return None
    gone = (now - first_seen) / window
    return next((window * (1 - share) for share in reversed(REDRAWN_AT) if gone >= share), None)


def parse_time(text: str | None) -> datetime | None:
    """An ISO 8601 moment, any offset or `Z`; one without an offset is read as UTC. None if it is not a moment.

    Letters can be lower case (RFC 3339 §5.6).
    """
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text.strip().upper())
    except ValueError:
        return None
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        return None


def deadline_of(request: HITLRequest, *, first_seen: datetime, default: timedelta) -> Deadline:
    """The deadline: `timeout_at` first, unless the platform's clock is wrong.

    A listed request is still pending. A `timeout_at` that has passed at first sight, a `created_at` in our
    future, or a start later than now by `timeout_seconds` shows a wrong clock or zone: then Nod uses its own
    first sight plus `timeout_seconds`. When `timeout_seconds` is given, the deadline is never later than that.
    """
    until = parse_time(request.timeout_at)
    length = _length(request.timeout_seconds)
    doubt = _doubt(request, until=until, length=length, seen=first_seen)
    if until is not None and doubt is None:
        if length is not None and until > first_seen + length:
            return Deadline(at=first_seen + length, source=DeadlineSource.TIMEOUT_SECONDS)
        return Deadline(at=min(until, _furthest(first_seen)), source=DeadlineSource.TIMEOUT_AT)
    if length is not None:
        return Deadline(at=first_seen + length, source=DeadlineSource.TIMEOUT_SECONDS, doubt=doubt)
    return Deadline(at=first_seen + default, source=DeadlineSource.DEFAULT, doubt=doubt)


def renewed(deadline: Deadline, *, now: datetime, first_seen: datetime, default: timedelta) -> Deadline:
    """The next deadline for a request that is still listed after one that Nod had made up."""
    times = deadline.renewed + 1
    at = now + default if times <= MOST_RENEWED else _furthest(first_seen)
    return replace(deadline, at=at, renewed=times)


def began_at(request: HITLRequest, *, first_seen: datetime, deadline: Deadline) -> datetime:
    """When the platform began to wait: `created_at`, if its times are trusted; else the first sight.

    A window longer than the platform's own `timeout_seconds` shows that the two times are from different
    clocks.
    """
    created, length = parse_time(request.created_at), _length(request.timeout_seconds) or LONGEST_WINDOW
    if created is None or deadline.source is not DeadlineSource.TIMEOUT_AT:
        return first_seen
    fits = created < first_seen and deadline.at - created <= length + BELIEVABLE_SKEW
    return created if fits else first_seen


def _furthest(first_seen: datetime) -> datetime:
    return first_seen + LONGEST_WINDOW


def _length(seconds: float | None) -> timedelta | None:
    if seconds is None or not SHORTEST_WINDOW.total_seconds() <= seconds < math.inf:
        return None
    return timedelta(seconds=min(seconds, LONGEST_WINDOW.total_seconds()))


def _doubt(
    request: HITLRequest, *, until: datetime | None, length: timedelta | None, seen: datetime
) -> str | None:
    if until is None:
        return None if request.timeout_at is None else "timeout_at is not an ISO 8601 timestamp"
    created = parse_time(request.created_at)
    if created is not None and created > seen + BELIEVABLE_SKEW:
        return "created_at is in the future"
    if until <= seen:
        return "timeout_at had passed when the request was first seen"
    if length is not None and until - length > seen + BELIEVABLE_SKEW:
        return "timeout_at and timeout_seconds disagree about when the window began"
    return None
