"""Buttons and the fields of a form: what they look like, what a button carries, and reading that back. Pure.

What a button carries comes back as the person's client sent it. It is no permission: the desk checks the sealed
value in it, and everything else only tells which card of ours to show again.

The Action.Submit of a client without Action.Execute arrives as a message with a value (universal-action-model)
and is handled the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from adapters.chat.forms import NOTE, PRESET, RADIOS, choices_of, longest_words
from adapters.chat.labels import LABELS, ONE_NEEDED, PICK, REQUIRED, WRITE_ONE, read_aloud
from adapters.chat.paging import PageState, QueueCursor, state_from
from adapters.chat.payload import Malformed, maybe_part, text
from adapters.chat.text import cut, seen
from adapters.teams.elements import BUTTON, TOOLTIP, Element, size_of
from bot.card import Button
from bot.routing import ReasonRule

#: Every button's verb is this and the button's own word.
VERB = "nod_"
#: Shows a person the card as they can see it; Teams presses it by itself when they look.
SHOW = "show"
#: Another page of a look.
TURN = "turn"
#: Characters of a button's sealed value; ours have about 200.
VALUE = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """Everything that a button carries."""

    verb: str  #: a Button's word, SHOW or TURN
    value: str  #: sealed by the core
    channel: str  #: where the card is, as the policy calls it
    form: bool = False  #: pressed below the fields of a form, so that nothing more is to be asked
    whole: bool = False  #: pressed below the last page of a look, once every page was shown
    state: PageState | None = None  #: in a whole call: on which page
    queue: QueueCursor | None = None
    by: int = 1  #: with TURN: to the next page, or -1 to the one before

    def packed(self) -> dict[str, Any]:
        """As JSON."""
        made: dict[str, Any] = {"nod": self.verb, "value": self.value, "channel": self.channel}
        if self.form:
            made["form"] = True
        if self.whole:
            made["whole"] = True
        if self.state:
            made["look"] = asdict(self.state)
        if self.queue:
            made["queue"] = asdict(self.queue)
        if self.by != 1:
            made["by"] = self.by
        return made


def data_from(packed: Mapping[str, Any]) -> Data:
    """What `Data.packed` wrote. Raises Malformed, also for a page that nobody can be on."""
    verb = text(packed, "nod", most=40)
    if verb not in {*Button, SHOW, TURN}:
        raise Malformed("nod")
    by = packed.get("by", 1)
    state = state_from(maybe_part(packed, "look")) if packed.get("look") is not None else None
    whole = packed.get("whole") is True
    if by not in (1, -1) or isinstance(by, bool) or (verb == TURN and state is None):
        raise Malformed("by")
    if whole and (state is None or state.seen != state.pages - 1):
        raise Malformed("whole")
    return Data(
        verb=verb,
        value=text(packed, "value", most=VALUE),
        channel=text(packed, "channel", most=500),
        form=packed.get("form") is True,
        whole=whole,
        state=state,
        queue=_queue(maybe_part(packed, "queue")) if packed.get("queue") is not None else None,
        by=by,
    )


def _queue(kept: Mapping[str, Any]) -> QueueCursor:
    return QueueCursor(value=text(kept, "value", most=VALUE), after=text(kept, "after", most=200))


#: Bytes of all reasons together: a card has 28 KB.
ROOM = 8_000


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
    choices = _fitting(choices_of(asks.presets))
    required = asks.rule is ReasonRule.REQUIRED
    typed: Element = {
        "type": "Input.Text",
        "id": NOTE,
        "label": label,
        "isMultiline": True,
        "maxLength": longest_words(choices),
    }
    if not choices:
        # A client that knows the two does not send the form without words; the desk would refuse it anyway.
        needed = {"isRequired": True, "placeholder": REQUIRED, "errorMessage": WRITE_ONE}
        return [{**typed, **needed}] if required else [typed]
    picked: Element = {
        "type": "Input.ChoiceSet",
        "id": PRESET,
        "label": ONE_NEEDED if required else PICK,
        "style": "expanded" if len(choices) <= RADIOS else "compact",
        "choices": [_choice(value) for value in choices],
    }
    return [picked, typed]


def _choice(value: str) -> Element:
    return {"title": value, "value": value}


def _fitting(values: list[str]) -> list[str]:
    while size_of([_choice(value) for value in values]) > ROOM:
        values.pop()
    return values


#: What clients put into an overflow menu (adaptive-card 1.5, `mode`); some ignore it and show six buttons.
SECONDARY = {"mode": "secondary"}
_STYLES = {Button.APPROVE: "positive", Button.REJECT: "destructive"}


def pressed(
    title: str, data: Data, *, style: str | None = None, tooltip: str | None = None, secondary: bool = False
) -> Element:
    """A button with this title that brings this data back; a secondary one is in a menu."""
    common: dict[str, Any] = {"title": cut(title, BUTTON), **(SECONDARY if secondary else {})}
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


def button(which: Button, data: Data, tool: str, *, secondary: bool = False) -> Element:
    """One of a card's buttons, spoken with the tool's name."""
    aloud, style = read_aloud(which, tool), _STYLES.get(which)
    return pressed(LABELS[which], data, style=style, tooltip=aloud, secondary=secondary)


def opening(title: str, url: str) -> Element:
    """A button in the menu of the rest that opens another page."""
    return {"type": "Action.OpenUrl", "title": title, "url": url, **SECONDARY}


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
