"""The local Teams refuses a card that Teams would not show, and agrees with the published schema."""

import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from sandbox.teams.card_parts import pressables, texts
from sandbox.teams.limits import problems

Json = dict[str, Any]


def card(*body: Json, **more: Any) -> Json:
    return {"type": "AdaptiveCard", "version": "1.5", "body": list(body), **more}


def text(words: str = "hi", **more: Any) -> Json:
    return {"type": "TextBlock", "text": words, **more}


def execute(**more: Any) -> Json:
    return {"type": "Action.Execute", "title": "Approve", "verb": "approve", "data": {"a": 1}, **more}


def entry(name: str = "reason", **more: Any) -> Json:
    return {"type": "Input.Text", "id": name, **more}


def refresh(users: int) -> Json:
    return {"action": execute(), "userIds": [f"29:{n}" for n in range(users)]}


MENTION = {"type": "mention", "text": "<at>Ann</at>", "mentioned": {"id": "29:a", "name": "Ann"}}
ROWS = [{"type": "TableRow", "cells": [{"type": "TableCell", "items": [text()]}]}]
RUN = {"type": "TextRun", "text": "to: jane", "fontType": "monospace", "weight": "bolder"}

GOOD = {
    "capitals": card(text(size="ExtraLarge", fontType="Monospace", color="Good")),
    "text": card(text(wrap=True, size="large", weight="bolder", style="heading")),
    "rich text": card({"type": "RichTextBlock", "inlines": [RUN, "plain"]}),
    "container": card({"type": "Container", "style": "emphasis", "bleed": True, "items": [text()]}),
    "columns": card({"type": "ColumnSet", "columns": [{"type": "Column", "width": "auto", "items": [text()]}]}),
    "facts": card({"type": "FactSet", "facts": [{"title": "to", "value": "jane"}]}),
    "table": card({"type": "Table", "columns": [{"width": 1}], "rows": ROWS}),
    "image": card({"type": "Image", "url": "https://example.com/a.png", "altText": "a"}),
    "inputs": card(
        entry(isMultiline=True, maxLength=500, label="Why?", isRequired=True, errorMessage="Say why"),
        {
            "type": "Input.ChoiceSet",
            "id": "preset",
            "choices": [{"title": "A", "value": "a"}],
            "style": "expanded",
        },
        {"type": "Input.Toggle", "id": "sure", "title": "Sure?"},
    ),
    "actions": card(
        text(),
        actions=[
            execute(style="positive", fallback={"type": "Action.Submit", "data": {}}),
            {"type": "Action.ShowCard", "title": "Reject", "card": {"type": "AdaptiveCard", "body": [entry()]}},
            {"type": "Action.OpenUrl", "title": "Docs", "url": "https://example.com"},
            execute(mode="secondary", tooltip="later"),
        ],
    ),
    "action set": card({"type": "ActionSet", "actions": [execute()]}),
    "60 users": card(text(), refresh=refresh(60)),
    "older": card(text(), version="1.2"),
    "full width": card(text("<at>Ann</at>"), msteams={"width": "Full", "entities": [MENTION]}),
}
BAD = {
    "no object": [],
    "no version": {"type": "AdaptiveCard", "body": []},
    "newer version": card(text(), version="1.6"),
    "unknown element": card({"type": "CodeBlock", "codeSnippet": "x"}),
    "media": card({"type": "Media", "sources": []}),
    "unknown field": card(text(colour="red")),
    "unknown enum": card(text(size="huge")),
    "text without text": card({"type": "TextBlock"}),
    "text that is a number": card({"type": "TextBlock", "text": 1}),
    "input without id": card({"type": "Input.Text"}),
    "input id twice": card(
        entry(), actions=[{"type": "Action.ShowCard", "card": {"type": "AdaptiveCard", "body": [entry()]}}]
    ),
    "unknown action": card(text(), actions=[{"type": "Action.Http", "url": "https://example.com"}]),
    "action in the body": card(execute()),
    "wrong style": card(text(), actions=[execute(style="danger")]),
    "select by ShowCard": card(
        {"type": "Container", "items": [], "selectAction": {"type": "Action.ShowCard", "card": card()}}
    ),
    "61 users": card(text(), refresh=refresh(61)),
    "refresh by Submit": card(text(), refresh={"action": {"type": "Action.Submit"}}),
    "Execute before 1.5": card(text(), version="1.4", actions=[execute()]),
    "refresh before 1.5": card(text(), version="1.4", refresh=refresh(1)),
    "mention without text": card(text("hello"), msteams={"entities": [MENTION]}),
    "mention without id": card(text("<at>Ann</at>"), msteams={"entities": [{**MENTION, "mentioned": {}}]}),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_good_card_is_shown(name: str) -> None:
    """Everything that cards of Nod may use is taken."""
    assert [] == problems(GOOD[name])


@pytest.mark.parametrize("name", BAD)
def test_a_bad_card_is_refused(name: str) -> None:
    """Each problem is named with its place."""
    found = problems(BAD[name])

    assert found
    assert all("[json-pointer:" in problem for problem in found)


def schema() -> Json:
    """The published schema, which is not part of this repository."""
    path = Path(os.environ.get("NOD_SCHEMAS", "")) / "adaptive-card-1.5.0.json"
    if "NOD_SCHEMAS" not in os.environ:
        pytest.skip("NOD_SCHEMAS names no folder with the published schemas")
    read: Json = json.loads(path.read_text())
    return read


def test_what_is_taken_is_good_by_the_published_schema() -> None:
    """Every card that is taken here is valid by Adaptive Card schema 1.5.0, but for the root's `msteams`."""
    validator = jsonschema.Draft6Validator(schema())
    for content in GOOD.values():
        portable = {name: value for name, value in content.items() if name != "msteams"}
        assert [] == list(validator.iter_errors(portable))


def test_buttons_send_the_inputs_of_their_card_and_those_around_it() -> None:
    """A ShowCard's button has the outer inputs too; the outer button does not have the inner ones."""
    inner = {"type": "AdaptiveCard", "body": [entry("inner")], "actions": [execute(verb="inner")]}
    whole = card(entry("outer"), actions=[execute(verb="outer"), {"type": "Action.ShowCard", "card": inner}])

    found = {p.action.get("verb"): [field["id"] for field in p.inputs] for p in pressables(whole)}

    assert {"outer": ["outer"], None: ["outer"], "inner": ["outer", "inner"]} == found


def test_every_text_of_a_card_is_found() -> None:
    """Blocks, runs, facts, labels, choices and titles, inside shown cards too."""
    inner = {"type": "AdaptiveCard", "body": [text("six")], "actions": [execute(title="seven")]}
    choices = {
        "type": "Input.ChoiceSet",
        "id": "c",
        "label": "four",
        "choices": [{"title": "five", "value": "v"}],
    }
    whole = card(
        text("one"),
        {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": "two"}, "two more"]},
        {"type": "FactSet", "facts": [{"title": "three", "value": "3"}]},
        choices,
        actions=[{"type": "Action.ShowCard", "title": "eight", "card": inner}],
    )

    said = {words for _, _, words in texts(whole)}

    assert {"one", "two", "two more", "three", "3", "four", "five", "v", "six", "seven", "eight"} == said
