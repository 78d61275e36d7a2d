"""Adaptive Cards 1.5 as tables: what the published schema would refuse, the local Teams refuses.

Source: the Adaptive Card schema 1.5.0 (microsoft/AdaptiveCards, schemas/1.5.0/adaptive-card.json). `Media` is
not in the tables because Teams does not show it (msteams-docs, cards-format), nor is anything newer than 1.5.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from sandbox.slack.rules import Rule, at, by_type, flag, items, one_of, shape, string, typed, whole

_ANY = 100_000
_TEXT = string(_ANY, least=0)
_ID = string(1000)
_MANY = items(lambda value, pointer: iter(()), most=10_000, least=0)


def word(*allowed: str) -> Rule:
    """One of a few words, in capitals or small letters, as the schema's enumerations are."""
    known = {name.lower() for name in allowed}

    def rule(value: Any, pointer: str) -> Iterator[str]:
        if not isinstance(value, str) or value.lower() not in known:
            yield at(pointer, f"must be a valid enum value: {', '.join(allowed)}")

    return rule


def _anything(value: Any, pointer: str) -> Iterator[str]:
    return iter(())


def _object_or_text(value: Any, pointer: str) -> Iterator[str]:
    if not isinstance(value, (dict, str)):
        yield at(pointer, "must be an object or a string")


def element(value: Any, pointer: str) -> Iterator[str]:
    """One element of a body or of a container."""
    yield from by_type(ELEMENTS)(value, pointer)


def action(value: Any, pointer: str) -> Iterator[str]:
    """One action of a card or an ActionSet."""
    yield from by_type(ACTIONS)(value, pointer)


def _select_action(value: Any, pointer: str) -> Iterator[str]:
    allowed = {kind: rule for kind, rule in ACTIONS.items() if kind != "Action.ShowCard"}
    yield from by_type(allowed)(value, pointer)


def _inner_card(value: Any, pointer: str) -> Iterator[str]:
    yield from typed("AdaptiveCard", optional=CARD)(value, pointer)


def _fallback_element(value: Any, pointer: str) -> Iterator[str]:
    if value != "drop":
        yield from element(value, pointer)


def _fallback_action(value: Any, pointer: str) -> Iterator[str]:
    if value != "drop":
        yield from action(value, pointer)


def _inline(value: Any, pointer: str) -> Iterator[str]:
    if not isinstance(value, str):
        yield from _TEXT_RUN(value, pointer)


ALIGN = word("left", "center", "right")
V_ALIGN = word("top", "center", "bottom")
COLOR = word("default", "dark", "light", "accent", "good", "warning", "attention")
STYLE = word("default", "emphasis", "good", "attention", "warning", "accent")
SPACING = word("default", "none", "small", "medium", "large", "extraLarge", "padding")
_FONT: Mapping[str, Rule] = {
    "color": COLOR,
    "fontType": word("default", "monospace"),
    "isSubtle": flag,
    "size": word("default", "small", "medium", "large", "extraLarge"),
    "weight": word("default", "lighter", "bolder"),
}
_BASE: Mapping[str, Rule] = {
    "id": _ID,
    "isVisible": flag,
    "requires": _anything,
    "fallback": _fallback_element,
    "separator": flag,
    "spacing": SPACING,
    "height": word("auto", "stretch"),
}
_BOX: Mapping[str, Rule] = {
    "selectAction": _select_action,
    "style": STYLE,
    "verticalContentAlignment": V_ALIGN,
    "bleed": flag,
    "backgroundImage": _object_or_text,
    "minHeight": _TEXT,
    "rtl": flag,
}
_TEXT_RUN = typed(
    "TextRun",
    required={"text": _TEXT},
    optional={
        **_FONT,
        "highlight": flag,
        "italic": flag,
        "strikethrough": flag,
        "underline": flag,
        "selectAction": _select_action,
    },
)
_COLUMN = typed(
    "Column", optional={**_BASE, **_BOX, "items": items(element, most=1000, least=0), "width": _anything}
)
_FACT = shape(required={"title": _TEXT, "value": _TEXT}, optional={"type": one_of("Fact")})
_CHOICE = shape(required={"title": _TEXT, "value": _TEXT}, optional={"type": one_of("Input.Choice")})
_CELL = typed("TableCell", required={"items": items(element, most=1000, least=0)}, optional=_BOX)
_CELL_ALIGN: Mapping[str, Rule] = {
    "horizontalCellContentAlignment": ALIGN,
    "verticalCellContentAlignment": V_ALIGN,
}
_ROW = typed("TableRow", optional={**_CELL_ALIGN, "style": STYLE, "cells": items(_CELL, most=100, least=0)})


def _input(kind: str, **more: Rule) -> Rule:
    asked: Mapping[str, Rule] = {
        "errorMessage": _TEXT,
        "isRequired": flag,
        "label": _TEXT,
        "placeholder": _TEXT,
    }
    optional = {name: rule for name, rule in _BASE.items() if name != "id"}
    return typed(kind, required={"id": _ID}, optional={**optional, **asked, "value": _anything, **more})


ELEMENTS: Mapping[str, Rule] = {
    "TextBlock": typed(
        "TextBlock",
        required={"text": _TEXT},
        optional={
            **_BASE,
            **_FONT,
            "horizontalAlignment": ALIGN,
            "maxLines": whole(0, 10_000),
            "wrap": flag,
            "style": word("default", "heading"),
        },
    ),
    "RichTextBlock": typed(
        "RichTextBlock",
        required={"inlines": items(_inline, most=10_000, least=0)},
        optional={**_BASE, "horizontalAlignment": ALIGN},
    ),
    "Container": typed(
        "Container", required={"items": items(element, most=1000, least=0)}, optional={**_BASE, **_BOX}
    ),
    "ColumnSet": typed(
        "ColumnSet",
        optional={
            **_BASE,
            "columns": items(_COLUMN, most=100, least=0),
            "selectAction": _select_action,
            "style": STYLE,
            "bleed": flag,
            "minHeight": _TEXT,
            "horizontalAlignment": ALIGN,
        },
    ),
    "FactSet": typed("FactSet", required={"facts": items(_FACT, most=1000)}, optional=_BASE),
    "ActionSet": typed("ActionSet", required={"actions": items(action, most=100)}, optional=_BASE),
    "Image": typed(
        "Image",
        required={"url": string(_ANY)},
        optional={
            **_BASE,
            "altText": _TEXT,
            "backgroundColor": _TEXT,
            "height": _TEXT,
            "horizontalAlignment": ALIGN,
            "selectAction": _select_action,
            "size": word("auto", "stretch", "small", "medium", "large"),
            "style": word("default", "person"),
            "width": _TEXT,
        },
    ),
    "Table": typed(
        "Table",
        optional={
            **_BASE,
            **_CELL_ALIGN,
            "columns": _MANY,
            "rows": items(_ROW, most=1000, least=0),
            "firstRowAsHeader": flag,
            "showGridLines": flag,
            "gridStyle": STYLE,
        },
    ),
    "Input.Text": _input(
        "Input.Text",
        isMultiline=flag,
        maxLength=whole(1, 2**31),
        regex=_TEXT,
        style=word("text", "tel", "url", "email", "password"),
        inlineAction=_select_action,
    ),
    "Input.ChoiceSet": _input(
        "Input.ChoiceSet",
        choices=items(_CHOICE, most=1000, least=0),
        isMultiSelect=flag,
        style=word("compact", "expanded", "filtered"),
        wrap=flag,
    ),
    "Input.Toggle": _input("Input.Toggle", title=_TEXT, valueOff=_TEXT, valueOn=_TEXT, wrap=flag),
}

_ACTION: Mapping[str, Rule] = {
    "id": _ID,
    "title": _TEXT,
    "iconUrl": _TEXT,
    "style": word("default", "positive", "destructive"),
    "fallback": _fallback_action,
    "tooltip": _TEXT,
    "isEnabled": flag,
    "mode": word("primary", "secondary"),
    "requires": _anything,
}
_SENDS: Mapping[str, Rule] = {
    **_ACTION,
    "data": _object_or_text,
    "associatedInputs": word("auto", "none"),
}
EXECUTE = typed("Action.Execute", optional={**_SENDS, "verb": string(_ANY)})
ACTIONS: Mapping[str, Rule] = {
    "Action.Execute": EXECUTE,
    "Action.Submit": typed("Action.Submit", optional=_SENDS),
    "Action.OpenUrl": typed("Action.OpenUrl", required={"url": string(_ANY)}, optional=_ACTION),
    "Action.ShowCard": typed("Action.ShowCard", optional={**_ACTION, "card": _inner_card}),
    "Action.ToggleVisibility": typed(
        "Action.ToggleVisibility", required={"targetElements": _MANY}, optional=_ACTION
    ),
}
CARD: Mapping[str, Rule] = {
    "$schema": _TEXT,
    "version": _TEXT,
    "body": items(element, most=1000, least=0),
    "actions": items(action, most=100, least=0),
    "selectAction": _select_action,
    "fallbackText": _TEXT,
    "backgroundImage": _object_or_text,
    "minHeight": _TEXT,
    "rtl": flag,
    "speak": _TEXT,
    "lang": _TEXT,
    "verticalContentAlignment": V_ALIGN,
}
