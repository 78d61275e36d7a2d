"""What a form remembers of the card that it was opened from, in Slack's `private_metadata`. Pure.

It is no permission: the desk checks the sealed value in it again, whatever else it contains.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from adapters.chat.paging import PageState, QueueCursor, state_from
from adapters.chat.payload import Malformed, part, text
from bot.canonical import read_json
from bot.card import Button

#: Characters of a button's value (docs.slack.dev/reference/block-kit/block-elements/button-element).
VALUE = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ModalCursor(QueueCursor):
    """With what a modal says of the request, once it is answered."""

    tool: str  #: its name


@dataclass(frozen=True, slots=True, kw_only=True)
class ButtonContext:
    """The button that was pressed, and on which message."""

    value: str  #: as the button carried it, sealed by the core
    verb: Button
    channel: str
    ref: str
    required: bool = False  #: the form may not come back without a reason
    queue: ModalCursor | None = None  #: the request is on a digest; `ref` is the digest's message then

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
class OpenCall:
    """A whole call that a person is reading, and the button that opened it."""

    context: ButtonContext
    state: PageState
    approve: str = ""  #: the sealed value of an Approve, once every page was shown

    def packed(self) -> str:
        """As `private_metadata`, which has room for 3,000 characters."""
        kept = {"thread": asdict(self.context), **asdict(self.state), "approve": self.approve}
        return json.dumps(kept, separators=(",", ":"))


def context_from(packed: str) -> ButtonContext:
    """What `ButtonContext.packed` wrote. Raises Malformed."""
    return _context(_object(packed))


def call_from(packed: str) -> OpenCall:
    """What `OpenCall.packed` wrote. Raises Malformed, also for a page that nobody can be on."""
    kept = _object(packed)
    state = state_from(kept)
    approve = text(kept, "approve", most=VALUE) if kept.get("approve") != "" else ""
    if approve and state.seen != state.pages - 1:
        raise Malformed("approve")
    return OpenCall(context=_context(part(kept, "thread")), state=state, approve=approve)


def _object(packed: str) -> dict[str, object]:
    try:
        kept = read_json(packed)
    except (ValueError, RecursionError) as error:
        raise Malformed("private_metadata") from error
    if not isinstance(kept, dict):
        raise Malformed("private_metadata")
    return kept


def _context(kept: Mapping[str, Any]) -> ButtonContext:
    try:
        verb = Button(text(kept, "verb"))
    except ValueError as error:
        raise Malformed("verb") from error
    return ButtonContext(
        value=text(kept, "value", most=VALUE),
        verb=verb,
        channel=text(kept, "channel"),
        ref=text(kept, "ref"),
        required=kept.get("required") is True,
        queue=_queue(part(kept, "queue")) if kept.get("queue") is not None else None,
    )


def _queue(kept: Mapping[str, Any]) -> ModalCursor:
    return ModalCursor(
        value=text(kept, "value", most=VALUE), after=text(kept, "after"), tool=text(kept, "tool")
    )
