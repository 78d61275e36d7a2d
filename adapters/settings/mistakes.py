"""What is wrong with a value of nod.yaml, in words of the file and not of the code that reads it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

#: What a value of the wrong kind should have been, by pydantic's own name of the mistake.
_KINDS: Mapping[str, str] = {
    "model_type": "must hold settings, as in `name: value`",
    "dict_type": "must hold settings, as in `name: value`",
    "list_type": "must be a list, as in [one, another]",
    "string_type": "must be text; put quotes around a number, true, false or null",
    "int_type": "must be a whole number",
    "bool_type": "must be true or false",
}
#: What a text of the wrong form should look like, by the setting's name.
_FORMS: Mapping[str, str] = {
    "email": "must be an e-mail address, such as ann@acme.example",
    "slack": "must be a user id of Slack, such as U024BE7LH",
    "teams": "must be an object id of Entra, such as 6e0c9d0a-0f6f-4c0e-9a51-2f7a0b1c2d3e",
    "requester": "must be run_id, or arguments. and a path, such as arguments.requested_by",
    "callback": "must name a function, such as acme_nod.budget:decide",
    "on_unrecoverable_error": "must name functions, such as acme_nod.hooks:page_us",
    "calendar_hosts": "must be hosts without scheme and port, such as calendar.acme.example",
    "pagerduty": "must be the id of a schedule, such as P1234AB",
    "opsgenie": "must be the id or the name of a schedule, without blanks around it",
}
_NAME = "must be a name without colons and commas, and without blanks around it"


def words_for(error: ErrorDetails) -> str:
    """What the value must be."""
    kind, limits = error["type"], error.get("ctx", {})
    if kind in _KINDS:
        return _KINDS[kind]
    match kind:
        case "string_pattern_mismatch":
            names = [part for part in reversed(error["loc"]) if isinstance(part, str)]
            return _NAME if "[key]" in names else _FORMS.get(names[0], _NAME)
        case "string_too_long":
            return f"must have at most {limits['max_length']} characters"
        case "string_too_short":
            return "is empty"
        case "too_short":
            return "is empty; it needs at least one entry"
        case "too_long":
            return f"must have at most {limits['max_length']} entries"
        case "greater_than_equal":
            return f"must be at least {limits['ge']}"
        case "less_than_equal":
            return f"must be at most {limits['le']}"
    return error["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
