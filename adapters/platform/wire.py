"""One item of `GET /agents/hitl/pending` -> the request that waits. Pure.

An item that cannot be read is set aside and the others go on.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationError

from adapters.platform.splitter import LONGEST_ITEM, Item, Names
from adapters.platform.strict import Spoiled, TooDeep, flaw, parse, spelled, written
from bot.protocol import GLAIP, HITLRequest, Json

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
TOO_LARGE = "the call is too large to read"
CONTRADICTED = "the platform lists two different calls under this id"
NAMELESS = Names(ids=frozenset(), agents=frozenset())


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What one item says, by its bytes alone. Without a request or a reason it is no longer pending."""

    size: int = 0  #: in bytes
    request: HITLRequest | None = None
    reason: str | None = None  #: why it is set aside
    #: What it calls itself, where it has no request that says so.
    names: Names = NAMELESS


class _SetAside(Exception):
    """This item cannot be read; the message is the reason."""


def read_item(item: Item, platform: str, source: str = GLAIP) -> Read:
    """What this item of `platform`'s list says. Raises nothing."""
    try:
        value = _value(item)
    except _SetAside as reason:
        return Read(size=item.size, reason=str(reason), names=item.names)
    try:
        return Read(size=item.size, request=_request(value, platform, source))
    except _SetAside as reason:
        names = Names(ids=_texts(value, "request_id"), agents=_texts(value, "agent_id"))
        return Read(size=item.size, reason=str(reason), names=names)


def _value(item: Item) -> Any:
    if item.raw is None:
        raise _SetAside(f"is longer than {LONGEST_ITEM:,} bytes")
    try:
        return parse(item.raw)
    except TooDeep as error:
        raise _SetAside(str(error)) from None
    except ValueError:
        raise _SetAside("is not valid JSON") from None


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


def _request(item: Any, platform: str, source: str) -> HITLRequest | None:
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
        source=source,
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


def is_id(text: str) -> bool:
    """Whether this can be the id of a request or an agent."""
    return bool(text.strip()) and len(text) <= LONGEST_NAME and text.isprintable()
