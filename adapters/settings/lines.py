"""YAML with a memory of where each value stands, so that a mistake can be named by its line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from bot.errors import ConfigError

#: Settings are nested five deep at most.
DEEPEST = 12

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
    except RecursionError:
        raise ConfigError(str(path), "is nested too deep", "Write it flat.") from None
    marks: dict[Place, int] = {}
    value = _value(node, (), marks, path) if node is not None else {}
    return value, Lines(path, marks)


def _value(node: yaml.Node, place: Place, marks: dict[Place, int], path: Path) -> Any:
    if len(place) > DEEPEST:  # an alias inside its own anchor goes on for ever
        raise ConfigError(_line(node, path), "is nested too deep", "Write it flat, without aliases.")
    marks[place] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        mapping: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = _scalar(key_node, path)
            if not isinstance(key, str):
                raise ConfigError(_line(key_node, path), f"{key!r} is no name for a setting", "Quote it.")
            if key in mapping:
                raise ConfigError(_line(key_node, path), f"{key!r} is given twice", "Keep one of them.")
            mapping[key] = _value(value_node, (*place, key), marks, path)
            marks[(*place, key)] = key_node.start_mark.line + 1
        return mapping
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, (*place, index), marks, path) for index, item in enumerate(node.value)]
    return _scalar(node, path)


def _line(node: yaml.Node, path: Path) -> str:
    return f"{path}, line {node.start_mark.line + 1}"


def _scalar(node: yaml.Node, path: Path) -> Any:
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_object(node, deep=True)
    except (yaml.YAMLError, ValueError, OverflowError):
        what = f"{node.value!r} cannot be read" if isinstance(node.value, str) else "this is no plain value"
        raise ConfigError(_line(node, path), what, "Write a plain value, in quotes if need be.") from None
    finally:
        loader.dispose()
