"""The bytes of `GET /agents/hitl/pending` -> what waits, at the least cost.

A body that is no list fails the whole poll. A list with the bytes of the last one is not read at all, and an
item with the bytes of one in the last list is not parsed again.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from adapters.platform.splitter import Item, NoList, Splitter
from adapters.platform.wire import CONTRADICTED, Read, is_id, read_item
from bot.errors import Unavailable
from bot.protocol import HITLRequest

#: Beyond so much a list is not read at all.
MOST_BYTES, MOST_ITEMS = 100_000_000, 50_000
#: Bytes of the items that are kept, as read, for the next poll; and of a body that is held back.
MOST_KEPT = 32_000_000
#: Reasons that are named one by one; of more than these only the number.
MOST_REASONS = 100


#: Bytes that are read at once.
PIECE = 262_144
NOTHING: Mapping[bytes, Read] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """What a pending list says. `unread_ids` are listed too, but could not be understood."""

    requests: tuple[HITLRequest, ...]
    set_aside: tuple[str, ...]  #: why, per unreadable item; never its content
    unread_ids: frozenset[str]


class Reader:
    """Reads a pending list piece by piece; `feed` is work for a thread of its own. Pure."""

    def __init__(
        self,
        *,
        platform: str = "",
        known: Mapping[bytes, Read] = NOTHING,
        most_bytes: int = MOST_BYTES,
        most_items: int = MOST_ITEMS,
        most_kept: int = MOST_KEPT,
    ) -> None:
        """`known` is what an earlier reader of the same platform kept."""
        self._platform, self._most_bytes, self._most_items = platform, most_bytes, most_items
        self._known, self._room = known, most_kept
        self.kept: dict[bytes, Read] = {}  #: what was read here, by the hash of each item
        #: The known items in their order, and the place of each: most follow one another as they did before.
        self._order = list(known.items())
        self._places = {key: place for place, key in enumerate(known)}
        self._next = 0
        self._splitter = Splitter(self._recognised)
        self._bytes = self._number = 0
        self._agents: Counter[str] = Counter()  #: bytes of each one's items
        self._found: dict[str, HITLRequest] = {}
        self._unread: set[str] = set()
        self._reasons: list[str] = []

    def feed(self, piece: bytes) -> None:
        """Raises Unavailable for what is no list, and for one beyond all bounds."""
        self._bytes += len(piece)
        try:
            for item in self._splitter.feed(piece):
                self._number += 1
                self._take_in(item if isinstance(item, Read) else self._read(item))
        except NoList as error:
            raise Unavailable(f"the platform's pending list is {error}") from error
        if self._bytes > self._most_bytes:
            raise Unavailable(self._beyond(f"{self._most_bytes:,} bytes"))
        if self._number > self._most_items:
            raise Unavailable(self._beyond(f"{self._most_items:,} items"))

    def end(self) -> Pending:
        """What the list says. Raises Unavailable when it ended too early, or is none."""
        try:
            self._splitter.end()
        except NoList as error:
            raise Unavailable(f"the platform's pending list is {error}") from error
        reasons = self._reasons[:MOST_REASONS]
        if len(self._reasons) > MOST_REASONS:
            reasons.append(f"{len(self._reasons) - MOST_REASONS} more items could not be read")
        return Pending(
            requests=tuple(self._found.values()),
            set_aside=tuple(reasons),
            unread_ids=frozenset(self._unread - self._found.keys()),
        )

    def _recognised(self, data: bytes, at: int) -> Read | None:
        """The known item that is expected here, if these are its very bytes."""
        if self._next == len(self._order):
            return None
        key, read = self._order[self._next]
        if hashlib.sha256(data[at : at + read.size]).digest() != key:
            return None
        self._next += 1
        self._keep(key, read)
        return read

    def _read(self, item: Item) -> Read:
        """The same bytes say the same: what was read at the last poll is not read again."""
        if item.raw is None:
            return read_item(item, self._platform)
        key = hashlib.sha256(item.raw).digest()
        self._next = self._places.get(key, self._next - 1) + 1
        read = self.kept.get(key) or self._known.get(key) or read_item(item, self._platform)
        self._keep(key, read)
        return read

    def _keep(self, key: bytes, read: Read) -> None:
        if key not in self.kept and read.size <= self._room:
            self.kept[key] = read
            self._room -= read.size

    def _take_in(self, read: Read) -> None:
        request, reason = read.request, read.reason
        if request is None:
            if reason is None:
                return
            ids, agents = read.names.ids, read.names.agents
        else:
            self._agents[request.agent_id] += read.size
            reason = _clash(request, self._found, self._unread)
            if reason is None:
                return
            ids, agents = frozenset({request.request_id}), frozenset()
        self._agents.update(dict.fromkeys(agents, read.size))
        self._reasons.append(f"item {self._number} {reason}")
        ids = frozenset(text for text in ids if is_id(text))
        self._unread |= ids
        # Which of the two would run, nobody can know.
        for same in ids & self._found.keys():
            self._found[same] = replace(self._found[same], flaw=self._found[same].flaw or CONTRADICTED)

    def _beyond(self, bound: str) -> str:
        agent = next((name for name, _ in self._agents.most_common(1) if is_id(name)), None)
        whose = f"; most of it is of the agent {agent}" if agent else ""
        return f"the platform's pending list is longer than {bound}{whose}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LastBody:
    """The body of the last good list, and what it said."""

    size: int  #: in bytes
    digest: bytes
    pending: Pending


class Intake:
    """A body as it comes in. It is held back as long as it can be the last one again, else read in a thread."""

    def __init__(self, reader: Reader, *, last: LastBody | None) -> None:
        self._reader, self._last = reader, last
        self._is_held = last is not None
        self._hash, self._size = hashlib.sha256(), 0
        self._pieces: list[bytes] = []
        self._waiting = 0  #: bytes of the pieces
        self.was_read = False  #: whether the reader has got any of it

    @property
    def last(self) -> LastBody | None:
        """What the next poll compares its body with, once this one has ended."""
        return self._last

    async def feed(self, piece: bytes) -> None:
        """Take a piece. Raises Unavailable for what is no list, and for one beyond all bounds."""
        self._hash.update(piece)
        self._size += len(piece)
        self._pieces.append(piece)
        self._waiting += len(piece)
        if self._is_held and self._last is not None and self._size > self._last.size:
            self._is_held = False
        if not self._is_held and self._waiting >= PIECE:
            await asyncio.to_thread(self._read)

    async def end(self) -> Pending:
        """What the list says; the same object as last time if the bytes are the same. Raises Unavailable."""
        digest, last = self._hash.digest(), self._last
        if self._is_held and last is not None and (self._size, digest) == (last.size, last.digest):
            return last.pending
        pending = await asyncio.to_thread(self._finish)
        fits = self._size <= MOST_KEPT
        self._last = LastBody(size=self._size, digest=digest, pending=pending) if fits else None
        return pending

    def _finish(self) -> Pending:
        self._read()
        return self._reader.end()

    def _read(self) -> None:
        self.was_read = True
        pieces, self._pieces, self._waiting = self._pieces, [], 0
        some = bytearray()
        for piece in pieces:
            some += piece
            if len(some) >= PIECE:
                self._reader.feed(bytes(some))
                some.clear()
        if some:
            self._reader.feed(bytes(some))


def read_pending(body: bytes, *, platform: str = "") -> Pending:
    """Read `platform`'s pending list, bare or as `{"success": true, "data": [...]}`.

    Raises Unavailable when it is neither: then nothing may be concluded from it.
    """
    reader = Reader(platform=platform)
    reader.feed(body)
    return reader.end()


def _clash(request: HITLRequest, found: dict[str, HITLRequest], unread: set[str]) -> str | None:
    """The first item with an id counts; only an item that is the very same may repeat it.

    Returns why this one is set aside, if it is.
    """
    first = found.setdefault(request.request_id, request)
    if first is request and not unread:
        return None
    # `==` alone takes 1 for True; the digest alone leaves out what no decision covers.
    if first.digest != request.digest or first != request:
        return "contradicts an earlier item with the same id"
    if request.request_id in unread:
        del found[request.request_id]
        return "has the id of an earlier item that could not be read"
    return None
