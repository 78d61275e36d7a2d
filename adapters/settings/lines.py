"""YAML with a memory of where each value stands, so that a mistake can be named by its line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from bot.errors import ConfigError

Place = tuple[str | int, ...]


class Lines:
    """Where each value of a file stands: `where(("routes", 0, "match"))` -> `nod.yaml, line 12`."""

    def __init__(self, path: Path, marks: dict[Place, int]) -> None:
        self._path, self._marks = path, marks

    def where(self, place: Place) -> str:
        """The line of a value, or of the nearest one around it."""
        for length in range(len(place), -1, -1):
            line = self._marks.get(place[:length])
            if line is not None:
                return f"{self._path}, line {line}"
        return str(self._path)


def read_yaml(path: Path) -> tuple[Any, Lines]:
    """The file as plain values, with its lines.

    Raises:
        ConfigError: it cannot be read, is no YAML, or names a key twice (the later one would win silently).
    """
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(str(path), f"cannot be read ({reason})", "Set NOD_CONFIG to your nod.yaml.") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}, line {mark.line + 1}" if mark else str(path)
        problem = getattr(error, "problem", None) or "it cannot be parsed"
        raise ConfigError(where, f"is not YAML ({problem})", "Correct the line.") from None
    marks: dict[Place, int] = {}
    value = _value(node, (), marks, path) if node is not None else {}
    return value, Lines(path, marks)


def _value(node: yaml.Node, place: Place, marks: dict[Place, int], path: Path) -> Any:
    marks[place] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        mapping: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = _scalar(key_node)
            if key in mapping:
                where = f"{path}, line {key_node.start_mark.line + 1}"
                raise ConfigError(where, f"{key!r} is given twice", "Keep one of them.")
            mapping[key] = _value(value_node, (*place, key), marks, path)
            marks[(*place, key)] = key_node.start_mark.line + 1
        return mapping
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, (*place, index), marks, path) for index, item in enumerate(node.value)]
    return _scalar(node)


def _scalar(node: yaml.Node) -> Any:
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_object(node, deep=True)
    finally:
        loader.dispose()
