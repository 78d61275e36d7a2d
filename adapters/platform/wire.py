"""The bytes of `GET /agents/hitl/pending` -> what waits. Pure.

A body that is no list fails the whole poll; an item that cannot be read is set aside and the others go on.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationError

from adapters.platform.splitter import LONGEST_ITEM, Item, NoList, Splitter
from adapters.platform.strict import Spoiled, TooDeep, flaw, parse, spelled, written
from bot.errors import Unavailable
from bot.protocol import HITLRequest, Json

#: Characters of the longest id or name; the platform's own are UUIDs and slugs.
LONGEST_NAME = 200
#: The runtime cuts its preview of arguments at 2,048 characters, the `...` included.
#: A little less is suspected too, since whether it is whole cannot be told.
CUT_FROM = 2_000
#: Characters of the longest time; ISO 8601 takes 32.
LONGEST_MOMENT = 64
#: A call of more leaf values, or more characters as JSON, is not read by anybody; its stub quotes its head.
MOST_VALUES = 3_000
LONGEST_CALL = 300_000
LONGEST_HEAD = 2_000
TOO_LARGE = "the call is too large to be read by a person"
CONTRADICTED = "the platform lists two different calls under this id"
#: Beyond so much a list is not read at all.
MOST_BYTES, MOST_ITEMS = 100_000_000, 50_000
#: Bytes of the items that are kept, as read, for the next poll.
MOST_KEPT = 32_000_000
#: Reasons that are named one by one; of more than these only the number.
MOST_REASONS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """What a pending list says. `unread_ids` are listed too, but could not be understood."""

    requests: tuple[HITLRequest, ...]
    set_aside: tuple[str, ...]  #: why, per unreadable item; never its content
    unread_ids: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What one item says, by its bytes alone. Without a request or a reason it is no longer pending."""

    request: HITLRequest | None = None
    reason: str | None = None  #: why it is set aside
    ids: frozenset[str] = frozenset()
    agents: frozenset[str] = frozenset()


NOTHING: Mapping[bytes, Read] = MappingProxyType({})


class _SetAside(Exception):
    """This item cannot be read; the message is the reason."""


class Reader:
    """Reads a pending list piece by piece; `feed` is work for a thread of its own."""

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
        self._splitter = Splitter()
        self._bytes = self._number = 0
        self._agents: Counter[str] = Counter()  #: bytes of each one's items
        self._found: dict[str, HITLRequest] = {}
        self._unread: set[str] = set()
        self._reasons: list[str] = []

    def feed(self, piece: bytes) -> None:
        """Raises Unavailable for what is no list, and for one beyond all bounds."""
        self._bytes += len(piece)
        try:
            items = self._splitter.feed(piece)
        except NoList as error:
            raise Unavailable(f"the platform's pending list is {error}") from error
        for item in items:
            self._number += 1
            read = self._read(item)
            self._agents.update(dict.fromkeys(read.agents, item.size))
            self._take_in(read)
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

    def _read(self, item: Item) -> Read:
        """The same bytes say the same: what was read at the last poll is not read again."""
        if item.raw is None:
            return _read(item, self._platform)
        key = hashlib.sha256(item.raw).digest()
        read = self.kept.get(key) or self._known.get(key) or _read(item, self._platform)
        if key not in self.kept and item.size <= self._room:
            self.kept[key] = read
            self._room -= item.size
        return read

    def _take_in(self, read: Read) -> None:
        reason = read.reason
        if read.request is not None:
            reason = _clash(read.request, self._found, self._unread)
        if reason is None:
            return
        self._reasons.append(f"item {self._number} {reason}")
        ids = {text for text in read.ids if _is_id(text)}
        self._unread |= ids
        # Which of the two would run, nobody can know.
        for same in ids & self._found.keys():
            self._found[same] = replace(self._found[same], flaw=self._found[same].flaw or CONTRADICTED)

    def _beyond(self, bound: str) -> str:
        agent = next((name for name, _ in self._agents.most_common(1) if _is_id(name)), None)
        whose = f"; most of it is of the agent {agent}" if agent else ""
        return f"the platform's pending list is longer than {bound}{whose}"


def read_pending(body: bytes, *, platform: str = "") -> Pending:
    """Read `platform`'s pending list, bare or as `{"success": true, "data": [...]}`.

    Raises Unavailable when it is neither: then nothing may be concluded from it.
    """
    reader = Reader(platform=platform)
    reader.feed(body)
    return reader.end()


def _read(item: Item, platform: str) -> Read:
    try:
        value = _value(item)
    except _SetAside as reason:
        return Read(reason=str(reason), ids=item.names.ids, agents=item.names.agents)
    ids, agents = _texts(value, "request_id"), _texts(value, "agent_id")
    try:
        return Read(request=_request(value, platform), ids=ids, agents=agents)
    except _SetAside as reason:
        return Read(reason=str(reason), ids=ids, agents=agents)


def _value(item: Item) -> Any:
    if item.raw is None:
        raise _SetAside(f"is longer than {LONGEST_ITEM:,} bytes")
    try:
        return parse(item.raw)
    except TooDeep as error:
        raise _SetAside(str(error)) from None
    except ValueError:
        raise _SetAside("is no JSON that can be read") from None


def _clash(request: HITLRequest, found: dict[str, HITLRequest], unread: set[str]) -> str | None:
    """The first item with an id counts; only an item that is the very same may repeat it.

    Returns why this one is set aside, if it is.
    """
    first = found.setdefault(request.request_id, request)
    # `==` alone takes 1 for True; the digest alone leaves out what no decision covers.
    if first.digest != request.digest or first != request:
        return "contradicts an item before it with the same id"
    if request.request_id in unread:
        del found[request.request_id]
        return "has the id of an item before it that could not be read"
    return None


def _id(text: str) -> str:
    if not _name(text).isprintable():
        raise ValueError("no printable name")
    return text


def _name(text: str) -> str:
    """A name that cannot be printed is a flaw of the call (`bot.protocol`): people can still refuse it."""
    if not text.strip() or len(text) > LONGEST_NAME:
        raise ValueError("no name")
    return text


def _moment(value: object) -> object:
    """A number is no ISO 8601 text and must not pass for it: `20260101` would be read as a date."""
    if value is None or isinstance(value, str):
        return value and value[:LONGEST_MOMENT]
    return f"{str(_number(value))[:40]} (not in ISO 8601)"


def _number(value: object) -> object:
    return value.digits if isinstance(value, Spoiled) else value


def _seconds(value: object) -> float | None:
    value = _number(value)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        seconds = float(value)
    except (ValueError, OverflowError):
        return None
    return seconds if math.isfinite(seconds) else None


_Id = Annotated[str, AfterValidator(_id)]
_Name = Annotated[str, AfterValidator(_name)]
_Moment = Annotated[str | None, BeforeValidator(_moment)]
_Seconds = Annotated[float | None, BeforeValidator(_seconds)]


class _Metadata(BaseModel):
    """`hitl_metadata`. The documented sample has no request_id, the real one has."""

    model_config = ConfigDict(strict=True)

    decision: str | None = None
    request_id: str | None = None
    timeout_at: _Moment = None
    timeout_seconds: _Seconds = None


class _Item(BaseModel):
    """One item; unknown fields are tolerated."""

    model_config = ConfigDict(strict=True)

    request_id: _Id
    tool: _Name
    agent_id: _Name
    run_id: _Id | None = None
    created_at: _Moment = None
    hitl_metadata: _Metadata | None = None


def _request(item: Any, platform: str) -> HITLRequest | None:
    """The request; None when the item itself says that it is no longer pending."""
    if not isinstance(item, dict):
        raise _SetAside(flaw(item) or "is not a JSON object")
    given = item.get("additional_context")
    context: dict[str, Any] = given if isinstance(given, dict) else {}
    # A flaw in the call itself leaves it to people, who may reject or skip it; one around it tells nothing.
    around = {**item, **context, "additional_context": None, "arguments": None}
    if problem := flaw(around, rounded=True):
        raise _SetAside(problem)
    named = {"tool": item.get("tool") or context.get("tool_name")}
    named |= {"agent_id": item.get("agent_id") or context.get("agent_id"), "run_id": item.get("run_id") or None}
    try:
        read = _Item.model_validate(item | named)
    except ValidationError as error:
        # Field names and kinds only: the values, and pydantic's sentences about them, are content.
        problems = (".".join(map(str, one["loc"])) + f" ({one['type']})" for one in error.errors())
        raise _SetAside(f"has no usable {', '.join(problems)}") from None
    waits = read.hitl_metadata or _Metadata()
    if waits.decision is not None and waits.decision.strip().lower() != "pending":
        return None
    if waits.request_id not in (None, read.request_id):
        raise _SetAside("names two request ids")
    arguments, whole = _arguments(item, context)
    problem = None
    if (stub := _stub(arguments)) is not None:
        arguments, problem = stub, TOO_LARGE
    elif found := flaw(arguments):
        arguments, problem = spelled(arguments), f"the call {found}"
    return HITLRequest(
        platform=platform,
        request_id=read.request_id,
        tool_name=read.tool,
        arguments=arguments,
        agent_id=read.agent_id,
        run_id=read.run_id,
        created_at=read.created_at,
        timeout_at=waits.timeout_at,
        timeout_seconds=waits.timeout_seconds,
        flaw=problem,
        whole=whole,
    )


def _arguments(item: dict[str, Any], context: dict[str, Any]) -> tuple[Json, bool]:
    """The arguments, and whether they are all of them. None named at all counts as not seen whole."""
    source = item if item.get("arguments") is not None or "arguments" not in context else context
    value: Json = source.get("arguments")
    if not isinstance(value, str):
        return value, "arguments" in source
    if value.lstrip()[:1] in ("{", "["):
        try:
            inner = parse(value)
        except ValueError:
            inner = None
        # Text that is not strict JSON stays text: it is shown as it came, with nothing left out.
        if isinstance(inner, dict | list) and flaw(inner) is None:
            return inner, True
    text = value.rstrip()
    cut = text.endswith("...") and len(text) >= CUT_FROM
    return value, not cut and not text.startswith("<Non-serializable")


def _stub(arguments: Any) -> Json:
    """What is kept of a call that nobody could read: its size, its hash and how it begins. None for others."""
    count, text = _values(arguments), written(arguments)
    if count <= MOST_VALUES and len(text) <= LONGEST_CALL:
        return None
    original = text.encode("utf-8", "backslashreplace")
    head = arguments if isinstance(arguments, str) else text
    return {
        "(too large to show)": f"{count} value{'s' if count != 1 else ''}, {-(-len(original) // 1024)} KB",
        "sha256": hashlib.sha256(original).hexdigest(),
        "(begins with)": head[:LONGEST_HEAD].encode("utf-8", "backslashreplace").decode()[:LONGEST_HEAD],
    }


def _values(value: Any) -> int:
    """How many leaf values there are; an empty list or object is one."""
    count, waiting = 0, [[value]]
    while waiting:
        parts = waiting.pop()
        count += len(parts) or 1
        held = [_parts(part) for part in parts if isinstance(part, dict | list | Spoiled)]
        count -= len(held)
        waiting.extend(held)
    return count


def _parts(value: dict[str, Any] | list[Any] | Spoiled) -> list[Any]:
    if isinstance(value, Spoiled):
        return [part for _, part in value.pairs]
    return list(value.values()) if isinstance(value, dict) else value


def _texts(item: Any, name: str) -> frozenset[str]:
    """Every text that an item has under a name, which one that cannot be used may hold twice."""
    pairs = item.pairs if isinstance(item, Spoiled) else item.items() if isinstance(item, dict) else ()
    return frozenset(value for key, value in pairs if key == name and isinstance(value, str))


def _is_id(text: str) -> bool:
    return bool(text.strip()) and len(text) <= LONGEST_NAME and text.isprintable()
