"""Reading Slack payloads in tests: their elements, texts, and Slack's limits held against them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from adapters.slack.elements import GOES_ON
from adapters.slack.render import MESSAGE, message_of
from bot.card import Card
from bot.seal import Seal
from sandbox.slack.limits import check_message, elements_of


def elements(node: Any, kind: str) -> Iterator[dict[str, Any]]:
    """All elements of one type."""
    if isinstance(node, dict):
        if node.get("type") == kind:
            yield node
        for inner in node.values():
            yield from elements(inner, kind)
    elif isinstance(node, list | tuple):
        for inner in node:
            yield from elements(inner, kind)


def parts(node: Any, kind: str) -> list[str]:
    """The texts of all elements of one type."""
    return [element["text"] for element in elements(node, kind) if isinstance(element.get("text"), str)]


def pre(node: Any) -> str:
    """All preformatted text, one after the other, without the marks of what goes on."""
    return read_on(preformatted_in(node))


def preformatted_in(node: Any) -> list[str]:
    """Each piece of preformatted text."""
    return [text for block in elements(node, "rich_text_preformatted") for text in parts(block, "text")]


def read_on(pieces: list[str]) -> str:
    """Pieces, maybe of several views, put together: a mark is one only where a line goes on."""
    read = ""
    for piece in pieces:
        if read and not read.endswith("\n"):
            assert piece.startswith(GOES_ON)
            piece = piece.removeprefix(GOES_ON)
        read += piece
    return read


def buttons(blocks: list[dict[str, Any]]) -> list[str]:
    """The action ids of a card's buttons, in order, one beside its title too."""
    return [element["action_id"] for block in blocks for element in elements_of(block)]


def reach(blocks: Sequence[dict[str, Any]], button: str) -> dict[str, str]:
    """What presses a button of a card: itself, or the menu with the option for it."""
    for value in menu(blocks).values():
        if Seal.claimed_verb(value) == button:
            return {"action_id": "nod_more", "option": value}
    return {"action_id": f"nod_{button}"}


def menu(blocks: Sequence[dict[str, Any]]) -> dict[str, str]:
    """What a card's menu holds: the value behind each label, in order."""
    return {
        option["text"]["text"]: option["value"]
        for more in elements(blocks, "overflow")
        for option in more["options"]
    }


def check(card: Card) -> dict[str, Any]:
    """The message of a card, after Slack's documented limits were held against it."""
    message = message_of(card)
    check_message(text=message["text"], blocks=message["blocks"])
    assert len(json.dumps(message["blocks"], ensure_ascii=False)) <= MESSAGE
    return message
