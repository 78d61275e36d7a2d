"""One Web API call as a method sees it: its arguments, read in the ways in which clients send them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.slack.errors import SlackError
from sandbox.slack.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The arguments of a call: JSON as it came, or form fields, whose structured values are JSON texts."""

    workspace: Workspace
    args: Mapping[str, Any]

    def text(self, name: str, *, missing: str = "invalid_arguments") -> str:
        """A required argument. Raises SlackError with the code `missing`."""
        value = self.args.get(name)
        if value is None or value == "":
            raise SlackError(missing)
        return str(value)

    def maybe(self, name: str) -> str | None:
        """An optional argument as text."""
        value = self.args.get(name)
        return None if value in (None, "") else str(value)

    def flag(self, name: str) -> bool:
        """An optional switch, false when absent."""
        return str(self.args.get(name, "")).lower() in ("1", "true")

    def number(self, name: str, *, default: int, most: int) -> int:
        """An optional whole number from 1 to `most`. Raises SlackError invalid_limit."""
        value = self.maybe(name)
        if value is None:
            return default
        if not value.isdecimal() or not 1 <= int(value) <= most:
            raise SlackError("invalid_limit")
        return int(value)

    def page(self, name: str, everything: list[Any]) -> dict[str, Any]:
        """The part of a list that `cursor` and `limit` ask for. Raises SlackError invalid_cursor."""
        cursor = self.maybe("cursor") or "at:0"
        if not cursor.removeprefix("at:").isdecimal():
            raise SlackError("invalid_cursor")
        start = int(cursor.removeprefix("at:"))
        end = start + self.number("limit", default=100, most=1000)
        after = f"at:{end}" if end < len(everything) else ""
        return {name: everything[start:end], "response_metadata": {"next_cursor": after}}

    def parsed(self, name: str, *, broken: str) -> Any:
        """An optional structured argument, None when absent. Raises SlackError `broken` for JSON that is
        none."""
        value = self.args.get(name)
        if not isinstance(value, str):
            return value
        if not value:
            return None
        try:
            return json.loads(value)
        except ValueError:
            raise SlackError(broken) from None

    def blocks(self) -> list[Any] | None:
        """The `blocks`, None when absent. Raises SlackError invalid_blocks_format."""
        blocks = self.parsed("blocks", broken="invalid_blocks_format")
        if blocks is not None and not isinstance(blocks, list):
            raise SlackError("invalid_blocks_format")
        return blocks
