"""What a person fills into a modal: `state.values` in Slack's shape, and the checks that Slack makes
before it sends."""

from collections.abc import Mapping, Sequence
from typing import Any

#: What a person entered, by block_id or action_id: text, the value of an option, or several of them.
Filled = Mapping[str, str | Sequence[str]]

REQUIRED = "Please complete this required field."


def _inputs(blocks: Sequence[Mapping[str, Any]]) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    return [(block, block["element"]) for block in blocks if block["type"] == "input"]


def _entered(block: Mapping[str, Any], element: Mapping[str, Any], filled: Filled) -> list[str]:
    for name in (block["block_id"], element["action_id"]):
        if name in filled:
            given = filled[name]
            return [given] if isinstance(given, str) else list(given)
    if "initial_options" in element:
        return [option["value"] for option in element["initial_options"]]
    if "initial_option" in element:
        return [element["initial_option"]["value"]]
    return [element["initial_value"]] if "initial_value" in element else []


def refused_at_once(blocks: Sequence[Mapping[str, Any]], filled: Filled) -> dict[str, str]:
    """What Slack's own client objects to, by block_id, so that nothing is sent: a required field, a length."""
    found = {}
    for block, element in _inputs(blocks):
        text = "".join(_entered(block, element, filled))
        least, most = element.get("min_length", 0), element.get("max_length", 3000)
        if not text.strip():
            if not block.get("optional", False):
                found[block["block_id"]] = REQUIRED
        elif len(text) < least:
            found[block["block_id"]] = f"Must be at least {least} characters."
        elif element["type"] == "plain_text_input" and len(text) > most:
            found[block["block_id"]] = f"Must be at most {most} characters."
    return found


def state_values(blocks: Sequence[Mapping[str, Any]], filled: Filled) -> dict[str, dict[str, Any]]:
    """`view.state.values`: block_id -> action_id -> what was entered (docs.slack.dev/reference/views)."""
    values: dict[str, dict[str, Any]] = {}
    for block, element in _inputs(blocks):
        entered = _entered(block, element, filled)
        value: dict[str, Any] = {"type": element["type"]}
        chosen = [option for option in element.get("options", []) if option["value"] in entered]
        if element["type"] == "plain_text_input":
            value["value"] = entered[0] if entered and entered[0] else None
        elif element["type"] == "checkboxes":
            value["selected_options"] = chosen
        else:
            value["selected_option"] = chosen[0] if chosen else None
        values[block["block_id"]] = {element["action_id"]: value}
    return values
