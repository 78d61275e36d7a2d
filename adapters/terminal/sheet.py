"""One call on a terminal: page by page, and Approve only once all of it was shown. Pure.

The text is that of `bot.call`: redacted, and what hides is spelled out. What was shown is counted in characters
of that text and not in pages, so a terminal that changes its size neither hides nor skips a part of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from rich.cells import cell_len

from adapters.terminal.keys import DROP, KEEP, line, typed
from bot.call import HIDES_TEXT, MERGED, Sight, sight_of
from bot.protocol import HITLDecision, HITLRequest
from bot.redaction import Redaction

#: Stand at the left edge, where nothing of the agent's can: a line begins here, or goes on here.
BEGINS, GOES_ON = "  ", "↪ "
#: The narrowest page, in cells: room for one wide character beside the edge.
NARROWEST = len(BEGINS) + 2
#: An answer counts from here on after a call came up: before, the key was meant for the one before it.
SETTLED_AFTER = timedelta(seconds=0.5)

VERDICTS = {"y": HITLDecision.APPROVED, "n": HITLDecision.REJECTED, "s": HITLDecision.SKIPPED}
NOTE = "e"
ONWARD, BACKWARD = frozenset((" ", "right", "down", "\r", "\n")), frozenset(("b", "left", "up"))

NOT_YET = "Read every page before you approve: press space for the next one."
NEVER = "This call cannot be approved: {why} Reject or skip it."
CUT = "the platform truncated it, so nobody can see all of it."
TWO_WAYS = "it is ambiguous."
CURTAIN = "a redacted part looks like ordinary text."
TOGETHER = "some parts of it look alike when shown."
TOO_SOON = "You pressed a key just as this call appeared. Press it again."
OVER = "This request has expired."
AFTER_NOTE = "You pressed a key just after the note. Press it again."
INTERRUPTED = "This is a different call. Your note was discarded. Press Enter to continue."


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What the screen shows: its rows, and which part of the text they are."""

    rows: tuple[str, ...]
    start: int
    end: int


def cut(text: str, *, start: int, width: int, height: int) -> Page:
    """As much of `text` from `start` on as fits in so many rows of so many cells. Pages joined are the text."""
    room = max(width, NARROWEST) - len(BEGINS)
    rows: list[str] = []
    at = start
    while len(rows) < max(height, 1) and at < len(text):
        stop = text.find("\n", at)
        stop = len(text) if stop < 0 else stop
        piece = _fitting(text[at:stop], room)
        begins = at == 0 or text[at - 1] == "\n"
        rows.append((BEGINS if begins else GOES_ON) + piece)
        at += len(piece)
        if at == stop < len(text):
            at += 1
    return Page(rows=tuple(rows), start=start, end=at)


def _fitting(line: str, room: int) -> str:
    """The longest beginning of a line that takes no more than `room` cells; at least one character."""
    used = 0
    for number, char in enumerate(line):
        used += cell_len(char)
        if used > room and number:
            return line[:number]
    return line


class Sheet:
    """A look at one request: which part is on the screen, what was shown, and which key counts."""

    def __init__(
        self,
        request: HITLRequest,
        *,
        redaction: Redaction,
        shown_at: datetime,
        deadline: datetime,
        interrupted: bool = False,
        note: str = "",
    ) -> None:
        """Its first page comes up at `shown_at`, with a `note` that was written to this same call before.

        `interrupted` when the person was writing about another call: their keys are ignored until Enter or Esc.
        """
        self.request, self.deadline = request, deadline
        sight = sight_of(request, redaction=redaction)
        self.text, self.warnings = sight.text, sight.warnings
        self.said: str | None = None  #: what the last key came to, for the person
        self.note = note  #: goes along with the answer, and with no other call's
        self._writing: str | None = None  #: the note as far as it is typed
        self.interrupted = interrupted
        self._noted_at: datetime | None = None
        self._flaw = _flaw(request, sight)
        self._shown_at = shown_at
        self._starts = [0]
        self._seen = 0
        self._page = Page(rows=(), start=0, end=0)

    @property
    def whole(self) -> bool:
        """Every character of the call was on the screen."""
        return self._seen >= len(self.text)

    @property
    def share(self) -> int:
        """How much of the call was shown, in per cent."""
        return 100 if self.whole else 100 * self._seen // len(self.text)

    @property
    def writing(self) -> bool:
        """Every key is a letter now, until Enter or Esc."""
        return self._writing is not None or self.interrupted

    def note_line(self, width: int) -> str:
        """The note as it is, on a row of so many cells; empty where there is none."""
        if self.interrupted:
            return INTERRUPTED
        if self._writing is not None:
            return line(self._writing, width=width, writing=True)
        return line(self.note, width=width, writing=False) if self.note else ""

    def show(self, *, width: int, height: int) -> Page:
        """The page for a screen of this size; from now on it counts as shown."""
        self._page = cut(self.text, start=self._starts[-1], width=width, height=height)
        self._seen = max(self._seen, self._page.end)
        return self._page

    def press(self, key: str, *, now: datetime) -> HITLDecision | None:
        """The answer that a key gives; None when it gives none, and `said` tells why."""
        self.said = None
        if self.writing:
            self._write(key, now)
            return None
        key = key.lower()  # Caps Lock is on
        if key == NOTE:
            self._writing = self.note
        if key in ONWARD and self._page.end < len(self.text):
            self._starts.append(self._page.end)
        elif key in BACKWARD and len(self._starts) > 1:
            self._starts.pop()
        verdict = VERDICTS.get(key)
        if verdict is None:
            return None
        self.said = self._objection(verdict, now)
        return None if self.said else verdict

    def _write(self, key: str, now: datetime) -> None:
        if key in KEEP or key == DROP:
            kept = self.note if self._writing is None else self._writing.strip()
            self.note = kept if key in KEEP else ""
            self._writing, self.interrupted, self._noted_at = None, False, now
        elif self._writing is not None:
            self._writing = typed(self._writing, key)

    def _objection(self, verdict: HITLDecision, now: datetime) -> str | None:
        if now < self._shown_at + SETTLED_AFTER:
            return TOO_SOON
        if self._noted_at is not None and now < self._noted_at + SETTLED_AFTER:
            return AFTER_NOTE  # a paste may end its own note, and go on
        if now >= self.deadline:
            return OVER
        if verdict is HITLDecision.APPROVED and self._flaw:
            return NEVER.format(why=self._flaw)
        return NOT_YET if verdict is HITLDecision.APPROVED and not self.whole else None


def _flaw(request: HITLRequest, sight: Sight) -> str | None:
    """Why nobody may approve this call here, as on a card; None when one may."""
    if not request.whole:
        return CUT
    if request.flaw is not None:
        return TWO_WAYS
    return {HIDES_TEXT: CURTAIN, MERGED: TOGETHER}.get(sight.never or "")
