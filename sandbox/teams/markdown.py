"""The Markdown that Teams reads in a TextBlock and in facts, so that a page can show what a text would become.

Source: msteams-docs, cards-format (Markdown in TextBlock, Fact.Title and Fact.Value): bold, italic, lists and
links; `<at>` for people. Addresses become links in some clients, so they do here.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from sandbox.teams.card_parts import parsed_texts

_SPAN = re.compile(
    r"\\(?P<escaped>[\\`*_{}\[\]()#+\-.!<>])"
    r"|<at>(?P<at>[^<\n]*)</at>"
    r"|\[(?P<name>[^\]\n]+)\]\((?P<target>[^)\s]+)\)"
    r"|\*\*(?P<bold>\S(?:.*?\S)?)\*\*|__(?P<bold2>\S(?:.*?\S)?)__"
    r"|\*(?P<italic>[^\s*](?:[^*]*[^\s*])?)\*|(?<!\w)_(?P<italic2>[^\s_](?:[^_]*[^\s_])?)_(?!\w)"
    r"|(?P<address>https?://[^\s<>()]+)"
)
_BULLET = re.compile(r"^\s*(?:[-*+])\s+(?=\S)")
_NUMBER = re.compile(r"^\s*\d{1,9}[.)]\s+(?=\S)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A stretch of text in one look."""

    text: str
    bold: bool = False
    italic: bool = False
    link: str | None = None
    at: bool = False  #: someone is mentioned


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line: `kind` is line, bullet or number."""

    kind: str
    runs: tuple[Run, ...]

    @property
    def plain(self) -> bool:
        """It looks exactly as it was written."""
        return self.kind == "line" and all(run == Run(text=run.text) for run in self.runs)


def _runs(text: str, look: Run, people: Collection[str]) -> Iterator[Run]:
    """The runs of a text inside a run that looks like `look`."""
    end = 0
    for found in _SPAN.finditer(text):
        if found.group("at") is not None and found.group(0) not in people:
            continue
        if found.start() > end:
            yield replace(look, text=text[end : found.start()])
        end = found.end()
        part = found.groupdict()
        if part["escaped"] is not None:
            yield replace(look, text=part["escaped"])
        elif part["at"] is not None:
            yield replace(look, text=part["at"], at=True)
        elif part["target"] is not None:
            yield from _runs(part["name"], replace(look, link=part["target"]), people)
        elif part["address"] is not None:
            yield replace(look, text=part["address"], link=part["address"])
        elif bold := part["bold"] or part["bold2"]:
            yield from _runs(bold, replace(look, bold=True), people)
        else:
            inner = part["italic"] or part["italic2"] or ""
            yield from _runs(inner, replace(look, italic=True), people)
    if end < len(text):
        yield replace(look, text=text[end:])


def lines(text: str, people: Collection[str] = ()) -> tuple[Line, ...]:
    """A text as Teams shows it; `people` are the `<at>…</at>` texts that mean a person."""
    shown = []
    for line in re.split(r"\r\n|\r|\n", text):
        bullet, number = _BULLET.match(line), _NUMBER.match(line)
        mark = bullet or number
        kind = "bullet" if bullet else "number" if number else "line"
        rest = line[mark.end() :] if mark else line
        shown.append(Line(kind=kind, runs=tuple(_runs(rest, Run(text=""), people))))
    return tuple(shown)


def to_json(text: str, people: Collection[str] = ()) -> list[dict[str, Any]]:
    """The lines as plain values, for the page."""
    return [asdict(line) for line in lines(text, people)]


def people_in(card: Mapping[str, Any]) -> frozenset[str]:
    """The `<at>…</at>` texts of a card's mentions."""
    return frozenset(entity["text"] for entity in card.get("msteams", {}).get("entities", ()))


def formatted(card: Mapping[str, Any]) -> list[str]:
    """The texts of a card that Teams would show in another way than they are written."""
    return [text for text in parsed_texts(card) if not all(line.plain for line in lines(text))]
