"""What a person fills into the inputs of a card, and what the client makes of it before it sends anything."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from sandbox.teams.errors import CannotDo

Filled = Mapping[str, str]


def _default(field: Mapping[str, Any]) -> str | None:
    """What an untouched input sends: texts are empty, a choice that was not made is not sent at all."""
    if field["type"] == "Input.Toggle":
        return str(field.get("value", field.get("valueOff", "false")))
    if field["type"] == "Input.ChoiceSet":
        value = field.get("value")
        return None if value in (None, "") else str(value)
    return str(field.get("value", ""))


def _check(field: Mapping[str, Any], value: str | None) -> None:
    """What the client itself would not let through. Raises CannotDo."""
    if not value:
        if field.get("isRequired"):
            raise CannotDo(f"{field['id']} must be filled in")
        return
    if len(value) > field.get("maxLength", len(value)):
        raise CannotDo(f"{field['id']} takes {field['maxLength']} characters")
    if "regex" in field and not re.search(field["regex"], value):
        raise CannotDo(f"{field['id']} does not match")
    if field["type"] == "Input.ChoiceSet":
        picked = value.split(",") if field.get("isMultiSelect") else [value]
        offered = {choice["value"] for choice in field.get("choices", ())}
        if not set(picked) <= offered:
            raise CannotDo(f"{field['id']} does not offer {value}")


def sent_with(action: Mapping[str, Any], inputs: Sequence[Mapping[str, Any]], filled: Filled) -> Any:
    """The `data` that goes out: the action's own, with the inputs laid over it as the renderer does.

    Raises CannotDo for an input that is not there, or that the client holds back.
    """
    unknown = set(filled) - {field["id"] for field in inputs}
    if unknown:
        raise CannotDo(f"the card has no input {sorted(unknown)}")
    own = action.get("data")
    if action.get("associatedInputs") == "none":
        return own
    values: dict[str, str] = {}
    for field in inputs:
        value = filled.get(field["id"], _default(field))
        _check(field, value)
        if value is not None:
            values[field["id"]] = value
    if isinstance(own, str) and not values:
        return own
    return {**(own if isinstance(own, dict) else {}), **values}
