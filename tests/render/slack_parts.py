"""Reading Slack payloads in tests: their elements, texts, and Slack's limits held against them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from adapters.slack.elements import GOES_ON
from adapters.slack.render import MESSAGE, message_of
from bot.card import Card
from sandbox.slack.limits import check_message


def elements(node: Any, kind: str) -> Iterator[dict[str, Any]]:
    """All elements of one type."""
    if isinstance(node, dict):
        if node.get("type") == kind:
            yield node
        for inner in node.values():
            yield from elements(inner, kind)
    elif isinstance(node, list):
        for inner in node:
            yield from elements(inner, kind)


def parts(node: Any, kind: str) -> list[str]:
    """The texts of all elements of one type."""
    return [element["text"] for element in elements(node, kind) if isinstance(element.get("text"), str)]


def pre(node: Any) -> str:
    """Everything that stands in preformatted text, one after the other, without the marks of what goes on."""
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
    """The action ids of a card's buttons, in order."""
    return [e["action_id"] for block in blocks if block["type"] == "actions" for e in block["elements"]]


def check(card: Card) -> dict[str, Any]:
    """The message of a card, after Slack's documented limits were held against it."""
    message = message_of(card)
    check_message(text=message["text"], blocks=message["blocks"])
    assert len(json.dumps(message["blocks"], ensure_ascii=False)) <= MESSAGE
    return message
