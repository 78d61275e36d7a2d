"""The two forms that open from a card: why not, and all of the call. Pure.

A modal is no permission: what it carries in `private_metadata` goes back to the desk with the submission and
is checked there again. Limits: docs.slack.dev/surfaces/modals.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Any
from urllib.parse import quote_plus

from adapters.slack.elements import BLANK, Block, cut, escape, plain, preformatted, visible
from bot.approval import LONGEST_NOTE
from bot.call import lines_of, text_of
from bot.protocol import HITLDecision, HITLRequest
from bot.routing import ReasonRule

REASON = "nod_reason"  #: callback_id of the form that asks for a note
VIEW_ALL = "nod_view_all"  #: callback_id of the look at the whole call
NOTE = "nod_note"  #: block_id and action_id of the note

TITLE = 24  #: characters of a modal's title and of its two buttons
#: Blocks of call text; 100 blocks are allowed, the rest is for what stands around it.
CALL_BLOCKS = 90
#: Bytes of call text on its way back with the submission, a form in percent-encoding: a view may have
#: 250 kB, and a request as a whole `verify.BODY`, 256 KiB.
CALL_BYTES = 230_000

CUT_BEFORE = (
    "The platform cut this call before it reached Nod: nobody can see all of it, so it has no Approve here."
)
TOO_LONG = "This call is too long even for this view, so it has no Approve here. Reject or skip it on the card."

_ASKS = {
    HITLDecision.REJECTED: ("Reject", "Why not? The agent is told."),
    HITLDecision.APPROVED: ("Approve", "Why is it right? The agent is told."),
    HITLDecision.SKIPPED: ("Skip", "Why is it left out? The agent is told."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    """What a modal must remember of the card that it was opened from."""

    card_id: str
    digest: str
    channel: str
    ref: str
    verdict: HITLDecision

    def packed(self) -> str:
        """As `private_metadata`, which has room for 3,000 characters."""
        return json.dumps(asdict(self), separators=(",", ":"))


def reason_view(thread: Thread, *, tool: str, rule: ReasonRule) -> dict[str, Any]:
    """Asks for the note that goes with a verdict."""
    verb, asks = _ASKS[thread.verdict]
    return {
        "type": "modal",
        "callback_id": REASON,
        "private_metadata": thread.packed(),
        "title": plain(f"{verb} this call", TITLE),
        "submit": plain(verb, TITLE),
        "close": plain("Cancel", TITLE),
        "blocks": [
            {"type": "section", "text": plain(f"{verb} {tool}", 1_000)},
            _note(asks, rule=rule),
        ],
    }


def whole_view(thread: Thread, request: HITLRequest, *, tool: str, rule: ReasonRule) -> dict[str, Any]:
    """All of the call; Approve is offered only when really all of it is there."""
    text = visible(text_of(lines_of(request)))
    blocks, all_there = _call_blocks(text if text.strip() else BLANK)
    view: dict[str, Any] = {
        "type": "modal",
        "callback_id": VIEW_ALL,
        "private_metadata": replace(thread, digest=request.digest, verdict=HITLDecision.APPROVED).packed(),
        "title": plain("All of the call", TITLE),
        "close": plain("Close", TITLE),
    }
    head: Block = {"type": "section", "text": plain(f"{tool} for {cut(request.agent_id, 200)}", 1_000)}
    if not request.whole or not all_there:
        why = TOO_LONG if request.whole else CUT_BEFORE
        view["blocks"] = [head, {"type": "section", "text": plain(why, 1_000)}, *blocks]
        return view
    asked = [] if rule is ReasonRule.NONE else [_note(_ASKS[HITLDecision.APPROVED][1], rule=rule)]
    return {**view, "submit": plain("Approve", TITLE), "blocks": [head, *blocks, *asked]}


def said_view(text: str) -> dict[str, Any]:
    """A modal that only says something, in place of the form that was submitted."""
    return {
        "type": "modal",
        "title": plain("Not counted", TITLE),
        "close": plain("Close", TITLE),
        "blocks": [{"type": "section", "text": plain(text, 3_000)}],
    }


def whisper_of(text: str) -> dict[str, Any]:
    """`text` and `blocks` of a message for one person's eyes."""
    return {
        "text": escape(visible(text)),
        "blocks": [{"type": "section", "text": plain(text, 3_000)}],
    }


def _note(label: str, *, rule: ReasonRule) -> Block:
    return {
        "type": "input",
        "block_id": NOTE,
        "optional": rule is not ReasonRule.REQUIRED,
        "label": plain(label, 100),
        "element": {
            "type": "plain_text_input",
            "action_id": NOTE,
            "multiline": True,
            "max_length": LONGEST_NOTE,
        },
    }


def _call_blocks(text: str) -> tuple[list[Block], bool]:
    blocks: list[Block] = []
    size = 0
    for piece in preformatted(text)["elements"]:
        size += max(len(quote_plus(json.dumps(piece, ensure_ascii=ascii_only))) for ascii_only in (True, False))
        if len(blocks) == CALL_BLOCKS or size > CALL_BYTES:
            return blocks, False
        blocks.append({"type": "rich_text", "elements": [piece]})
    return blocks, True
