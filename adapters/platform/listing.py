"""The bytes of `GET /agents/hitl/pending` -> what waits, at the least cost.

A body that is no list fails the whole poll. A list with the bytes of the last one is not read at all, and an
item with the bytes of one in the last list is not parsed again.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from adapters.platform.splitter import Item, NoList, Splitter
from adapters.platform.wire import CONTRADICTED, Read, is_id, read_item
from bot.errors import Unavailable
from bot.protocol import GLAIP, HITLRequest

#: Beyond so much a list is not read at all.
MOST_BYTES, MOST_ITEMS = 100_000_000, 50_000
#: Bytes of the items that are kept, as read, for the next poll; and of a body that it is compared with.
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
        source: str = GLAIP,
        known: Mapping[bytes, Read] = NOTHING,
        most_bytes: int = MOST_BYTES,
        most_items: int = MOST_ITEMS,
        most_kept: int = MOST_KEPT,
    ) -> None:
        """`known` is what an earlier reader of the same platform kept."""
        self._asker, self._most_bytes, self._most_items = (platform, source), most_bytes, most_items
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
            return read_item(item, *self._asker)
        key = hashlib.sha256(item.raw).digest()
        self._next = self._places.get(key, self._next - 1) + 1
        read = self.kept.get(key) or self._known.get(key) or read_item(item, *self._asker)
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
        whose = f"; most of it is from the agent {agent}" if agent else ""
        return f"the platform's pending list is longer than {bound}{whose}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LastBody:
    """The body of the last good list, and what it said."""

    body: bytes
    fingerprint: str
    pending: Pending


class Intake:
    """A body as it comes in. While it is the last one again nothing is read; from there on, in a thread."""

    def __init__(
        self, reader: Callable[[], Reader], *, last: LastBody | None, seed: str = "", known: str = ""
    ) -> None:
        """`reader` makes what reads another body; one with the fingerprint `known` is not read at all.

        A fingerprint is a hash of the bytes and of `seed`, which names the reader and the platform.
        """
        self._make_reader, self.last = reader, last
        self._seed, self._known = seed.encode(), known
        self.fingerprint = (
            "" if last is None else last.fingerprint
        )  #: of the whole body, once it has ended; empty: too long
        self.reader: Reader | None = None  #: what has got any of it
        self._expected = None if last is None else last.body
        self._same = 0  #: bytes so far that are the expected ones
        self._pieces: list[bytes] = []
        self._waiting = 0  #: bytes of the pieces
        self._whole: list[bytes] = []
        self._size = 0

    async def feed(self, piece: bytes) -> None:
        """Take a piece. Raises Unavailable for what is no list, and for one beyond all bounds."""
        if self._expected is not None:
            if self._expected.startswith(piece, self._same):
                self._same += len(piece)
                return
            self._differs()
        self._take(piece)
        if self._waiting >= PIECE and not (self._known and self._whole):
            await asyncio.to_thread(self._read)

    async def end(self) -> Pending | None:
        """What the list says; the same object as last time if the bytes are the same; None for the known one.

        Raises Unavailable.
        """
        if self.last is not None and self._expected is not None and self._same == len(self._expected):
            return self.last.pending
        self._differs()
        return await asyncio.to_thread(self._finish)

    def _differs(self) -> None:
        expected, self._expected = self._expected, None
        if expected is not None:
            self._take(expected[: self._same])

    def _take(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._waiting += len(piece)
        self._size += len(piece)
        if self._size <= MOST_KEPT:
            self._whole.append(piece)
        else:
            self._whole.clear()

    def _finish(self) -> Pending | None:
        hash_ = hashlib.blake2b(self._seed, digest_size=32)
        for piece in self._whole:
            hash_.update(piece)
        fits = self._size <= MOST_KEPT
        self.fingerprint = hash_.hexdigest() if fits else ""
        if fits and self.fingerprint == self._known:
            return None
        pending = self._read().end()
        self.last = (
            LastBody(body=b"".join(self._whole), fingerprint=self.fingerprint, pending=pending)
            if fits
            else None
        )
        return pending

    def _read(self) -> Reader:
        reader = self.reader = self.reader or self._make_reader()
        pieces, self._pieces, self._waiting = self._pieces, [], 0
        some = bytearray()
        for piece in pieces:
            some += piece
            if len(some) >= PIECE:
                reader.feed(bytes(some))
                some.clear()
        if some:
            reader.feed(bytes(some))
        return reader


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
        return "has the same id as an earlier item that could not be read"
    return None
