"""Buttons and the fields of a form: what they look like, what a button carries, and reading that back. Pure.

What a button carries comes back as the person's client sent it. It is no permission: the desk checks the sealed
value in it, and everything else only tells which card of ours to show again. A field asks for no more than the
desk would refuse without.

The Action.Submit of a client without Action.Execute arrives as a message with a value (universal-action-model)
and is handled the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adapters.chat.labels import LABELS, ONE_NEEDED, read_aloud
from adapters.chat.payload import Malformed, maybe_part, maybe_text, number, text
from adapters.teams.elements import BUTTON, TOOLTIP, Element, cut, seen, size_of
from bot.approval import LONGEST_NOTE
from bot.card import Button
from bot.routing import ReasonRule

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
        ask=maybe_text(packed, "ask", or_empty=True) or "",
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


#: Characters of a reason to pick from, and so many stand there to see; more are a menu.
OPTION, RADIOS = 150, 5
#: Bytes of all reasons together: a card has 28 KB.
ROOM = 8_000

WHY_NOT = "Why not? The agent is told."
NEEDED = "A reason is needed."


@dataclass(frozen=True, slots=True, kw_only=True)
class Asks:
    """How a reason is given: by which rule, and out of which presets."""

    rule: ReasonRule = ReasonRule.OPTIONAL
    presets: tuple[str, ...] = ()


#: What a card asks that knows no more: the usual rule for rejecting.
USUAL = Asks()


def reason_inputs(label: str, asks: Asks) -> list[Element]:
    """The fields; none where no reason is asked for."""
    if asks.rule is ReasonRule.NONE:
        return []
    choices = _choices(asks.presets)
    required = asks.rule is ReasonRule.REQUIRED
    longest = max((len(choice["value"]) + len(": ") for choice in choices), default=0)
    typed: Element = {
        "type": "Input.Text",
        "id": NOTE,
        "label": label,
        "isMultiline": True,
        "maxLength": LONGEST_NOTE - longest,
    }
    if not choices:
        # A client that knows the two does not send the form without words; the desk would refuse it anyway.
        return [{**typed, "isRequired": True, "errorMessage": NEEDED}] if required else [typed]
    picked: Element = {
        "type": "Input.ChoiceSet",
        "id": PRESET,
        "label": ONE_NEEDED if required else "Pick a reason",
        "style": "expanded" if len(choices) <= RADIOS else "compact",
        "choices": choices,
    }
    return [picked, typed]


def _choices(presets: Sequence[str]) -> list[Element]:
    # The value is what the agent is told, so it is the reason itself: a policy may change behind an open form.
    values = dict.fromkeys(cut(" ".join(seen(preset).split()), OPTION) for preset in presets)
    choices = [{"title": value, "value": value} for value in values if value]
    while size_of(choices) > ROOM:
        choices.pop()
    return choices


_STYLES = {Button.APPROVE: "positive", Button.REJECT: "destructive"}


def pressed(title: str, data: Data, *, style: str | None = None, tooltip: str | None = None) -> Element:
    """A button with this title that brings this data back."""
    common: dict[str, Any] = {"title": cut(title, BUTTON)}
    if style:
        common["style"] = style
    if tooltip:
        common["tooltip"] = cut(seen(tooltip), TOOLTIP)
    packed = data.packed()
    return {
        "type": "Action.Execute",
        **common,
        "verb": VERB + data.verb,
        "data": packed,
        "fallback": {"type": "Action.Submit", **common, "data": packed},
    }


def button(which: Button, data: Data, tool: str) -> Element:
    """One of a card's buttons, spoken with the tool's name."""
    return pressed(LABELS[which], data, style=_STYLES.get(which), tooltip=read_aloud(which, tool))


def unfolding(which: Button, tool: str, inside: Element) -> Element:
    """A button that shows a form below the card, in the client alone."""
    style = _STYLES.get(which)
    made: Element = {
        "type": "Action.ShowCard",
        "title": LABELS[which],
        "tooltip": cut(seen(read_aloud(which, tool)), TOOLTIP),
        "card": inside,
    }
    return {**made, "style": style} if style else made
