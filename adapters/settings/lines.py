"""YAML with a memory of where each value stands, so that a mistake can be named by its line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from bot.errors import ConfigError

Place = tuple[str | int, ...]

#: Values in one file, at most: with YAML's aliases a few lines can stand for billions of them.
MOST_VALUES = 100_000
#: Levels in one another, at most; settings are nested five deep, and an alias can even contain itself.
DEEPEST = 30
#: Characters of a value in a message about it, which is one line and goes to a chat, too.
LONGEST_SHOWN = 40


class Lines:
    """Where each value of a file stands: `where(("routes", 0, "match"))` -> `nod.yaml, line 12`."""

    def __init__(self, path: Path) -> None:
        """`path` is the file's name in messages; the reader fills in the values."""
        self._path = path
        self._marks: dict[Place, int] = {}
        self._written: dict[Place, str] = {}

    def where(self, place: Place = ()) -> str:
        """The line of a value, or of the nearest one around it."""
        for length in range(len(place), -1, -1):
            line = self._marks.get(place[:length])
            if line is not None:
                return self.line(line)
        return str(self._path)

    def line(self, number: int) -> str:
        """This line, in words."""
        return f"{self._path}, line {number}"

    def written(self, place: Place) -> str:
        """A plain value exactly as it stands in the file: `1.50` where the value is the number 1.5."""
        return self._written[place]

    def note(self, place: Place, node: yaml.Node) -> None:
        """Remember where a value stands. Raises ConfigError when there are too many, or too deep."""
        if len(self._marks) >= MOST_VALUES or len(place) > DEEPEST:
            what = f"holds more than {MOST_VALUES} values, or more than {DEEPEST} levels in one another"
            raise ConfigError(str(self._path), what, "Write it without YAML aliases.")
        self._marks[place] = node.start_mark.line + 1
        if isinstance(node, yaml.ScalarNode):
            self._written[place] = node.value

    def name(self, place: Place, key: yaml.Node) -> None:
        """A setting stands where its key does."""
        self._marks[place] = key.start_mark.line + 1


def parse_yaml(content: bytes, path: Path) -> tuple[Any, Lines]:
    """The text of the file `path` as plain values, with its lines.

    Raises:
        ConfigError: it is no YAML, or names a key twice (the later one would win silently).
    """
    lines = Lines(path)
    try:
        node = yaml.compose(content.decode("utf-8-sig"), Loader=yaml.SafeLoader)
        value = _value(node, (), lines) if node is not None else {}
    except UnicodeDecodeError:
        what, fix = "cannot be read (it is not UTF-8 text)", "Set NOD_CONFIG to your nod.yaml."
        raise ConfigError(str(path), what, fix) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = lines.line(mark.line + 1) if mark else str(path)
        problem = getattr(error, "problem", None) or "it cannot be parsed"
        fix = "Correct the line; text that begins with ! * & > % or @ needs quotes."
        raise ConfigError(where, f"is not YAML ({problem})", fix) from None
    except RecursionError:
        raise ConfigError(str(path), "is nested too deep", "Write it with fewer levels.") from None
    return value, lines


def _value(node: yaml.Node, place: Place, lines: Lines) -> Any:
    lines.note(place, node)
    if isinstance(node, yaml.MappingNode):
        mapping: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = _key(key_node, lines)
            if key in mapping:
                where = lines.line(key_node.start_mark.line + 1)
                raise ConfigError(where, f"{key!r} is given twice", "Keep one of them.")
            mapping[key] = _value(value_node, (*place, key), lines)
            lines.name((*place, key), key_node)
        return mapping
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, (*place, index), lines) for index, item in enumerate(node.value)]
    return _scalar(node, lines)


def _key(node: yaml.Node, lines: Lines) -> str:
    key = _scalar(node, lines) if isinstance(node, yaml.ScalarNode) else node.value
    if isinstance(key, bool):
        return str(node.value)  # YAML 1.1 reads `on:` as true
    if isinstance(key, str):
        return key
    what = f"{key!r} is no name for a setting" if isinstance(node, yaml.ScalarNode) else "this is no plain name"
    raise ConfigError(lines.line(node.start_mark.line + 1), what, "Put quotes around it.")


def _scalar(node: yaml.Node, lines: Lines) -> Any:
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_object(node, deep=True)
    except (ValueError, OverflowError):
        # Looks like a date or a number and is none: 2026-13-45.
        where = lines.line(node.start_mark.line + 1)
        shown = node.value if len(node.value) <= LONGEST_SHOWN else f"{node.value[:LONGEST_SHOWN]}…"
        raise ConfigError(where, f"{shown!r} cannot be read", "Correct it, or put quotes around it.") from None
    finally:
        loader.dispose()
