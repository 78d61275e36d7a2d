"""Is this an activity at all? Asked of the raw bytes, before its token is checked and before the SDK sees it.

The SDK answers what it cannot read with HTTP 500 (teams.md, defects 2 and 5), so this check of our own stands
in front. Nothing of a body reaches the logs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.teams.payloads import check_shape
from adapters.teams.strict import Malformed
from adapters.teams.trust import Untrusted
from bot.unambiguous import read_json

BODY = 256 * 1024  #: bytes; an activity with our largest form is far below
DEPTH = 64  #: levels of nested JSON; Teams' own activities have about ten
NODES = 20_000  #: values in an activity, all levels together


def activity_in(headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """The activity of a request whose header names are in small letters.

    Raises Untrusted with the status to answer: 413, 415 or 400.
    """
    if len(body) > BODY:
        raise Untrusted(413, "too large")
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Untrusted(415, "no JSON")
    try:
        activity = read_json(body.decode())
    except (ValueError, RecursionError) as error:
        raise Untrusted(400, "no JSON") from error
    if not isinstance(activity, dict) or not _shallow(activity):
        raise Untrusted(400, "no activity")
    try:
        check_shape(activity)
    except Malformed as error:
        raise Untrusted(400, f"no activity of Teams ({error})") from error
    return activity


def _shallow(activity: Any) -> bool:
    """Within DEPTH and NODES, and every text can be stored; found without recursion."""
    level, seen = [activity], 0
    for _ in range(DEPTH):
        seen += len(level)
        if seen > NODES or not all(_storable(text) for text in level if isinstance(text, str)):
            return False
        level = [inner for value in level for inner in _inside(value)]
        if not level:
            return True
    return False


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [*value, *value.values()]
    return value if isinstance(value, list) else []


def _storable(text: str) -> bool:
    """Half of a surrogate pair is a JSON text but no UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
