"""YAML that remembers the line of each value: a mistake is named by its line, in words of the file.

What is read is what was written: `true`, `false`, `null` and whole numbers, and all else is text. YAML 1.1
would make a boolean of NO, a number of 010 and 17:30, and a day of 2026-01-05."""

from __future__ import annotations

import re
from collections.abc import Iterator
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
#: Sections at the top whose names begin so hold anchors for the others, and no settings.
ASIDE = "x-"

_WORDS = {"true": True, "false": False, "null": None, "~": None, "": None}
_WORDS |= {word.title(): value for word, value in _WORDS.items()} | {
    word.upper(): value for word, value in _WORDS.items()
}
#: At most 18 digits: no setting is larger, and text that is taken for a number is refused in words.
_WHOLE = re.compile(r"[+-]?(0|[1-9][0-9]{0,17})")
_TEXT, _MERGE = "tag:yaml.org,2002:str", "<<"
_TAGS = {
    yaml.ScalarNode: _TEXT,
    yaml.MappingNode: "tag:yaml.org,2002:map",
    yaml.SequenceNode: "tag:yaml.org,2002:seq",
}
#: Tabs and line breaks are text; other control characters and halves of surrogate pairs cannot be stored.
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


class Lines:
    """The line of each value of a file: `where(("routes", 0, "match"))` -> `nod.yaml, line 12`."""

    def __init__(self, path: Path) -> None:
        """`path` is the file's name in messages; the reader fills in the values."""
        self._path = path
        self._marks: dict[Place, int] = {}
        self._written: dict[Place, str] = {}
        self._visited = 0

    def where(self, place: Place = ()) -> str:
        """The line of a value, or of the nearest one around it."""
        number = self.number(place)
        return self.line(number) if number else str(self._path)

    def number(self, place: Place) -> int:
        """The same as a number from 1 on; 0 for what is not in the file."""
        around = (self._marks.get(place[:length]) for length in range(len(place), -1, -1))
        return next((number for number in around if number is not None), 0)

    def line(self, number: int) -> str:
        """This line, in words."""
        return f"{self._path}, line {number}"

    def written(self, place: Place) -> str:
        """A plain value exactly as the file has it: `1.50` where the value is the number 1.5."""
        return self._written[place]

    def note(self, place: Place, node: yaml.Node) -> None:
        """Remember the line of a value. Raises ConfigError when there are too many, or too deep."""
        self._visited += 1
        self._check(len(place))
        self._marks[place] = node.start_mark.line + 1
        if isinstance(node, yaml.ScalarNode):
            self._written[place] = node.value

    def merge(self, depth: int) -> None:
        """A mapping is merged into another. Raises ConfigError as `note` does: one can even merge itself."""
        self._visited += 1
        self._check(depth)

    def name(self, place: Place, key: yaml.Node) -> None:
        """The line of a setting is the line of its key."""
        self._marks[place] = key.start_mark.line + 1

    def _check(self, depth: int) -> None:
        if self._visited > MOST_VALUES or depth > DEEPEST:
            what = f"has more than {MOST_VALUES} values, or more than {DEEPEST} levels of nesting"
            raise ConfigError(
                str(self._path), what, "Write it with fewer values and levels; YAML aliases can multiply both."
            )


def parse_yaml(content: bytes, path: Path) -> tuple[Any, Lines]:
    """The text of the file `path` as plain values, with its lines; without the sections that are set aside.

    Raises:
        ConfigError: it is no YAML, names a key twice (the later one would win silently), or holds a tag.
    """
    lines = Lines(path)
    try:
        node = yaml.compose(content.decode("utf-8-sig"), Loader=yaml.BaseLoader)
        value = _value(node, (), lines) if node is not None else {}
    except UnicodeDecodeError:
        what, fix = "cannot be read (it is not UTF-8 text)", "Set NOD_CONFIG to your nod.yaml."
        raise ConfigError(str(path), what, fix) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise _not_yaml(content, lines, path, number=mark.line + 1 if mark else None) from None
    except (ValueError, OverflowError):  # "\\UFFFFFFFF" is no character, and PyYAML finds that out by chance
        raise ConfigError(
            str(path), "is not valid YAML", "Correct the escape sequences, such as \\U…."
        ) from None
    except RecursionError:
        raise ConfigError(str(path), "is nested too deep", "Use fewer levels.") from None
    if isinstance(value, dict):
        value = {key: inner for key, inner in value.items() if not key.startswith(ASIDE)}
    return value, lines


def _not_yaml(content: bytes, lines: Lines, path: Path, *, number: int | None) -> ConfigError:
    """What to look for near the line where the parser gave up; its own words are for who wrote it."""
    if number is None:
        return ConfigError(str(path), "is not valid YAML", "Remove the characters that cannot be printed.")
    written = content.decode("utf-8-sig").splitlines()
    tabs = (n for n, line in enumerate(written[:number], 1) if "\t" in line[: len(line) - len(line.lstrip())])
    if (tab := next(tabs, None)) is not None:
        return ConfigError(lines.line(tab), "is indented with a tab", "Use spaces.")
    fix = (
        "Check this line and the one before: indentation, brackets, quotes. Text that begins with"
        " ! * & > % or @ needs quotes."
    )
    return ConfigError(lines.line(number), "is not valid YAML", fix)


def _value(node: yaml.Node, place: Place, lines: Lines) -> Any:
    lines.note(place, node)
    _check_tag(node, lines)
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, place, lines)
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, (*place, index), lines) for index, item in enumerate(node.value)]
    return _scalar(node, lines)


def _mapping(node: yaml.MappingNode, place: Place, lines: Lines) -> dict[str, Any]:
    mapping: dict[str, Any] = {}
    merged: list[yaml.MappingNode] = []
    for key_node, value_node in node.value:
        if _is_merge(key_node):
            merged += _merged(value_node, lines)
            continue
        key = _key(key_node, lines)
        if key in mapping:
            where = lines.line(key_node.start_mark.line + 1)
            raise ConfigError(where, f"{key!r} is given twice", "Keep one of them.")
        mapping[key] = _value(value_node, (*place, key), lines)
        lines.name((*place, key), key_node)
    for key_node, value_node in _pairs(merged, lines, depth=len(place)):
        key = _key(key_node, lines)
        if key not in mapping:  # what is written beside `<<` counts, and what was merged before
            mapping[key] = _value(value_node, (*place, key), lines)
            lines.name((*place, key), key_node)
    return mapping


def _pairs(nodes: list[yaml.MappingNode], lines: Lines, *, depth: int) -> Iterator[tuple[yaml.Node, yaml.Node]]:
    """What is merged, in the order in which it counts; what merges others counts before them."""
    for node in nodes:
        lines.merge(depth)
        more: list[yaml.MappingNode] = []
        for key_node, value_node in node.value:
            if _is_merge(key_node):
                more += _merged(value_node, lines)
            else:
                yield key_node, value_node
        yield from _pairs(more, lines, depth=depth + 1)


def _is_merge(key: yaml.Node) -> bool:
    return isinstance(key, yaml.ScalarNode) and key.style is None and key.value == _MERGE


def _merged(node: yaml.Node, lines: Lines) -> list[yaml.MappingNode]:
    nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
    if not all(isinstance(one, yaml.MappingNode) for one in nodes):
        what = "`<<` needs a mapping, for example `<<: *name`"
        raise ConfigError(
            lines.line(node.start_mark.line + 1),
            what,
            "Put `&name` at a mapping, not at a list or a single value.",
        )
    return list(nodes)


def _key(node: yaml.Node, lines: Lines) -> str:
    if not isinstance(node, yaml.ScalarNode):
        where = lines.line(node.start_mark.line + 1)
        raise ConfigError(where, "this is not the name of a setting", "Put quotes around it.")
    _check_tag(node, lines)
    key = _scalar(node, lines)
    if isinstance(key, str):
        return key
    if isinstance(key, bool):
        return str(node.value)
    where = lines.line(node.start_mark.line + 1)
    raise ConfigError(where, f"{_shown(node.value)} is not the name of a setting", "Put quotes around it.")


def _scalar(node: yaml.Node, lines: Lines) -> str | int | bool | None:
    text: str = node.value
    if _UNFIT.search(text):
        what = f"{_shown(text)} contains a character that cannot be stored"
        raise ConfigError(lines.line(node.start_mark.line + 1), what, "Remove it.")
    if getattr(node, "style", None) is not None:  # in quotes, or a block
        return text
    if text in _WORDS:
        return _WORDS[text]
    return int(text) if _WHOLE.fullmatch(text) else text


def _check_tag(node: yaml.Node, lines: Lines) -> None:
    if node.tag != _TAGS[type(node)]:
        what = f"{_shown(node.tag)} is a YAML tag, which Nod does not support"
        raise ConfigError(
            lines.line(node.start_mark.line + 1), what, "Remove it; text that begins with ! needs quotes."
        )


def _shown(text: str) -> str:
    return repr(text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…")
