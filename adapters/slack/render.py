"""A card, or a channel's digest, as Slack's blocks. Pure: the same value gives the same payload.

What an agent wrote, the names of tools and agents too, goes only into plain_text and rich_text_preformatted,
never where Slack parses. A card that would not fit into one message loses part of its call and, with it, its
Approve (it fails closed).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from adapters.chat.labels import CUT_HERE, LABELS, ONE_BY_ONE, OPEN_RUN, read_aloud
from adapters.chat.text import (
    AMPLE,
    BLANK,
    LEAST,
    NARROW,
    WARNINGS,
    Room,
    cut,
    flooding,
    more_of,
    named,
    risk,
    seen,
    warned,
)
from adapters.slack.elements import (
    ACCESSIBILITY_LABEL,
    BUTTON_TEXT,
    CONTEXT_ELEMENT,
    HEADER,
    SECTION,
    Block,
    Element,
    bold,
    contexts,
    pinging,
    plain,
    preformatted,
    said,
    spoken,
)
from bot.call import text_of
from bot.card import Button, Card, QueueCard
from bot.wording import CardState, together

#: Slack was seen to refuse a message near 13,200 characters (slackapi/bolt-js issue 2509); no page tells.
MESSAGE = 12_000
#: Characters of a call on a card that Slack refused as too long all the same.
SMALLEST = 1_500
#: Characters of one part of the fallback text; 40,000 would be allowed, a phone shows about 200.
FALLBACK = 600
#: Lines of warnings in one section, which has room for 3,000 characters.
WARNINGS_TOGETHER = 14

#: Every button's action_id is this and the button's own word.
ACTION = "nod_"
#: The menu of what does not stand on the card itself; the value of an option says which button it is.
MORE = "nod_more"
#: The option that only leads to another page.
RUN = "open_run"
#: Accounts that one card pings.
MENTIONS = 20

_STYLES = {Button.APPROVE: "primary", Button.REJECT: "danger"}


def message_of(card: Card) -> dict[str, Any]:
    """`text` and `blocks` of the message that shows a card."""
    return {"text": spoken(card.notification, FALLBACK), "blocks": blocks_of(card)}


def smallest_of(card: Card) -> dict[str, Any]:
    """The same with a part of the call, which is viewed before it is approved."""
    if card.state is CardState.OPEN:
        call = text_of(card.call)
        cut_to = call if len(call) <= SMALLEST else call[:SMALLEST] + "…"
        blocks = _open(card, LEAST, cut_to=cut_to)
    else:
        blocks = _decided(card, LEAST)
    return {"text": spoken(card.notification, FALLBACK), "blocks": blocks}


def blocks_of(card: Card) -> list[Block]:
    """The blocks of a card, together at most MESSAGE characters of JSON."""
    for room in (AMPLE, NARROW, LEAST):
        blocks = _open(card, room) if card.state is CardState.OPEN else _decided(card, room)
        if _size(blocks) <= MESSAGE:
            return blocks
    call = text_of(card.call)
    while _size(blocks) > MESSAGE and call:
        call = call[: len(call) * 3 // 4]
        blocks = _open(card, LEAST, cut_to=call + "…")
    return blocks


def risk_of(card: Card, most: int) -> list[Block]:
    """The operator's word on the risk, where there is one."""
    why = risk(card, most)
    return [bold(why, SECTION)] if why else []


def warning_blocks(warnings: Sequence[str], *, most: int = WARNINGS) -> list[Block]:
    """What an eye would miss in a call, above it."""
    lines = warned(warnings, most=most)
    groups = [lines[at : at + WARNINGS_TOGETHER] for at in range(0, len(lines), WARNINGS_TOGETHER)]
    return [{"type": "section", "text": plain("\n".join(group), SECTION)} for group in groups]


def _open(card: Card, room: Room, cut_to: str | None = None) -> list[Block]:
    call = text_of(card.call) if cut_to is None else cut_to
    notice = card.hidden or (CUT_HERE if cut_to is not None else None)
    return [
        {"type": "header", "text": plain(card.title, HEADER)},
        *contexts([said(card.lead)]),
        *pinging(card.mentions, MENTIONS),
        *risk_of(card, room.why),
        *warning_blocks(card.warnings),
        preformatted(call if call.strip() else BLANK),
        *(contexts([[plain(notice, 300)]]) if notice else []),
        *contexts([said(together(card.status), room.part)]),
        *_actions(card, whole=cut_to is None),
    ]


def _decided(card: Card, room: Room) -> list[Block]:
    sentences = [said(sentence, room.part) for sentence in (card.lead, *card.status[: room.sentences])]
    more = [[plain(more, 100)] for more in more_of(len(card.status), room.sentences)]
    call = [[plain(card.folded, room.part)]] if card.folded else []
    title: Block = {"type": "section", "text": plain(card.title, SECTION)}
    for button, value in card.buttons.items():
        title["accessory"] = button_of(card, button, value)
    return [title, *contexts([*sentences, *more, *call])]


def _actions(card: Card, *, whole: bool) -> list[Block]:
    """The verdicts, and one menu for the rest."""
    if not card.buttons:
        return []
    # The core may have held it for whole where the message has no room: an Approve could be pressed unseen.
    shown = card.in_the_open(whole=whole)
    buttons = [button_of(card, b, card.look if b is Button.VIEW_ALL else card.buttons[b]) for b in shown]
    menu = more_menu(card, without=(*shown, Button.APPROVE))
    return [{"type": "actions", "elements": [*buttons, *menu]}]


#: The order of the menu; None is the link to the run.
_IN_THE_MENU = (Button.VIEW_ALL, Button.CLAIM, Button.WHY, None, Button.IDS)


def more_menu(card: Card, *, without: Sequence[Button]) -> list[Element]:
    """What does not stand on the card itself: at most five options (block-elements/overflow-menu-element)."""
    options: list[Element] = []
    for button in _IN_THE_MENU:
        if button is None:
            if card.run_url:
                options.append({"text": plain(OPEN_RUN, BUTTON_TEXT), "value": RUN, "url": card.run_url})
        elif button in card.buttons and button not in without:
            options.append({"text": plain(LABELS[button], BUTTON_TEXT), "value": card.buttons[button]})
    return [{"type": "overflow", "action_id": MORE, "options": options}] if options else []


def button_of(card: Card, button: Button, value: str) -> Element:
    """One button of a card, with the sealed value that it carries."""
    element: Element = {
        "type": "button",
        "action_id": ACTION + button.value,
        "text": plain(LABELS[button], BUTTON_TEXT),
        "value": value,
        "accessibility_label": cut(seen(read_aloud(button, card.tool)), ACCESSIBILITY_LABEL),
    }
    return {**element, "style": _STYLES[button]} if button in _STYLES else element


def _size(blocks: list[Block]) -> int:
    return len(json.dumps(blocks, ensure_ascii=False))


#: Asks for the next request: on a digest, and in the looks that open from it.
NEXT_ONE = "nod_next_one"


def digest_message_of(digest: QueueCard) -> dict[str, Any]:
    """`text` and `blocks` of the message that shows a digest."""
    return {"text": spoken(digest.notification, FALLBACK), "blocks": digest_blocks_of(digest)}


def digest_blocks_of(digest: QueueCard) -> list[Block]:
    """The blocks of a digest; one line when nothing is pending."""
    if digest.earliest is None:
        return [{"type": "section", "text": plain(digest.title, SECTION)}]
    return [
        {"type": "header", "text": plain(digest.title, HEADER)},
        *_named(digest),
        *_together(flooding(digest)),
        *contexts([[plain(ONE_BY_ONE, CONTEXT_ELEMENT)]]),
        *_next(digest),
    ]


def next_button(value: str) -> Block:
    """The button to the next request, with the digest's own sealed value."""
    return {
        "type": "button",
        "action_id": NEXT_ONE,
        "text": plain(LABELS[Button.NEXT], BUTTON_TEXT),
        "value": value,
        "accessibility_label": cut(read_aloud(Button.NEXT, ""), ACCESSIBILITY_LABEL),
    }


def _named(digest: QueueCard) -> list[Block]:
    """The most urgent, a line each with its moment, and how many more there are."""
    shown = named(digest)
    lines: list[Block] = [{"type": "context", "elements": said(line)} for line in shown]
    return [*lines, *contexts([plain(more, 100)] for more in more_of(digest.count, len(shown)))]


def _together(lines: list[str]) -> list[Block]:
    return [{"type": "section", "text": plain("\n".join(lines), SECTION)}] if lines else []


def _next(digest: QueueCard) -> list[Block]:
    value = digest.buttons.get(Button.NEXT)
    return [{"type": "actions", "elements": [next_button(value)]}] if value else []
