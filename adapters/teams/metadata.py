"""What a button of ours carries, and reading it back. Pure.

It comes back as the person's client sent it. It is no permission: the desk checks the sealed value in it, and
everything else only tells which card of ours to show again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adapters.teams.strict import Malformed, maybe_part, maybe_text, number, text
from bot.card import Button

#: Every button's verb is this and the button's own word.
VERB = "nod_"
#: Shows a card to whoever looks at it, as that person may see it; Teams presses it by itself.
SHOW = "show"
#: Another page of a look.
TURN = "turn"
#: Characters of a button's sealed value; ours have about 200.
VALUE = 2_000

#: Inputs of our forms.
NOTE, PRESET = "nod_note", "nod_preset"


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """The digest from which a request was opened, and how far one has come."""

    value: str  #: of the digest's Next, sealed by the core
    after: str  #: the card that is looked at, behind which the next one is


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A look at the whole call, page by page, counted from 0. None of the call's text is in here."""

    page: int
    seen: int  #: the last page that was shown; all before it were shown too
    pages: int
    proof: str = ""  #: sealed by the core: that this person was shown all of these pages, of this very text

    def data(self) -> dict[str, Any]:
        """As part of a button's data."""
        return {"page": self.page, "seen": self.seen, "pages": self.pages, "proof": self.proof}


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """Everything that a button carries."""

    verb: str  #: a Button's word, SHOW or TURN
    value: str  #: sealed by the core
    channel: str  #: where the card stands, as the policy calls it
    ask: str = ""  #: with SHOW: the sealed value of the Reject, whose form is then part of the card
    form: bool = False  #: pressed below the fields of a form, so that nothing more is to be asked
    whole: bool = False  #: pressed below the last page of a look, once every page was shown
    look: Look | None = None
    queue: Queue | None = None
    by: int = 1  #: with TURN: to the next page, or -1 to the one before

    def packed(self) -> dict[str, Any]:
        """As JSON."""
        made: dict[str, Any] = {"nod": self.verb, "value": self.value, "channel": self.channel}
        if self.ask:
            made["ask"] = self.ask
        if self.form:
            made["form"] = True
        if self.whole:
            made["whole"] = True
        if self.look:
            made["look"] = self.look.data()
        if self.queue:
            made["queue"] = {"value": self.queue.value, "after": self.queue.after}
        if self.by != 1:
            made["by"] = self.by
        return made


def data_from(packed: Mapping[str, Any]) -> Data:
    """What `Data.packed` wrote. Raises Malformed, also for a page that nobody can be on."""
    verb = text(packed, "nod", most=40)
    if verb not in {*Button, SHOW, TURN}:
        raise Malformed("nod")
    by = packed.get("by", 1)
    look = _look(maybe_part(packed, "look")) if packed.get("look") is not None else None
    whole = packed.get("whole") is True
    if by not in (1, -1) or isinstance(by, bool) or (verb == TURN and look is None):
        raise Malformed("by")
    if whole and (look is None or look.seen != look.pages - 1):
        raise Malformed("whole")
    return Data(
        verb=verb,
        value=text(packed, "value", most=VALUE),
        channel=text(packed, "channel", most=500),
        ask=maybe_text(packed, "ask") or "",
        form=packed.get("form") is True,
        whole=whole,
        look=look,
        queue=_queue(maybe_part(packed, "queue")) if packed.get("queue") is not None else None,
        by=by,
    )


def _look(kept: Mapping[str, Any]) -> Look:
    look = Look(
        page=number(kept, "page"),
        seen=number(kept, "seen"),
        pages=number(kept, "pages"),
        proof=text(kept, "proof", most=200),
    )
    if not look.page <= look.seen < look.pages:
        raise Malformed("page")
    return look


def _queue(kept: Mapping[str, Any]) -> Queue:
    return Queue(value=text(kept, "value", most=VALUE), after=text(kept, "after", most=200))
