"""What polls show about the platform itself: whether it can be read, its time, how steady its lists are.

A platform with several runners lists what one of them knows. There missing requests come back, so the number of
polls in a row after which a request is considered gone depends on how often that happens.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Collection, Mapping, Set
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from bot.alerts import BLIND, ONE, ONLY, SEVERAL, SKEWED, UNREADABLE, Subject, alert_of, over
from bot.errors import Forbidden, Unavailable
from bot.ports import WORST_SKEW, Clock, Listing, Metrics
from bot.protocol import HITLRequest
from bot.records import Alert, Poll, Standing
from bot.store import Store

#: When polls have failed for this long, operators are alerted.
BLIND_AFTER = timedelta(seconds=30)

Heard = Callable[[timedelta | None], timedelta | None]

log = structlog.get_logger()


class Polls:
    """What is known from polls, for all steps. Raises the alerts that concern no single request."""

    def __init__(
        self, *, store: Store, clock: Clock, about: Subject = ONLY, heard: Heard = lambda skew: skew
    ) -> None:
        """`heard` gets how far our clock is ahead of the platform's; it returns how far this machine's is."""
        self._alerts, self._clock, self._heard, self._about = store.alerts, clock, heard, about
        self._failing_since: datetime | None = None
        self.steadiness = Steadiness()
        self.unread_since: datetime | None = None  #: since when it cannot be read; None while it can
        self.last_good: datetime | None = None  #: when the last poll began that was good and stored

    def begins(self) -> None:
        """A poll is about to be sent."""
        now = self._clock()
        self.unread_since = min(self.unread_since or now, now)  # the clock can be set back

    async def failed(self, error: Unavailable | Forbidden) -> None:
        """One failed poll is normal. If they keep failing, nobody is asked any more, and that is an alert."""
        now = self._clock()
        if self._failing_since is None or now < self._failing_since:  # the clock was set back
            self._failing_since = now
        elif now - self._failing_since >= BLIND_AFTER:
            facts = {**self._about.facts, "why": error}
            await self._alerts.raise_(alert_of(BLIND, self._about.id, facts, at=now))

    def taken_in(self, listing: Listing) -> None:
        """All that it lists is in the store. (A poll that could be read but not stored helps nobody.)"""
        self.last_good = listing.began_at

    async def good(self, listing: Listing) -> None:
        """It can be read. Deadlines use the platform's clock, so one that is far from ours makes them wrong."""
        self.unread_since = None
        if self._failing_since is not None or self.last_good is None:  # or an earlier process raised it
            self._failing_since = None
            about = self._about
            await self._alerts.resolve(about.id, cause=BLIND, how=over(BLIND, **about.facts))
        skew = self._heard(listing.skew)
        if skew is None:
            return
        if abs(skew) > WORST_SKEW:
            seconds = round(skew.total_seconds())
            side = "ahead of" if seconds > 0 else "behind"
            facts = {**self._about.facts, "seconds": abs(seconds), "side": side}
            await self._alerts.raise_(alert_of(SKEWED, self._about.id, facts, at=self._clock()))
        elif abs(skew) < WORST_SKEW / 2:
            await self._alerts.resolve(self._about.id, cause=SKEWED, how=over(SKEWED))


class LastList:
    """The last list, and which of its requests say what their records say: a poll compares only the others.

    Holds nothing that the last list did not hold. What changes a record without a poll is found by the caller.
    """

    def __init__(self) -> None:
        self.listed: Mapping[str, HITLRequest] = {}
        self._requests: tuple[HITLRequest, ...] = ()
        self._agreed: dict[str, HITLRequest] = {}
        #: What has ended, and until when a clock that is set back can bring it to life again.
        self._over: dict[str, tuple[HITLRequest, datetime | None]] = {}
        self._in_turn: list[str] = []

    def take(self, requests: tuple[HITLRequest, ...]) -> None:
        """The list as it is now. A request is the same as before if it is the very same object."""
        if requests is self._requests:
            return
        self._requests = requests
        listed = self.listed = {request.key: request for request in requests}
        self._agreed = {one: same for one, same in self._agreed.items() if listed.get(one) is same}
        self._over = {one: over for one, over in self._over.items() if listed.get(one) is over[0]}

    def differing(self, waiting: Set[str], *, now: datetime) -> list[str]:
        """The listed requests to compare with their records; `waiting` are those that have not ended."""
        if not self._agreed.keys() <= waiting:
            self._agreed = {one: same for one, same in self._agreed.items() if one in waiting}
        if len(self._agreed) == len(self.listed):
            return []
        unsure = self.listed.keys() - self._agreed.keys()
        return [
            one for one in self.listed if one in unsure and (one in waiting or not self._is_over(one, now=now))
        ]

    def all_agree(self, waiting: Set[str]) -> bool:
        """Whether list and records say the same; to be asked after `differing`."""
        return len(self._agreed) == len(self.listed) == len(waiting)

    def unlisted(self, waiting: Set[str]) -> Set[str]:
        """Those that wait and are not in the list; to be asked after `differing`."""
        return frozenset() if len(self._agreed) == len(waiting) else waiting - self.listed.keys()

    def _is_over(self, key: str, *, now: datetime) -> bool:
        if key not in self._over:
            return False
        _, until = self._over[key]
        return until is None or until <= now

    def agrees(self, key: str) -> None:
        """It says what its record says: nothing is to be done until one of the two changes."""
        self._agreed[key] = self.listed[key]

    def differs(self, key: str) -> None:
        """The next poll compares it again."""
        self._agreed.pop(key, None)

    def over(self, key: str, *, until: datetime | None = None) -> None:
        """It has ended although it is listed; it could wait again while the clock is before `until`."""
        self._over[key] = self.listed[key], until

    def forget_ends(self) -> None:
        """What follows from a deadline has to be worked out again."""
        self._over.clear()

    def in_turn(self, most: int) -> list[str]:
        """Some of those that agreed, a few at each poll: a record could have been changed by hand."""
        if not self._in_turn:
            self._in_turn = list(self._agreed)
        some, self._in_turn = self._in_turn[-most:], self._in_turn[:-most]
        return [one for one in some if one in self._agreed]


#: So long after a start a list that was noted is not read. Then it is, so that records are compared with it in
#: turn again: rows can be edited by hand.
UNREAD_FOR = timedelta(minutes=1)


class Noted:
    """The one row about the polls of a source: what the process before had taken in, a start need not read."""

    def __init__(self, *, store: Store, clock: Clock) -> None:
        self._approvals, self._clock = store.approvals, clock
        self._poll: Poll | None = None
        self._until: datetime | None = None

    async def known(self) -> str:
        """The fingerprint of a list that need not be read, since it would change nothing; or empty."""
        now, approvals = self._clock(), self._approvals
        if self._until is None:
            self._poll, self._until = await approvals.last_poll(), now + UNREAD_FOR
        poll = self._poll
        if poll is None or now >= self._until or approvals.doubted():
            return ""
        same = len(approvals.waiting()) == poll.listed and not await approvals.awaiting_poll(now)
        return poll.body if same else ""

    async def read(self, listing: Listing) -> None:
        """A list was read, and nothing is written yet: what is noted of another one is no longer true."""
        self._until = self._clock()
        if self._poll and self._poll.body not in ("", listing.fingerprint):
            await self._note(replace(self._poll, body=""))

    async def agrees(self, listing: Listing) -> None:
        """All that it lists, and nothing else, is open or decided, and says the same."""
        number, body = (self._poll.number, self._poll.body) if self._poll else (0, "")
        if listing.fingerprint not in ("", body):
            began_at, listed = listing.began_at, len(listing.requests)
            poll = Poll(number=number + 1, began_at=began_at, body=listing.fingerprint, listed=listed)
            await self._note(poll)

    async def _note(self, poll: Poll) -> None:
        await self._approvals.note_poll(poll)
        self._poll = poll


class Unread:
    """Reports when a list has other unreadable items than the one before, and when it has none any more."""

    def __init__(self, *, store: Store, clock: Clock, metrics: Metrics, about: Subject = ONLY) -> None:
        self._store, self._clock, self._metrics, self._about = store, clock, metrics, about
        self._known: tuple[frozenset[str], int] | None = None  #: None: maybe reported by an earlier process

    async def report(self, listing: Listing) -> None:
        """Raise or resolve the one alert about them. A new position of an item in the list does not matter."""
        found = (listing.unread_ids, len(listing.set_aside))
        if found == self._known:
            return
        if listing.set_aside:
            await self._store.alerts.raise_(self._alert(listing))
        else:
            await self._store.alerts.resolve(self._about.id, cause=UNREADABLE, how=over(UNREADABLE))
        self._known = found
        for reason in listing.set_aside:
            log.warning("request_set_aside", reason=reason)
            self._metrics.count("request_set_aside")

    def _alert(self, listing: Listing) -> Alert:
        number, why = len(listing.set_aside), listing.set_aside[0]
        variant, facts = ONE if number == 1 else SEVERAL, {**self._about.facts, "count": number, "why": why}
        return alert_of(UNREADABLE, self._about.id, facts, at=self._clock(), variant=variant)


#: This many good polls in a row must miss a request if nothing comes back, unless the audit shows its end.
USUALLY = 5
#: The least and the most of them, while missing requests come back.
LEAST_FLAPPING, MOST_FLAPPING = 20, 60
#: A request that came back makes the list doubtful for this long.
REMEMBERED = timedelta(minutes=2)
#: The accepted probability that one run of polls declares a pending request gone.
ERROR = 1e-6


class Steadiness:
    """Learns from polls how many in a row must miss a request before Nod believes it."""

    def __init__(self) -> None:
        #: When, how many were listed, and how many misses were wrong.
        self._polls: deque[tuple[datetime, int, int]] = deque()

    def note(self, at: datetime, *, listed: int, came_back: int) -> None:
        """A good poll at that time listed so many known requests.

        `came_back`: how often, all told, polls in a row had missed those of them that were missing before.
        """
        self._polls.append((at, listed, came_back))
        while self._polls and self._polls[0][0] < at - REMEMBERED:
            self._polls.popleft()

    @property
    def flaps(self) -> bool:
        """Whether a request that polls had missed came back recently."""
        return any(came_back for _, _, came_back in self._polls)

    @property
    def believed_after(self) -> int:
        """This many good polls in a row."""
        if not self.flaps:
            return USUALLY
        listed, missed = (sum(column) for column in list(zip(*self._polls, strict=True))[1:])
        share = (missed + 1) / (listed + missed + 2)  # Laplace's estimate, which is never 0 or 1
        return min(max(LEAST_FLAPPING, math.ceil(math.log(ERROR) / math.log(share))), MOST_FLAPPING)


#: If at least this many, and more than this share of all, vanish at once, trouble at the platform is more
#: likely than an answer to each of them: Nod believes it only after HOLD.
MASS_COUNT, MASS_SHARE = 5, 0.5
HOLD = timedelta(minutes=2)


class Vanished:
    """Remembers since when too many requests are missing at once."""

    def __init__(self, *, store: Store, clock: Clock, metrics: Metrics) -> None:
        self._store, self._clock, self._metrics = store, clock, metrics
        self._since: datetime | None = None

    async def too_many(self, missing: Collection[Standing]) -> bool:
        """Whether so many vanished, not decided by Nod, that trouble at the platform is more likely."""
        vanished = sum(not met.attempts for met in missing)
        waiting = await self._store.approvals.untried() if vanished >= MASS_COUNT else vanished
        if vanished < MASS_COUNT or vanished <= MASS_SHARE * waiting:
            self._since = None
            return False
        now = self._clock()
        if self._since is None:
            self._since = now
            log.error("requests_vanished", missing=vanished, standing=waiting)
            self._metrics.count("requests_vanished")
        return now - self._since < HOLD
