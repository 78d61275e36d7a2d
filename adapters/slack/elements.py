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

from adapters.chat.paging import GOES_ON
from adapters.chat.text import cut, seen
from bot.visible import inert
from bot.wording import Moment, Saying, Shown, moment_parts, set_apart

Element = dict[str, Any]
Block = dict[str, Any]

HEADER = 150  #: characters of a header
SECTION = 3_000  #: characters of a section's text
CONTEXT_ELEMENT = 2_000  #: characters of one element of a context
CONTEXT_ELEMENTS = 10  #: elements of a context
PREFORMATTED = 2_900  #: characters of one preformatted element; brief margin below a section's 3,000
BUTTON_TEXT = 75  #: characters on a button, and of an option
TITLE = 24  #: characters of a modal's title and of its two buttons
ACCESSIBILITY_LABEL = 75  #: characters that a screen reader says for a button


def escape(text: str) -> str:
    """For the one place where Slack parses our words, the fallback text: the three characters of its markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def plain(text: str, most: int) -> Element:
    """A plain_text object of at most `most` characters; `:names:` stay words."""
    return {"type": "plain_text", "text": cut(seen(text).strip(), most) or "-", "emoji": False}


#: How Slack writes a moment, and what clients show that do not know its markup (docs.slack.dev,
#: formatting).
_FORMATS = {
    Shown.SECOND: ("{time_secs}", "%H:%M:%S UTC"),
    Shown.MINUTE: ("{time}", "%H:%M UTC"),
    Shown.DATE: ("{date_short_pretty} at {time}", "%Y-%m-%d %H:%M UTC"),
}


def moment(at: datetime | Moment) -> Element:
    """A moment in the reader's own time zone."""
    return {"type": "mrkdwn", "text": date_mark(at), "verbatim": True}


def date_mark(part: datetime | Moment) -> str:
    """Slack's date markup."""
    moment = moment_parts(part)
    shown, fallback = _FORMATS[moment.shown]
    return f"<!date^{int(moment.at.timestamp())}^{shown}|{moment.at.astimezone(UTC).strftime(fallback)}>"


def said(saying: Saying, most: int = CONTEXT_ELEMENT) -> list[Element]:
    """A sentence as elements of a context: words as they are, moments in the reader's zone."""
    return [plain(part, most) if isinstance(part, str) else moment(part) for part in set_apart(saying)]


def spoken(saying: Saying, most: int) -> str:
    """A sentence as fallback text, for notifications and screen readers; no word formats, links or pings."""
    parts = [escape(cut(inert(seen(p)), most)) if isinstance(p, str) else date_mark(p) for p in saying]
    return "".join(parts) or "-"


def bold(text: str, most: int) -> Block:
    """Words of ours or the operator's that stand out; nothing in them is parsed."""
    run = {"type": "text", "text": cut(seen(text).strip(), most) or "-", "style": {"bold": True}}
    return {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [run]}]}


def pinging(accounts: Sequence[str], most: int) -> list[Block]:
    """The mentions that ping these accounts."""
    mentions = " ".join(f"<@{escape(account)}>" for account in accounts[:most])
    text = {"type": "mrkdwn", "text": mentions, "verbatim": True}
    return [{"type": "section", "text": text}] if mentions else []


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
    return {"type": "rich_text", "elements": [_preformatted(piece) for piece in marked(pieces_of(text))]}


def piece_blocks(pieces: Sequence[str], *, before: str = "") -> list[Block]:
    """Pieces of a longer text as blocks of their own; `before` is the piece in front of them."""
    shown = marked([before, *pieces])[1:] if before else marked(pieces)
    return [{"type": "rich_text", "elements": [_preformatted(piece)]} for piece in shown]


def marked(pieces: Sequence[str]) -> list[str]:
    """The pieces, a mark in front of each that goes on in the middle of a line.

    No line of a call begins with that mark: a key does, or a space.
    """
    former = ["\n", *pieces]
    return [
        piece if before.endswith("\n") else GOES_ON + piece
        for before, piece in zip(former, pieces, strict=False)
    ]


def pieces_of(text: str) -> list[str]:
    """The text in pieces of at most PREFORMATTED characters, each up to a line's end where there is one.

    Joined they are the text again. A mark stays with the letter that it sits on.
    """
    pieces, start = [], 0
    while start < len(text):
        end = _end_of_piece(text, start)
        pieces.append(text[start:end])
        start = end
    return pieces


def _end_of_piece(text: str, start: int) -> int:
    end = start + PREFORMATTED
    if end >= len(text):
        return len(text)
    line = text.rfind("\n", start, end) + 1
    if line > start:
        return line
    # The core leaves few marks on a letter (bot.visible.MOST_MARKS), so this takes few steps.
    while end > start + PREFORMATTED // 2 and unicodedata.category(text[end])[0] == "M":
        end -= 1
    return end


def _preformatted(text: str) -> Element:
    return {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": text}]}
