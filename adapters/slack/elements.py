"""The smallest parts of a Slack message, each with its limit, safe for text that an agent wrote. Pure.

Only two elements are parsed by Slack here: a moment (`<!date…>`) and a mention (`<@U…>`), and neither holds
text of anybody else. Everything said goes into `plain_text` and every argument into `rich_text_preformatted`,
which Slack shows as they are. Limits: docs.slack.dev/reference/block-kit, one name each.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from bot.card import Saying

Element = dict[str, Any]
Block = dict[str, Any]

HEADER = 150  #: characters of a header
SECTION = 3_000  #: characters of a section's text
CONTEXT_ELEMENT = 2_000  #: characters of one element of a context
CONTEXT_ELEMENTS = 10  #: elements of a context
PREFORMATTED = 2_900  #: characters of one preformatted element; brief margin below a section's 3,000
BUTTON_TEXT = 75  #: characters on a button
ACCESSIBILITY_LABEL = 75  #: characters that a screen reader says for a button

#: Stands for a call of nothing but blanks, which Slack would not show.
BLANK = "(nothing but blanks)"

#: Unicode categories that change how text looks without being seen themselves (Trojan Source, CVE-2021-42574),
#: and those that no JSON body may carry alone (Cs).
_UNSEEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
#: Blank letters that are no spaces by category: Hangul fillers and the empty Braille cell.
_BLANK = frozenset("\u115f\u1160\u3164\uffa0\u2800")


def visible(text: str) -> str:
    """The text with each character that cannot be seen spelled out, `\\u{202E}`; nothing is left out."""
    return "".join(_spelled(char) for char in text)


def cut(text: str, most: int) -> str:
    """At most `most` characters, with a mark where something is missing."""
    return text if len(text) <= most else text[: most - 1] + "…"


def escape(text: str) -> str:
    """For the one place where Slack parses our words, the fallback text: the three characters of its markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def plain(text: str, most: int) -> Element:
    """A plain_text object of at most `most` characters; `:names:` stay words."""
    return {"type": "plain_text", "text": cut(visible(text).strip(), most) or "-", "emoji": False}


def moment(at: datetime) -> Element:
    """A moment in the reader's own time zone."""
    return {"type": "mrkdwn", "text": date_mark(at), "verbatim": True}


def date_mark(at: datetime) -> str:
    """Slack's date markup, with UTC for clients that do not know it (docs.slack.dev, formatting)."""
    fallback = at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"<!date^{int(at.timestamp())}^{{date_short_pretty}} at {{time}}|{fallback}>"


def said(saying: Saying, most: int = CONTEXT_ELEMENT) -> list[Element]:
    """A sentence as elements of a context: words as they are, moments in the reader's zone."""
    parts = (moment(part) if isinstance(part, datetime) else plain(part, most) for part in saying if part)
    return list(parts)


def spoken(saying: Saying, most: int) -> str:
    """A sentence as fallback text, for notifications and screen readers; every word is escaped."""
    parts = [date_mark(p) if isinstance(p, datetime) else escape(cut(visible(p), most)) for p in saying]
    return "".join(parts) or "-"


def contexts(sentences: Iterable[Sequence[Element]]) -> list[Block]:
    """Sentences in as few small-print lines as their elements fit into, a dot between two."""
    blocks: list[Block] = []
    for sentence in sentences:
        if not sentence:
            continue
        line = blocks[-1]["elements"] if blocks else []
        dotted = [*line, plain("·", 1), *sentence]
        if blocks and len(dotted) <= CONTEXT_ELEMENTS:
            blocks[-1] = {"type": "context", "elements": dotted}
        else:
            blocks.append({"type": "context", "elements": list(sentence[:CONTEXT_ELEMENTS])})
    return blocks


def preformatted(text: str) -> Block:
    """Text as the agent wrote it, in as many preformatted pieces as its length asks for."""
    pieces = [_preformatted(piece) for piece in pieces_of(text)]
    return {"type": "rich_text", "elements": pieces}


def pieces_of(text: str) -> list[str]:
    """The text in pieces of at most PREFORMATTED characters, split at line breaks where there are any.

    Joined they are the text again, but for the line breaks at which it was split.
    """
    pieces = []
    while len(text) > PREFORMATTED:
        at = text.rfind("\n", 1, PREFORMATTED + 1)
        pieces.append(text[: at if at > 0 else PREFORMATTED])
        text = text[at + 1 if at > 0 else PREFORMATTED :]
    return [piece for piece in (*pieces, text) if piece]


def _preformatted(text: str) -> Element:
    return {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": text}]}


def _spelled(char: str) -> str:
    if char in "\n\t" or (char.isascii() and char.isprintable()):
        return char
    hidden = unicodedata.category(char) in _UNSEEN or char in _BLANK
    odd_space = unicodedata.category(char) == "Zs"
    return f"\\u{{{ord(char):04X}}}" if hidden or odd_space else char
