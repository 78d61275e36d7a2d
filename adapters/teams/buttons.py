"""Buttons: an Action.Execute each, with an Action.Submit of the same data for clients that do not know it.
Pure.

The fallback arrives as a message with a value (universal-action-model) and is handled the same.
"""

from __future__ import annotations

from typing import Any

from adapters.teams.elements import BUTTON, TOOLTIP, Element, cut, seen
from adapters.teams.metadata import VERB, Data
from bot.card import Button

LABELS = {
    Button.APPROVE: ("Approve", "positive"),
    Button.REJECT: ("Reject…", "destructive"),
    Button.SKIP: ("Skip", None),
    Button.VIEW_ALL: ("View all", None),
    Button.CLAIM: ("I'm on it", None),
    Button.WHY: ("Why me?", None),
    Button.NEXT: ("Next", None),
}
_SPOKEN = {
    Button.APPROVE: "Approve {tool}",
    Button.REJECT: "Reject {tool}, with a reason",
    Button.SKIP: "Skip {tool}: it is left out, the agent goes on",
    Button.VIEW_ALL: "View all of {tool}",
    Button.CLAIM: "I'm on it: tell the others that you look at {tool}",
    Button.WHY: "Why this card is here, and who may decide {tool}",
    Button.NEXT: "Look at the next request that waits",
}


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
    title, style = LABELS[which]
    return pressed(title, data, style=style, tooltip=_SPOKEN[which].replace("{tool}", tool))


def unfolding(which: Button, tool: str, inside: Element) -> Element:
    """A button that shows a form below the card, in the client alone."""
    title, style = LABELS[which]
    made: Element = {
        "type": "Action.ShowCard",
        "title": title,
        "tooltip": cut(seen(_SPOKEN[which].replace("{tool}", tool)), TOOLTIP),
        "card": inside,
    }
    return {**made, "style": style} if style else made
