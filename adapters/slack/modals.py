"""The form for a reason, and what stands in a form's place when it did not count. Pure.

Limits: docs.slack.dev/surfaces/modals.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from adapters.chat.labels import ASKS, ONE_NEEDED
from adapters.slack.digests import and_next
from adapters.slack.elements import TITLE, Block, Element, cut, plain
from adapters.slack.metadata import Thread
from adapters.slack.notices import refusal_blocks
from bot.approval import LONGEST_NOTE
from bot.desk import Asked
from bot.errors import Refusal, Refused
from bot.routing import ReasonRule

REASON = "nod_reason"  #: callback_id of the form that asks for a reason
NOTE = "nod_note"  #: action_id of the words, and what their block_id begins with
PRESET = "nod_preset"  #: action_id of the choice, and what its block_id begins with

OPTION = 75  #: characters of an option's text
OPTION_VALUE = 150  #: and of its value
OPTIONS = 100  #: options of a menu
RADIOS = 5  #: so many reasons stand there to see; more are a menu
LABEL = 100  #: characters of a label of ours; 2,000 would be allowed


def reason_view(thread: Thread, asked: Asked) -> dict[str, Any]:
    """Asks for the reason that goes with a verdict."""
    verb, asks = ASKS[thread.verb]
    return {
        "type": "modal",
        "callback_id": REASON,
        "private_metadata": thread.packed(),
        "title": plain(f"{verb} this call", TITLE),
        "submit": plain(verb, TITLE),
        "close": plain("Cancel", TITLE),
        "blocks": [
            {"type": "section", "text": plain(f"{verb} {asked.card.tool}", 1_000)},
            *reason_blocks(asks, rule=asked.reason, presets=asked.presets, own=thread.own),
        ],
    }


def reason_blocks(label: str, *, rule: ReasonRule, presets: Sequence[str], own: str) -> list[Block]:
    """The fields for a reason: words, and above them the presets to pick from, where the route has any.

    `own` ends their block_ids (`Thread.own`).
    """
    choices = _choices(presets)
    required = rule is ReasonRule.REQUIRED
    longest = max((len(choice["value"]) + len(": ") for choice in choices), default=0)
    words: Block = {
        "type": "input",
        "block_id": NOTE + own,
        "optional": bool(choices) or not required,
        "label": plain(label, LABEL),
        "element": {
            "type": "plain_text_input",
            "action_id": NOTE,
            "multiline": True,
            "max_length": LONGEST_NOTE - longest,
        },
    }
    if not choices:
        return [words]
    if required:
        words["hint"] = plain(ONE_NEEDED, LABEL)
    return [_picked_from(choices, PRESET + own), words]


def said_view(refused: Refused, thread: Thread) -> dict[str, Any]:
    """A modal that only says why it did not count, in place of the form that was there.

    Where the request stood on a digest, the next one can be asked for, unless none waits.
    """
    over = refused.code is Refusal.NOTHING_WAITING
    view = {
        "type": "modal",
        "title": plain("Nothing more waits" if over else "Not counted", TITLE),
        "close": plain("Close", TITLE),
        "blocks": refusal_blocks(refused),
    }
    return view if over else and_next(view, thread)


def reason_of(preset: str | None, words: str | None) -> str | None:
    """What is passed on: the reason that was picked, the words, or both."""
    return f"{preset}: {words}" if preset and words else preset or words


def _picked_from(choices: list[Element], block_id: str) -> Block:
    few = len(choices) <= RADIOS
    element: Element = {
        "type": "radio_buttons" if few else "static_select",
        "action_id": PRESET,
        "options": choices,
    }
    return {
        "type": "input",
        "block_id": block_id,
        "optional": True,
        "label": plain("Pick a reason", LABEL),
        "element": element if few else {**element, "placeholder": plain("Pick a reason", LABEL)},
    }


def _choices(presets: Sequence[str]) -> list[Element]:
    # The value is what the agent is told, so it is the reason itself: a policy may change behind an open form.
    values = dict.fromkeys(cut(" ".join(preset.split()), OPTION_VALUE) for preset in presets)
    options = ({"text": plain(value, OPTION), "value": value} for value in values if value)
    return list(options)[:OPTIONS]
