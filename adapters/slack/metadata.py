"""What a form remembers of the card that it was opened from, in Slack's `private_metadata`. Pure.

It is no permission: the desk checks the sealed value in it again, whatever else stands there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from adapters.chat.payload import Malformed, number, part, text
from bot.canonical import read_json
from bot.card import Button

#: Characters of a button's value (docs.slack.dev/reference/block-kit/block-elements/button-element).
VALUE = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """The digest from which a request was opened, and how far one has come."""

    value: str  #: of the digest's Next, sealed by the core
    after: str  #: the card that is looked at, behind which the next one is
    tool: str  #: its name, to say what was decided


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    """The button that was pressed, and on which message."""

    value: str  #: as the button carried it, sealed by the core
    verb: Button
    channel: str
    ref: str
    required: bool = False  #: the form may not come back without a reason
    queue: Queue | None = None  #: the request stands on a digest; `ref` is the digest's message then

    @property
    def own(self) -> str:
        """Ends the ids of this form's fields, where forms of several requests follow in one modal.

        Slack keeps what was typed while block_id and action_id stay (docs.slack.dev/reference/views, Preserving
        input): a note on one request must not go along with the next.
        """
        return f".{self.queue.after}.{self.verb.value}" if self.queue else ""

    def packed(self) -> str:
        """As `private_metadata`, which has room for 3,000 characters."""
        return json.dumps(asdict(self), separators=(",", ":"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A look at the whole call, page by page, counted from 0. None of the call's text is in here."""

    thread: Thread
    page: int
    seen: int  #: the last page that was shown; all before it were shown too
    pages: int
    proof: str  #: sealed by the core: that this person was shown all of these pages, of this very text
    approve: str = ""  #: the sealed value of an Approve, once every page was shown

    def packed(self) -> str:
        """As `private_metadata`, which has room for 3,000 characters."""
        return json.dumps(asdict(self), separators=(",", ":"))


def thread_from(packed: str) -> Thread:
    """What `Thread.packed` wrote. Raises Malformed."""
    return _thread(_object(packed))


def look_from(packed: str) -> Look:
    """What `Look.packed` wrote. Raises Malformed, also for a page that nobody can be on."""
    kept = _object(packed)
    look = Look(
        thread=_thread(part(kept, "thread")),
        page=number(kept, "page"),
        seen=number(kept, "seen"),
        pages=number(kept, "pages"),
        proof=text(kept, "proof", most=VALUE),
        approve=text(kept, "approve", most=VALUE) if kept.get("approve") != "" else "",
    )
    if not look.page <= look.seen < look.pages:
        raise Malformed("page")
    if look.approve and look.seen != look.pages - 1:
        raise Malformed("approve")
    return look


def _object(packed: str) -> dict[str, object]:
    try:
        kept = read_json(packed)
    except (ValueError, RecursionError) as error:
        raise Malformed("private_metadata") from error
    if not isinstance(kept, dict):
        raise Malformed("private_metadata")
    return kept


def _thread(kept: object) -> Thread:
    if not isinstance(kept, dict):
        raise Malformed("thread")
    try:
        verb = Button(text(kept, "verb"))
    except ValueError as error:
        raise Malformed("verb") from error
    return Thread(
        value=text(kept, "value", most=VALUE),
        verb=verb,
        channel=text(kept, "channel"),
        ref=text(kept, "ref"),
        required=kept.get("required") is True,
        queue=_queue(part(kept, "queue")) if kept.get("queue") is not None else None,
    )


def _queue(kept: Mapping[str, Any]) -> Queue:
    return Queue(value=text(kept, "value", most=VALUE), after=text(kept, "after"), tool=text(kept, "tool"))
