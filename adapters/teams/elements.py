"""The smallest parts of an Adaptive Card, safe for text that an agent wrote. Pure.

Teams parses Markdown in TextBlock and facts alone; a RichTextBlock shows its runs as they are (adaptive-cards,
"Text features"; msteams-docs, cards-format). So everything said goes into runs. A moment is the exception:
Teams formats dates in TextBlocks only (microsoft/AdaptiveCards issue 6194), so it gets one of its own, into
which nothing else is written.

A title is bold and large, but no heading for screen readers: only a TextBlock has `style: heading` (schema 1.5,
microsoft/AdaptiveCards pull request 5552), and a title holds a tool's name, in which `_` and `*` would format.

Runs keep no blanks and line breaks in a browser, so a call is a block a line, and its blanks do not break.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from adapters.chat.text import cut, seen
from bot.visible import inert
from bot.wording import Moment, Saying, Shown, moment_parts, set_apart

Element = dict[str, Any]
Content = dict[str, Any]

TITLE = 200  #: characters of a title
SENTENCE = 1_100  #: characters of one part of a sentence
BUTTON = 40  #: characters on a button; a phone shows about 20
TOOLTIP = 150  #: characters that a screen reader says for a button
SUMMARY = 300  #: characters of the line in a notification

NBSP = "\u00a0"

#: Where a run has to end, so that no client finds one of its functions or a mention in it: `{{DATE(…)}}` is
#: formatted by some renderers in runs too, and `<at>` is how a mention begins.
_SEAMS = re.compile(r"(?<=\{)(?=\{(?:DATE|TIME)\()|(?<=<)(?=/?at>)", re.IGNORECASE)
_BLANKS = re.compile(r"^ +| {2,}")


def runs(text: str, **style: Any) -> list[Element]:
    """The text in runs that nothing is found in; joined they are the text."""
    return [{"type": "TextRun", "text": piece, **style} for piece in _SEAMS.split(text) if piece]


def words(text: str, *, most: int = SENTENCE, spacing: str | None = None, **style: Any) -> Element:
    """One line of words as they are."""
    said = " ".join(cut(seen(text).strip(), most).split()) or "-"
    block: Element = {"type": "RichTextBlock", "inlines": runs(said, **style)}
    return {**block, "spacing": spacing} if spacing else block


def small(text: str, *, most: int = SENTENCE, spacing: str = "Small") -> Element:
    """One line of small print."""
    return words(text, most=most, spacing=spacing, size="Small", isSubtle=True)


def heading(text: str) -> Element:
    """The first line of a card."""
    return words(text, most=TITLE, size="Large", weight="Bolder")


def moment(part: datetime | Moment) -> Element:
    """A moment in the reader's own time zone; no word of anybody's is in it.

    TIME() has no seconds; they are the same in every zone, so they follow it.
    """
    shown = moment_parts(part)
    at = shown.at.astimezone(UTC)
    stamp = at.strftime("%Y-%m-%dT%H:%M:%SZ")
    day = f"{{{{DATE({stamp}, SHORT)}}}} " if shown.shown is Shown.DATE else ""
    second = f" and {at.second} s" if shown.shown is Shown.SECOND and at.second else ""
    return {
        "type": "TextBlock",
        "text": f"{day}{{{{TIME({stamp})}}}}{second}",
        "size": "Small",
        "isSubtle": True,
        "spacing": "None",
        "wrap": True,
    }


def sentence(saying: Saying, most: int = SENTENCE) -> list[Element]:
    """A sentence: words as they are, moments in the reader's zone, side by side."""
    parts = [part for part in set_apart(saying) if not isinstance(part, str) or part.strip()]
    if all(isinstance(part, str) for part in parts):
        return [small("".join(str(part) for part in parts), most=most)] if parts else []
    columns = [
        {
            "type": "Column",
            # The last words take what room is left, so that they wrap there.
            "width": "stretch" if number == len(parts) - 1 and isinstance(part, str) else "auto",
            "spacing": "Small",
            "items": [small(part, most=most, spacing="None") if isinstance(part, str) else moment(part)],
        }
        for number, part in enumerate(parts)
    ]
    return [{"type": "ColumnSet", "spacing": "Small", "columns": columns}]


def sentences(sayings: Iterable[Saying], most: int = SENTENCE) -> list[Element]:
    """Sentences, one below the other."""
    return [element for saying in sayings for element in sentence(saying, most)]


#: A moment in a notification, which is formatted for nobody.
_SPOKEN = {Shown.SECOND: "%H:%M:%S UTC", Shown.MINUTE: "%H:%M UTC", Shown.DATE: "%Y-%m-%d %H:%M UTC"}


def spoken(saying: Saying, most: int = SUMMARY) -> str:
    """A sentence as the line of a notification: no word of it formats, links or pings."""
    text = " ".join("".join(map(_spoken, saying)).split())
    return cut(text, most) or "-"


def _spoken(part: str | datetime | Moment) -> str:
    if isinstance(part, str):
        return inert(seen(part))
    shown = moment_parts(part)
    return shown.at.astimezone(UTC).strftime(_SPOKEN[shown.shown])


def mono(text: str) -> list[Element]:
    """Text as the agent wrote it, a block a line, in the font and with the blanks that keep it in columns."""
    style = {"fontType": "Monospace", "size": "Small"}
    return [
        {"type": "RichTextBlock", "spacing": "None", "inlines": runs(_kept(line), **style)}
        for line in text.split("\n")
    ]


#: Characters of a name in a mention.
NAME = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Mentioned:
    """A person that a message pings, by `29:` id or Entra object id (cards-format, mentions)."""

    id: str
    name: str


def pinging(pinged: Sequence[Mentioned]) -> tuple[list[Element], list[Element]]:
    """The text that pings these people, and the entities that belong to it."""
    named = [(one.id, plain_name(one.name, number)) for number, one in enumerate(pinged, 1)]
    marks = " ".join(f"<at>{name}</at>" for _, name in named)
    ping: list[Element] = [{"type": "TextBlock", "text": marks, "wrap": True}] if marks else []
    entities = [
        {"type": "mention", "text": f"<at>{name}</at>", "mentioned": {"id": id_, "name": name}}
        for id_, name in named
    ]
    return ping, entities


def plain_name(name: str, number: int) -> str:
    """A name of letters, digits, blanks and points alone; where nothing is left of it, a number."""
    kept = "".join(
        char if unicodedata.category(char)[0] in "LNM" or char in " .'" else " " for char in seen(name)
    )
    return " ".join(kept.split())[:NAME].strip(" .'") or f"Person {number}"


def framed(elements: Sequence[Element]) -> Element:
    """A call, set apart from what Nod says about it."""
    return {"type": "Container", "style": "emphasis", "items": list(elements)}


def content(body: Sequence[Element], actions: Sequence[Element] = (), **root: Any) -> Content:
    """A whole card, version 1.5, whose clients know Action.Execute (universal-action-model)."""
    made: Content = {"type": "AdaptiveCard", "version": "1.5", "body": list(body), **root}
    return {**made, "actions": list(actions)} if actions else made


def size_of(made: Any) -> int:
    """How many bytes it has on its way: the SDK escapes all that is not ASCII."""
    return len(json.dumps(made))


def _kept(line: str) -> str:
    spaced = line.replace("\t", "    ")
    return _BLANKS.sub(lambda found: NBSP * len(found[0]), spaced) or NBSP
