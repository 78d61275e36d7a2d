"""What is inside a card: its actions, its inputs, and all of its texts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Node = Mapping[str, Any]

_INSIDE = ("body", "items", "columns", "rows", "cells", "inlines")


@dataclass(frozen=True, slots=True)
class Pressable:
    """An action, with the inputs that it sends: those of its card and of the cards around that."""

    action: Node
    inputs: tuple[Node, ...]


def nodes(node: Node) -> Iterator[Node]:
    """A node and everything under it, without entering the cards of Action.ShowCard."""
    yield node
    for slot in _INSIDE:
        for inner in node.get(slot, ()):
            if isinstance(inner, dict):
                yield from nodes(inner)


def inputs(card: Node) -> tuple[Node, ...]:
    """The inputs of one card, without those of cards inside it."""
    return tuple(node for node in nodes(card) if str(node.get("type", "")).startswith("Input."))


def _own_actions(card: Node) -> Iterator[Node]:
    for node in nodes(card):
        for slot in ("selectAction", "inlineAction"):
            if isinstance(node.get(slot), dict):
                yield node[slot]
        yield from node.get("actions", ())


def pressables(card: Node, around: tuple[Node, ...] = ()) -> Iterator[Pressable]:
    """Every action of a card in reading order, those inside Action.ShowCard too."""
    own = (*around, *inputs(card))
    for action in _own_actions(card):
        yield Pressable(action, own)
        if isinstance(action.get("card"), dict):
            yield from pressables(action["card"], own)


def cards_of(card: Node) -> Iterator[Node]:
    """A card and the cards inside it."""
    yield card
    for action in _own_actions(card):
        if isinstance(action.get("card"), dict):
            yield from cards_of(action["card"])


def texts(card: Node) -> Iterator[tuple[Node, str, str]]:
    """Every text that people read in a card: the node it is in, the field's name, and the text."""
    for each in cards_of(card):
        for node in nodes(each):
            for name in ("text", "label", "placeholder", "fallbackText"):
                if isinstance(node.get(name), str):
                    yield node, name, node[name]
            yield from ((node, "text", inline) for inline in node.get("inlines", ()) if isinstance(inline, str))
            for entry in (*node.get("facts", ()), *node.get("choices", ())):
                yield from ((entry, name, str(entry[name])) for name in ("title", "value") if name in entry)
        yield from ((a, "title", a["title"]) for a in _own_actions(each) if isinstance(a.get("title"), str))


def parsed_texts(card: Node) -> Iterator[str]:
    """The texts of a card that Teams reads as Markdown: those of TextBlocks, and both halves of facts."""
    for each in cards_of(card):
        for node in nodes(each):
            if node.get("type") == "TextBlock":
                yield str(node["text"])
            for fact in node.get("facts", ()):
                yield str(fact["title"])
                yield str(fact["value"])
