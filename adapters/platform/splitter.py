"""A pending list, cut into its items while it is read, so that one item's trouble is its own. Pure.

Only what divides items is looked at: brackets, strings, and the list's own commas. What is inside an item is
read by `adapters.platform.strict`, item by item, and a huge one is never held.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from adapters.platform.strict import flaw, parse

#: Bytes of the longest item that is read; a longer one is set aside by its id.
LONGEST_ITEM = 1_000_000
#: Bytes of what may be around the list: `success`, a message.
LONGEST_AROUND = 65_536
#: Bytes of the longest name that is made out: 200 signs, each written as two escapes.
LONGEST_NAME = 2_400

_STRING = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
#: Past whole strings to the next bracket, or to a string that does not end here.
_INSIDE = re.compile(rb'[^"\[\]{}]*+(?:"(?:[^"\\]++|\\.)*+"[^"\[\]{}]*+)*+', re.DOTALL)
#: To the next sign that matters among an object's own members.
_MEMBERS = re.compile(rb'[^"\[\]{},:]*+')
_SCALAR = re.compile(rb'[^ \t\r\n,\[\]{}":]*+')
_SPACE = re.compile(rb"[ \t\r\n]*+")
#: Lists and objects inside one another in an item that is cut out at once; a deeper one is walked over.
_AT_ONCE = 8
_BOM = b"\xef\xbb\xbf"


def _whole_to(depth: int) -> bytes:
    """A bracket up to the one that ends it, as `_Value` finds it, with so many pairs of them inside."""
    plain, string = rb'[^"\[\]{}]*+', rb'"(?:[^"\\]++|\\.)*+"'
    inner = rb"(?:%s|%s)" % (string, _whole_to(depth - 1)) if depth else string
    return rb"[\[{]%s(?:%s%s)*+[\]}]" % (plain, inner, plain)


_WHOLE = re.compile(_whole_to(_AT_ONCE), re.DOTALL)


class NoList(ValueError):
    """It is no JSON list, nor an object with one; the message says which, never the content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What an item calls itself, as far as that can be made out among its own members."""

    ids: frozenset[str]
    agents: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One item as it came."""

    raw: bytes | None  #: None: it is longer than LONGEST_ITEM
    size: int  #: in bytes
    walked: Names | None = None  #: where the item was walked over; see `names`

    @property
    def names(self) -> Names:
        """Of one that was cut out at once they are looked for now: most items are never asked."""
        if self.walked is not None:
            return self.walked
        value = _Value()
        value.walk(self.raw or b"", 0)
        return value.names


class Known(Protocol):
    """What is known already of an item that is an object or a list, from an earlier list."""

    @property
    def size(self) -> int:
        """In bytes."""
        ...


K = TypeVar("K", bound=Known)
#: Looks whether an item that begins here is a known one, byte by byte.
Recognise = Callable[[bytes, int], K | None]


class Splitter(Generic[K]):
    """Give it the body piece by piece with `feed`, which returns the items that have ended; then call `end`."""

    def __init__(self, recognise: Recognise[K] = lambda data, at: None) -> None:
        """What `recognise` knows is returned as it is, and not cut out."""
        self._recognise = recognise
        self._step: Callable[[bytes, int], int] = self._begin
        #: Of the body, until it is known whether it begins with a byte order mark; then None.
        self._head: bytes | None = b""
        self._around = bytearray()  #: what is around the list, with `null` in its place
        self._outer: _Value | None = None
        self._lists = 0
        self._item: _Value | None = None
        self._raw, self._size = bytearray(), 0
        self._wants_item, self._may_end = True, True
        self._found: list[Item | K] = []

    def feed(self, piece: bytes) -> Iterator[Item | K]:
        """The items that end in this piece, each before the next is looked at. Raises NoList."""
        if self._head is not None:
            piece = self._head + piece
            if len(piece) < len(_BOM) and _BOM.startswith(piece):
                self._head = piece
                return
            self._head, piece = None, piece.removeprefix(_BOM)
        at = 0
        while at < len(piece):
            at = self._step(piece, at)
            yield from self._found
            self._found.clear()

    def end(self) -> None:
        """The body is over. Raises NoList when the list is not."""
        if self._outer is None and self._lists:
            if self._step != self._over:
                raise NoList("not JSON")
            return
        try:
            around = parse(bytes(self._around))
        except ValueError:
            raise NoList("not JSON") from None
        # With `data` given twice nobody can say which list is meant.
        wrapped = isinstance(around, dict) and flaw(around) is None and around.get("success") is True
        if not wrapped or self._lists != 1:
            raise NoList("not a list")

    def _begin(self, data: bytes, at: int) -> int:
        at = _past(_SPACE, data, at)
        if at < len(data):
            if data[at] == _BRACKET:
                self._lists, self._step = 1, self._list
                return at + 1
            self._outer = _Value(divides=True)
            self._step = self._wrapping
        return at

    def _wrapping(self, data: bytes, at: int) -> int:
        if self._outer is None:
            raise NoList("not a list")
        after = self._outer.walk(data, at)
        self._around += data[at:after]
        if self._outer.at_list:
            self._around[-1:] = b"null"
            self._outer.at_list = False
            self._lists += 1
            self._wants_item, self._may_end, self._step = True, True, self._list
        elif self._outer.done:
            self._step = self._over
        self._bound_around()
        return after

    def _over(self, data: bytes, at: int) -> int:
        at = _past(_SPACE, data, at)
        if at < len(data):
            if self._outer is None:
                raise NoList("not JSON")
            self._around += data[at:]
            self._bound_around()
        return len(data)

    def _bound_around(self) -> None:
        if len(self._around) > LONGEST_AROUND:
            raise NoList("not a list")

    def _list(self, data: bytes, at: int) -> int:
        """One turn for all known items that follow one another: there may be tens of thousands."""
        end, wants, may_end, found = len(data), self._wants_item, self._may_end, self._found
        while True:
            if at < end and data[at] in _SPACES:
                at = _past(_SPACE, data, at)
            if at >= end:
                self._wants_item, self._may_end = wants, may_end
                return at
            sign = data[at]
            if sign == _COMMA and not wants:
                wants, may_end, at = True, False, at + 1
                continue
            if sign == _END and may_end:
                self._step = self._over if self._outer is None else self._wrapping
                return at + 1
            if not wants or sign in _NO_ITEM:
                raise NoList("not JSON")
            if sign in _OPENING and (known := self._recognise(data, at)) is not None:
                found.append(known)
                wants, may_end, at = False, True, at + known.size
                continue
            self._wants_item, self._may_end = False, True
            if whole := _WHOLE.match(data, at, at + LONGEST_ITEM):
                found.append(Item(raw=whole[0], size=len(whole[0])))
                return whole.end()
            self._item, self._raw, self._size, self._step = _Value(), bytearray(), 0, self._inside
            return at

    def _inside(self, data: bytes, at: int) -> int:
        item = self._item or _Value()
        after = item.walk(data, at)
        self._size += after - at
        if self._size <= LONGEST_ITEM:
            self._raw += data[at:after]
        else:
            self._raw.clear()
        if item.done:
            raw = bytes(self._raw) if self._size <= LONGEST_ITEM else None
            self._found.append(Item(raw=raw, size=self._size, walked=item.names))
            self._step = self._list
        return after


_BRACKET, _COMMA, _END = ord("["), ord(","), ord("]")
_OPENING, _SPACES, _NO_ITEM = frozenset(b"[{"), frozenset(b" \t\r\n"), frozenset(b"]},:")


class _Value:
    """One JSON value, walked over piece by piece."""

    def __init__(self, *, divides: bool = False) -> None:
        """`divides`: stop behind the bracket of a list that is called `data`."""
        self._ids: set[str] = set()
        self._agents: set[str] = set()
        self.done = self.at_list = False
        self._divides = divides
        self._depth = 0
        self._object = self._string = self._escaped = False
        self._token: bytearray | None = None  #: the string that is being read, where it may be a name
        self._last: str | None = None  #: the last string among its own members
        self._key: str | None = None

    @property
    def names(self) -> Names:
        """Those that were made out so far."""
        return Names(ids=frozenset(self._ids), agents=frozenset(self._agents))

    def walk(self, data: bytes, at: int) -> int:
        """Where it ends, or the piece does."""
        while at < len(data) and not self.done and not self.at_list:
            if self._string:
                at = self._through_string(data, at)
            elif self._depth == 0:
                at = self._first(data, at)
            elif self._depth == 1 and self._object:
                at = self._member(data, at)
            else:
                at = self._sign(data, _past(_INSIDE, data, at))
        return at

    def _first(self, data: bytes, at: int) -> int:
        sign = data[at : at + 1]
        if sign in b'{["':
            self._object = sign == b"{"
            return self._sign(data, at)
        end = _past(_SCALAR, data, at)
        self.done = end < len(data)
        return end

    def _member(self, data: bytes, at: int) -> int:
        at = _past(_MEMBERS, data, at)
        sign = data[at : at + 1]
        if sign == b":":
            self._key, self._last = self._last, None
        elif sign == b",":
            self._key = self._last = None
        elif sign == b"[" and self._divides and self._key == "data":
            self.at_list, self._key = True, None
        else:
            return self._sign(data, at)
        return at + 1

    def _sign(self, data: bytes, at: int) -> int:
        sign = data[at : at + 1]
        if sign == b'"':
            self._string, self._escaped = True, False
            self._token = bytearray() if self._depth == 1 and self._object else None
        elif sign in (b"{", b"["):
            self._depth += 1
        elif sign:
            self._depth -= 1
            self.done = self._depth == 0
        return at + len(sign)

    def _through_string(self, data: bytes, at: int) -> int:
        end = at + 1 if self._escaped else _past(_STRING, data, at)
        if self._token is not None:
            self._token += data[at:end]
            if len(self._token) > LONGEST_NAME:
                self._token = None
        self._escaped = False
        if end == len(data):
            return end
        if data[end : end + 1] == b"\\":  # its other half is in the next piece
            self._escaped = True
            if self._token is not None:
                self._token += b"\\"
            return end + 1
        if data[end : end + 1] == b'"':
            self._string = False
            self._named()
            self.done = self._depth == 0
            return end + 1
        return end

    def _named(self) -> None:
        if self._token is None:
            return
        text = _text(bytes(self._token))
        self._token = None
        if self._key is None:
            self._last = text
        elif text is not None:
            if self._key == "request_id":
                self._ids.add(text)
            elif self._key == "agent_id":
                self._agents.add(text)


def _past(pattern: re.Pattern[bytes], data: bytes, at: int) -> int:
    found = pattern.match(data, at)
    return found.end() if found else at


def _text(token: bytes) -> str | None:
    try:
        text = json.loads(b'"' + token + b'"')
    except ValueError:
        return None
    return text if isinstance(text, str) else None
