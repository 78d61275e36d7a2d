"""Reading Adaptive Cards in tests: their elements and texts, and what Teams takes, held against them."""

from __future__ import annotations

import functools
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
from jsonschema.exceptions import best_match

from adapters.teams.elements import NBSP
from adapters.teams.render import MESSAGE, RenderContext, content_of
from bot.card import Card
from sandbox.teams.limits import check_card

CONTEXT = RenderContext(channel="approvals", watchers=("29:1ann", "29:1bob"))
#: The only thing that we put where Teams parses: a moment, in which nobody else writes.
_AT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
MOMENT = re.compile(rf"(\{{\{{DATE\({_AT}, SHORT\)\}}\}} )?\{{\{{TIME\({_AT}\)\}}\}}( and \d\d? s)?")
#: What some renderers would look for in a run.
_FUNCTION = re.compile(r"\{\{(DATE|TIME)\(|</?at>", re.IGNORECASE)
#: Elements and actions that Nod's cards are made of; a picture is none of them.
TYPES = frozenset(
    {
        *("AdaptiveCard", "RichTextBlock", "TextRun", "TextBlock", "ColumnSet", "Column", "Container"),
        *("ActionSet", "Action.Execute", "Action.Submit", "Action.ShowCard", "Action.OpenUrl"),
        *("Input.Text", "Input.ChoiceSet", "mention"),
    }
)


@functools.cache
def _schema() -> Any:
    folder = os.environ.get("NOD_SCHEMAS")
    return json.loads((Path(folder) / "adaptive-card-1.5.0.json").read_text()) if folder else None


def check_schema(content: dict[str, Any]) -> None:
    """The published schema of Adaptive Cards 1.5 takes the card, where NOD_SCHEMAS names its folder."""
    schema = _schema()
    if schema is not None:
        # `msteams` is Teams' own and in no schema.
        card = {name: value for name, value in content.items() if name != "msteams"}
        error = best_match(jsonschema.Draft6Validator(schema).iter_errors(card))
        assert error is None, f"{list(error.absolute_path)}: {error.message[:300]}"


def checked(content: dict[str, Any]) -> dict[str, Any]:
    """The card, after the published schema, the local Teams and our own limit were held against it."""
    check_schema(content)
    held(content)
    return content


def held(content: dict[str, Any]) -> None:
    """Teams takes the card, and nothing in it is parsed but moments and mentions of ours."""
    check_card(content)
    assert len(json.dumps(content)) <= MESSAGE
    for node in nodes(content):
        assert node["type"] in TYPES
        if node["type"] == "TextBlock":
            assert MOMENT.fullmatch(node["text"]) or _mentions(content) == node["text"]
        if node["type"] == "TextRun":
            assert not _FUNCTION.search(node["text"])


def _mentions(content: dict[str, Any]) -> str:
    return " ".join(entity["text"] for entity in content.get("msteams", {}).get("entities", ()))


def nodes(node: Any) -> Iterator[dict[str, Any]]:
    """Everything in a card that has a type; what a button carries is no part of the card."""
    if isinstance(node, dict):
        if "type" in node:
            yield node
        for name, inner in node.items():
            if name != "data":
                yield from nodes(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from nodes(inner)


def runs(content: Any) -> list[str]:
    """Each block of text, its runs put together."""
    return [
        "".join(run["text"] for run in node["inlines"])
        for node in nodes(content)
        if node["type"] == "RichTextBlock"
    ]


def call_of(content: dict[str, Any]) -> str:
    """The call as the card shows it, with the blanks that it was given."""
    lines = [
        "".join(run["text"] for run in line["inlines"])
        for box in nodes(content)
        if box["type"] == "Container"
        for line in box["items"]
    ]
    return "\n".join("" if line == NBSP else line.replace(NBSP, " ") for line in lines)


def titles(content: dict[str, Any]) -> list[str]:
    """The titles of a card's buttons, in order."""
    return [action["title"] for action in content.get("actions", [])]


def check(card: Card, **more: Any) -> dict[str, Any]:
    """A card's content, checked."""
    return checked(content_of(card, CONTEXT, **more))
