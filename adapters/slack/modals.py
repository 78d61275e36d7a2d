"""The form for a reason, and what stands in a form's place when it did not count. Pure.

Limits: docs.slack.dev/surfaces/modals.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from adapters.chat.forms import NOTE, PRESET, RADIOS, choices_of, longest_words
from adapters.chat.labels import ASKS, ONE_NEEDED, PICK
from adapters.slack.digests import and_next
from adapters.slack.elements import TITLE, Block, Element, plain
from adapters.slack.metadata import ButtonContext
from adapters.slack.notices import refusal_blocks
from bot.desk import FormData, NotCounted
from bot.errors import Refusal
from bot.routing import ReasonRule

REASON = "nod_reason"  #: callback_id of the form that asks for a reason

OPTION = 75  #: characters of an option's text
OPTIONS = 100  #: options of a menu
LABEL = 100  #: characters of a label of ours; 2,000 would be allowed


def reason_view(context: ButtonContext, form: FormData) -> dict[str, Any]:
    """Asks for the reason that goes with a verdict."""
    verb, asks = ASKS[context.verb]
    return {
        "type": "modal",
        "callback_id": REASON,
        "private_metadata": context.packed(),
        "title": plain(f"{verb} this call", TITLE),
        "submit": plain(verb, TITLE),
        "close": plain("Cancel", TITLE),
        "blocks": [
            {"type": "section", "text": plain(f"{verb} {form.card.tool}", 1_000)},
            *reason_blocks(asks, form, own=context.own),
        ],
    }


def reason_blocks(label: str, form: FormData, *, own: str) -> list[Block]:
    """The fields for a reason: words, and above them the presets to pick from, where the route has any.

    Their block_ids begin as their action_ids do; `own` ends them (`ButtonContext.own`).
    """
    choices = choices_of(form.presets)[:OPTIONS]
    required = form.reason is ReasonRule.REQUIRED
    words: Block = {
        "type": "input",
        "block_id": NOTE + own,
        "optional": bool(choices) or not required,
        "label": plain(label, LABEL),
        "element": {
            "type": "plain_text_input",
            "action_id": NOTE,
            "multiline": True,
            "max_length": longest_words(choices),
        },
    }
    if not choices:
        return [words]
    if required:
        words["hint"] = plain(ONE_NEEDED, LABEL)
    return [_picked_from(choices, PRESET + own), words]


def said_view(refused: NotCounted, context: ButtonContext) -> dict[str, Any]:
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
    return view if over else and_next(view, context)


def _picked_from(choices: Sequence[str], block_id: str) -> Block:
    few = len(choices) <= RADIOS
    element: Element = {
        "type": "radio_buttons" if few else "static_select",
        "action_id": PRESET,
        "options": [{"text": plain(value, OPTION), "value": value} for value in choices],
    }
    return {
        "type": "input",
        "block_id": block_id,
        "optional": True,
        "label": plain(PICK, LABEL),
        "element": element if few else {**element, "placeholder": plain(PICK, LABEL)},
    }
