"""The text of a call, as a surface shows it, read back to the call: what can be read back cannot merge.

It knows the notation and none of the code that writes it. What was redacted comes back as so many characters
of any kind.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from bot.protocol import Json

Step = str | int
#: Pieces of a text: what it says, and how many characters are hidden between.
Text = tuple[str | int, ...]

_KEY = re.compile(r'\(tool\)|\(agent\)|(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|\[[0-9]+\]|\.)+')
_STEP = re.compile(r'\.?(?:(?P<plain>[A-Za-z0-9_-]+)|(?P<quoted>"(?:[^"\\]|\\.)*")|\[(?P<index>[0-9]+)\])')
_NUMBERED = re.compile(r"‹([0-9]+)›")
_HIDDEN = re.compile(r"‹redacted ([0-9]+) chars?(?: of text)?›")
_VALUE = re.compile(r"true|false|null|\{\}|\[\]|NaN|-?Infinity|-?[0-9].*")
#: A number with a leading zero is none in JSON, and looks like one.
_LIKE = re.compile(r"true|false|null|NaN|-?Infinity|\{ ?\}|\[ ?\]|-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")


@dataclass(frozen=True)
class Leaf:
    """One line of a call: the path of its value, and the value."""

    path: tuple[tuple[Text, Step | None], ...]  #: keys as texts, indexes as numbers
    value: Text | Json
    kind: str  #: `text` or `value`


def entries(shown: str) -> list[tuple[str, str]]:
    """The lines of a call: each key, and its value with its own line breaks."""
    found: list[tuple[str, list[str]]] = []
    indent = 0
    for line in shown.split("\n"):
        if not line.startswith(" "):
            match = _KEY.match(line)
            assert match, line
            rest = line[match.end() :]
            assert not rest or rest.startswith("  "), line
            found.append((match[0], [rest.lstrip(" ")] if rest else []))
            indent = 4
        elif (
            found and (found[-1][0] or indent != 4) and line.startswith(" " * indent) and not _ended(found[-1])
        ):
            found[-1][1].append(line[indent:])
        else:  # the whole call is one value, which has no key
            assert not found or found[-1][0].startswith("("), line
            indent = len(line) - len(line.lstrip(" "))
            found.append(("", [line[indent:]]))
    return [(key, "\n".join(lines)) for key, lines in found]


def _ended(entry: tuple[str, list[str]]) -> bool:
    """A name is on one line, and so is everything beside its key."""
    return entry[0].startswith("(") and bool(entry[1])


def leaf_of(key: str, shown: str) -> Leaf:
    """What one line says."""
    if shown.startswith('"') and (quoted := _in_quotes(shown)) is not None:
        return Leaf(path_of(key), (quoted,), "text")
    if _VALUE.fullmatch(shown):
        try:
            return Leaf(path_of(key), json.loads(shown), "value")
        except ValueError:
            pass
    return Leaf(path_of(key), text_of(shown), "text")


def _in_quotes(shown: str) -> str | None:
    """A text in quotes; None for one that begins with a quote of its own."""
    try:
        text = json.loads(shown)
    except ValueError:
        return None
    if json.dumps(text) != shown:
        return None
    return text if not text or _LIKE.fullmatch(text) or _in_quotes(text) is not None else None


def path_of(key: str) -> tuple[tuple[Text, Step | None], ...]:
    """The steps to a leaf."""
    steps: list[tuple[Text, Step | None]] = []
    at = 0
    while at < len(key):
        match = _STEP.match(key, at)
        assert match, key
        if match["index"] is not None:
            steps.append(((), int(match["index"])))
        elif match["plain"] is not None:
            steps.append(((match["plain"],), None))
        else:
            steps.append((text_of(match["quoted"], in_quotes=True), None))
        at = match.end()
    return tuple(steps)


def text_of(shown: str, *, in_quotes: bool = False) -> Text:
    """What a text says, with the number of characters for what is hidden in it."""
    if in_quotes:
        shown = _NUMBERED.sub("", shown)
    text = re.sub(r"(\A|\n)‹([0-9]+) blank lines?›(\n|\Z)", lambda m: "\n" * (int(m[2]) + 1), shown)
    text = re.sub(r"‹([0-9]+) spaces?›", lambda m: " " * int(m[1]), text)
    text = re.sub(r"‹([0-9]+) line breaks›", lambda m: "\n" * int(m[1]), text)
    text = re.sub(r"‹([0-9]+) times (\\u\{[0-9A-F]+\})›", lambda m: m[2] * int(m[1]), text)
    text = text.replace("⏎", "\n").replace("⇥", "\t")
    text = re.sub(r"\\u\{([0-9A-F]+)\}", lambda m: chr(int(m[1], 16)), text)
    if in_quotes:
        # Marks hold nothing that JSON would escape.
        text = json.loads(text, strict=False)
    return unarmoured(text)


def unarmoured(text: str, *, key: bool = False) -> Text:
    """A text with marks of ours in it, in pieces; the export has it so."""
    if key:
        text = _NUMBERED.sub("", text)
    pieces = _HIDDEN.split(text)
    armoured = [re.sub("‹\u200b(?=\u200b*(?:redacted|hidden|[0-9]))", "‹", piece) for piece in pieces[::2]]
    hidden = [int(number) for number in pieces[1::2]]
    return tuple(part for pair in zip(armoured, [*hidden, 0], strict=True) for part in pair)[:-1]


def says(text: Text, original: str) -> bool:
    """Whether a text read back is this one, up to what is hidden in it (where a `‹` counts for two)."""
    if all(isinstance(part, str) for part in text):
        return "".join(map(str, text)) == original
    shape = "".join(
        re.escape(part) if isinstance(part, str) else f"(?s:.{{{part // 2},{part}}})" for part in text
    )
    return re.fullmatch(shape, original) is not None


def same(leaf: Leaf, path: tuple[Step, ...], value: Json) -> bool:
    """Whether a line shows this leaf of a call."""
    if len(leaf.path) != len(path):
        return False
    for (key, index), step in zip(leaf.path, path, strict=True):
        if isinstance(step, int):
            if index != step or type(index) is not int:
                return False
        elif index is not None or not says(key, step):
            return False
    if leaf.kind == "value":
        return type(leaf.value) is type(value) and repr(leaf.value) == repr(value)
    assert isinstance(leaf.value, tuple)
    if isinstance(value, str):
        return says(leaf.value, value)
    # A number can be a secret as a whole.
    return (
        type(value) in (int, float)
        and any(isinstance(part, int) for part in leaf.value)
        and says(leaf.value, repr(value))
    )


def leaves_of(value: Json, path: tuple[Step, ...] = ()) -> list[tuple[tuple[Step, ...], Json]]:
    """Each leaf of a call with its path, in order."""
    if isinstance(value, dict) and value:
        return [leaf for key, inner in value.items() for leaf in leaves_of(inner, (*path, key))]
    if isinstance(value, list) and value:
        return [leaf for place, inner in enumerate(value) for leaf in leaves_of(inner, (*path, place))]
    return [(path, value)]


def shows_all(shown: str, arguments: Json) -> bool:
    """Whether a text shows exactly the leaves of a call, in order, each under a key of its own."""
    read = [(key, leaf_of(key, value)) for key, value in entries(shown)]
    leaves = leaves_of(arguments)
    keys = [key for key, _ in read]
    return len(set(keys)) == len(keys) == len(leaves) and all(
        same(leaf, path, value) for (_, leaf), (path, value) in zip(read, leaves, strict=True)
    )
