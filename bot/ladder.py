"""The deadline, and the rungs before it: what is due when. Pure; all times are aware and in UTC."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from bot.hours import Hours, Keep, shifted
from bot.protocol import HITLRequest
from bot.surface import Destination

#: Further than this from our clock, a time of the platform's is not believed.
BELIEVABLE_SKEW = timedelta(minutes=1)
#: A longer window is kept up to here: nobody plans further, and calendars end somewhere.
LONGEST_WINDOW = timedelta(days=366)
#: And a shorter one than the store can tell apart is none at all.
SHORTEST_WINDOW = timedelta(milliseconds=1)


#: So often another deadline is made up for a request that is listed after the one before.
MOST_RENEWED = 3


class DeadlineSource(StrEnum):
    """Where a deadline comes from; the card says so when it is not the platform's own word."""

    TIMEOUT_AT = "timeout_at"  #: the platform's own deadline
    TIMEOUT_SECONDS = "timeout_seconds"  #: first seen plus the length that the platform named
    DEFAULT = "default"  #: neither could be used: the configured length


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """When the platform stops waiting, as far as we can know."""

    at: datetime
    source: DeadlineSource
    #: Why `timeout_at` was not believed, in words for an operator; None when it was.
    doubt: str | None = None
    renewed: int = 0  #: how often Nod made up another one, because the platform still listed the request

    @property
    def made_up(self) -> bool:
        """Nod's own: what is still listed after it is not over."""
        return self.source is DeadlineSource.DEFAULT

    @property
    def unknown(self) -> bool:
        """It was made up so often that it means nothing any more."""
        return self.renewed > MOST_RENEWED


class Action(StrEnum):
    """What a rung does when it is due."""

    REMIND = "remind"  #: a word in the card's thread
    PING = "ping"  #: a word in the thread that mentions people, and one to each of them alone
    WIDEN = "widen"  #: more people may decide, and the card stands in their channel too
    PAGE = "page"  #: the alert channels and pagers
    FALLBACK = "fallback"  #: the card stands somewhere else too
    LAST_CALL = "last_call"  #: a word to whoever claimed it, alone, before her lease ends
    REDRAW = "redraw"  #: nobody is told; the card's words about the time left move on


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One step of a route's ladder. It is due at a share of the window, or so long before the deadline."""

    action: Action = Action.PING
    share: float | None = None  #: of the window, between 0 and 1
    before: timedelta | None = None  #: the deadline; exactly one of the two is given
    who: tuple[str, ...] = ()  #: names of people and groups
    cards: tuple[Destination, ...] = ()  #: where the card stands from then on, too
    hours: Hours | None = None  #: when it may happen; it is shifted, never past the deadline
    keep: Keep = Keep.DURING

    def __post_init__(self) -> None:
        """Raises ValueError unless exactly one of `share` and `before` is given."""
        if (self.share is None) == (self.before is None):
            raise ValueError("a rung is due at a share of the window or at a length before the deadline")

    def due(self, *, first_seen: datetime, deadline: datetime, began: datetime | None = None) -> datetime:
        """When it is due; what would lie before the first sight is due at once.

        The window began at `began`, before the first sight of a request that was found late.
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
    """The next rung that has not fired: what happens, with whom, and when, while nobody answers."""

    action: Action
    who: tuple[str, ...]  #: names of people and groups
    at: datetime


#: Whoever is on it hears the last call, alone, after this share of her lease.
LAST_CALL_SHARE = 0.75


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """How long the others wait for whoever is on it, and when she hears the last call."""

    until: datetime
    last_call: datetime


def lease_at(now: datetime, *, deadline: datetime, share: float) -> Lease:
    """A lease from now on: a share of the time that is left; none at all when none is left."""
    length = max(deadline - now, timedelta()) * share
    return Lease(until=now + length, last_call=now + length * LAST_CALL_SHARE)


#: A card says how much time is left at most at these shares of the window.
REDRAWN_AT = (0.5, 0.8, 0.9)
#: In a shorter window its words would change faster than anybody reads.
REDRAWN_FROM = timedelta(minutes=1)


def redraws(*, first_seen: datetime, deadline: datetime) -> tuple[Rung, ...]:
    """The rungs of every ladder that nobody is told of: the card's words about the time left move on."""
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
    """An ISO 8601 moment, any offset or `Z`; one without an offset is read as UTC. None if it is no moment.

    Letters may be small (RFC 3339 §5.6).
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
    """The deadline: `timeout_at` first, unless the platform's clock lies.

    A listed request is alive. A `timeout_at` that has passed at first sight, a `created_at` in our future,
    or a start later than now by `timeout_seconds` shows a wrong clock or zone: then what counts is our own
    first sight plus `timeout_seconds`, and never later than that when `timeout_seconds` is given.
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
    """The next deadline for what is still listed after one that Nod had made up."""
    times = deadline.renewed + 1
    at = now + default if times <= MOST_RENEWED else _furthest(first_seen)
    return replace(deadline, at=at, renewed=times)


def began_at(request: HITLRequest, *, first_seen: datetime, deadline: Deadline) -> datetime:
    """When the platform began to wait: `created_at`, where its times are believed; else the first sight.

    A window that would be longer than the platform's own `timeout_seconds` shows that they are not one clock's.
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
        return None if request.timeout_at is None else "timeout_at is not a moment in ISO 8601"
    created = parse_time(request.created_at)
    if created is not None and created > seen + BELIEVABLE_SKEW:
        return "created_at lies in the future"
    if until <= seen:
        return "timeout_at had passed when the request was first seen"
    if length is not None and until - length > seen + BELIEVABLE_SKEW:
        return "timeout_at and timeout_seconds disagree about when the window began"
    return None
