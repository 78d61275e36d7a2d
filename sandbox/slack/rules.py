"""The small grammar in which Block Kit's documented limits are written as tables (see `limits`).

A rule takes a value and the JSON pointer to it, and yields one sentence for each thing wrong, in the form
that Slack uses in `response_metadata.messages`: "must be less than 151 characters
[json-pointer:/blocks/0/text/text]".
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

Rule = Callable[[Any, str], Iterator[str]]


def at(pointer: str, problem: str) -> str:
    """One problem with its place, as Slack words it."""
    return f"{problem} [json-pointer:{pointer}]"


def string(most: int, *, least: int = 1) -> Rule:
    """A string of `least`..`most` characters."""

    def rule(value: Any, pointer: str) -> Iterator[str]:
        if not isinstance(value, str):
            yield at(pointer, "must be a string")
        elif len(value) < least:
            yield at(pointer, f"must be more than {least - 1} characters")
        elif len(value) > most:
            yield at(pointer, f"must be less than {most + 1} characters")

    return rule


def flag(value: Any, pointer: str) -> Iterator[str]:
    """A boolean."""
    if not isinstance(value, bool):
        yield at(pointer, "must be a boolean")


def whole(least: int, most: int) -> Rule:
    """A whole number within bounds."""

    def rule(value: Any, pointer: str) -> Iterator[str]:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            yield at(pointer, f"must be an integer from {least} to {most}")

    return rule


def one_of(*allowed: str) -> Rule:
    """One of a few words."""

    def rule(value: Any, pointer: str) -> Iterator[str]:
        if value not in allowed:
            yield at(pointer, f"must be a valid enum value: {', '.join(allowed)}")

    return rule


def shape(*, required: Mapping[str, Rule], optional: Mapping[str, Rule] | None = None) -> Rule:
    """An object with these fields and no others."""
    known = {**required, **(optional or {})}

    def rule(value: Any, pointer: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield at(pointer, "must be an object")
            return
        for name in required:
            if name not in value:
                yield at(pointer, f"missing required field: {name}")
        for name, inner in value.items():
            if name not in known:
                yield at(pointer, f"invalid additional property: {name}")
            else:
                yield from known[name](inner, f"{pointer}/{name}")

    return rule


def items(each: Rule, *, most: int, least: int = 1) -> Rule:
    """A list of `least`..`most` things that obey `each`."""

    def rule(value: Any, pointer: str) -> Iterator[str]:
        if not isinstance(value, list):
            yield at(pointer, "must be an array")
            return
        if len(value) < least:
            yield at(pointer, f"no less than {least} items allowed")
        if len(value) > most:
            yield at(pointer, f"no more than {most} items allowed")
        for index, inner in enumerate(value):
            yield from each(inner, f"{pointer}/{index}")

    return rule


def by_type(table: Mapping[str, Rule]) -> Rule:
    """An object whose `type` picks its rule; a type that is not in the table is refused."""

    def rule(value: Any, pointer: str) -> Iterator[str]:
        kind = value.get("type") if isinstance(value, dict) else None
        if not isinstance(kind, str) or kind not in table:
            yield at(f"{pointer}/type", f"unsupported type: {kind}")
        else:
            yield from table[kind](value, pointer)

    return rule


def typed(
    kind: str, *, required: Mapping[str, Rule] | None = None, optional: Mapping[str, Rule] | None = None
) -> Rule:
    """A `shape` that also carries its own `type`."""
    return shape(required={"type": one_of(kind), **(required or {})}, optional=optional)
