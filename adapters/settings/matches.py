"""`match:` in nod.yaml -> `bot.matching.Match`, each condition named by its line when it is wrong."""

from __future__ import annotations

from typing import Any

from adapters.settings.lines import Lines, Place
from bot.errors import ConfigError
from bot.matching import Match, Pattern

_NAMES = ("tool", "agent", "platform")
_ARGUMENTS = "arguments."
_FIX = 'Write for example {tool: "pay_*", arguments.amount: ">= 1000", not: {tool: "pay_refund"}}.'


def match_of(conditions: dict[str, Any], place: Place, lines: Lines) -> Match:
    """The conditions that stand at this place of the file.

    Raises:
        ConfigError: a key that is no condition, a comparison with no number, an empty value, or a `not` with
            nothing in it, which would exclude everything.
    """
    names: dict[str, Pattern] = {}
    arguments: list[tuple[str, Pattern]] = []
    without: Match | None = None
    for key, value in conditions.items():
        here = (*place, key)
        if key == "not":
            if not isinstance(value, dict) or not value:
                raise ConfigError(lines.where(here), "`not` needs conditions of its own", _FIX)
            without = match_of(value, here, lines)
        elif key in _NAMES:
            names[key] = _pattern(value, here, lines)
        elif _is_path(key):
            arguments.append((key.removeprefix(_ARGUMENTS), _pattern(value, here, lines)))
        else:
            what = f"{key!r} is no condition; there are tool, agent, platform, arguments.<name> and not"
            raise ConfigError(lines.where(here), what, _FIX)
    return Match(**names, arguments=tuple(arguments), without=without)


def takes_all(match: Match) -> bool:
    """Whether a match lets every request through, however it is written."""
    anything = (None, Pattern(text="*"))
    names = all(pattern in anything for pattern in (match.tool, match.agent, match.platform))
    return names and not match.arguments and match.without is None


def _is_path(key: str) -> bool:
    return key.startswith(_ARGUMENTS) and all(key.removeprefix(_ARGUMENTS).split("."))


def _pattern(value: Any, place: Place, lines: Lines) -> Pattern:
    if isinstance(value, list | dict):
        what = "a condition is a glob, a comparison or a plain value"
        raise ConfigError(lines.where(place), what, _FIX)
    written = lines.written(place).strip()
    if value is None and written not in ("", "null"):
        what = f"{written} is nothing in YAML, and may be meant as text"
        raise ConfigError(lines.where(place), what, f"Write null, or put quotes around {written}.")
    # A boolean may be written True; all else counts as it is written.
    text = str(value).lower() if isinstance(value, bool) else written
    if not text.removeprefix("!").strip():
        raise ConfigError(lines.where(place), "the condition is empty", _FIX)
    try:
        return Pattern(text=text)
    except ValueError as error:
        raise ConfigError(lines.where(place), str(error), _FIX) from None
