"""Who is connected, and who has to go when there is no room: a cap far below the process's descriptors."""

from __future__ import annotations

import heapq
import ipaddress
import resource
import time
from collections import Counter
from collections.abc import Iterator
from enum import Enum, auto
from typing import Protocol

import structlog

#: Descriptors that are counted on where the system sets no limit.
UNLIMITED = 65_536
#: Connections that there is room for, however few descriptors there are.
FEWEST = 16
#: Of so many, one goes when there is no room: a pass over all of them then makes room for several.
ONE_IN = 16
#: Seconds between two lines in the log about the same.
SAY_EVERY = 60.0

log = structlog.get_logger()


class Stage(Enum):
    """What a connection waits for."""

    IDLE = auto()  #: the next request, if there is one
    HEAD = auto()  #: the head of a request
    BODY = auto()  #: the body of a request that is being answered
    REST = auto()  #: the rest of a body whose request has been answered
    UNREAD = auto()  #: the client, to read its answer
    CLOSING = auto()  #: the same, and then it ends
    ANSWERING = auto()  #: us


#: Here it is the client's turn.
SLOW = frozenset({Stage.HEAD, Stage.BODY, Stage.REST, Stage.UNREAD, Stage.CLOSING})


class Guest(Protocol):
    """One connection, as far as the crowd knows it."""

    stage: Stage
    since: float  #: seconds of the monotonic clock, when the stage began or last got on
    peer: str

    def cut(self) -> None:
        """End it at once."""
        ...

    def look(self, now: float) -> None:
        """End it if it has been slow for too long by `now`, of the monotonic clock."""
        ...


class Crowd:
    """The connections of one server."""

    def __init__(self, *, most: int) -> None:
        """At most so many at once."""
        self.most = most
        self._guests: set[Guest] = set()
        self._said_at = -SAY_EVERY

    def __iter__(self) -> Iterator[Guest]:
        return iter(tuple(self._guests))

    def __len__(self) -> int:
        return len(self._guests)

    def enter(self, guest: Guest) -> bool:
        """Let it in. False when there is no room: then everybody waits for us."""
        if len(self._guests) >= self.most and not self._made_room():
            return False
        self._guests.add(guest)
        return True

    def leave(self, guest: Guest) -> None:
        """It has ended, or was never in."""
        self._guests.discard(guest)

    def _made_room(self) -> bool:
        """Idle connections go first, then those whose turn it is: of the peer that has most, the oldest.

        So one peer that takes all the room pushes out its own, and behind a reverse proxy, where all come from
        one peer, a request that takes milliseconds pushes out those that take seconds.
        """
        idle = [guest for guest in self._guests if guest.stage is Stage.IDLE]
        found = idle or [guest for guest in self._guests if guest.stage in SLOW]
        self._say(idle=len(idle), refused=not found)
        held = Counter(guest.peer for guest in self._guests)
        worst = heapq.nsmallest(
            max(1, self.most // ONE_IN), found, key=lambda guest: (-held[guest.peer], guest.since)
        )
        for guest in worst:
            self._guests.discard(guest)
            guest.cut()
        return bool(worst)

    def _say(self, *, idle: int, refused: bool) -> None:
        now = time.monotonic()
        if now - self._said_at >= SAY_EVERY:
            self._said_at = now
            log.warning("connections_full", most=self.most, idle=idle, refused=refused)


def room(*, share: float, most: int) -> int:
    """How many connections may be open, if they may take this share of the process's descriptors.

    `most` bounds what they may take of its memory.
    """
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if descriptors == resource.RLIM_INFINITY:
        descriptors = UNLIMITED
    return max(FEWEST, min(most, int(descriptors * share)))


def peer_of(address: object) -> str:
    """Who is at the other end: the address, or for IPv6 the network that one customer has (RFC 6177)."""
    host = str(address[0]) if isinstance(address, tuple) and address else ""
    try:
        parsed = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if parsed.version == 4:
        return host
    return str(parsed.ipv4_mapped or ipaddress.ip_network((parsed, 64), strict=False))
