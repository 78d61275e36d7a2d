"""The fields for a reason: words, and above them the presets to pick from. Pure.

The rules are the desk's; a field only asks for what the desk would refuse without.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from adapters.teams.elements import Element, cut, seen, size_of
from adapters.teams.metadata import NOTE, PRESET
from bot.approval import LONGEST_NOTE
from bot.routing import ReasonRule

#: Characters of a reason to pick from, and so many stand there to see; more are a menu.
OPTION, RADIOS = 150, 5
#: Bytes of all reasons together: a card has 28 KB.
ROOM = 8_000

WHY_NOT = "Why not? The agent is told."
ONE_NEEDED = "Pick a reason or write one: one of the two is needed."
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
