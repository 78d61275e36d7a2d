"""`TerminalPrompt`: asks the person at the terminal, as `bot.callbacks.Prompt`."""

from __future__ import annotations

import asyncio
import getpass
import json
import os
from datetime import datetime

from rich.console import Group

from adapters.terminal.keys import Keys
from adapters.terminal.screen import Screen, at_a_terminal, page
from adapters.terminal.sheet import Sheet
from bot.ports import Clock, utc_now
from bot.protocol import HITLDecision, HITLRequest, HITLResponse
from bot.redaction import Redaction

#: Seconds between two pictures: a countdown that looks alive.
TICK = 0.2


def operator() -> str:
    """Who sits there; a container's user may have no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def response_of(verdict: HITLDecision, *, note: str, where: str = "at the terminal") -> HITLResponse:
    """The answer with who gave it, since the platform has no field for that, and the note.

    It is quoted so that it cannot end its own quotation, as on a card (`bot.approval.Decision.response`).
    """
    said = f"{verdict.value} by {operator()} {where}"
    if note:
        said += f". Note from the approver: {json.dumps(note, ensure_ascii=False)}"
    return HITLResponse(decision=verdict, operator_input=said)


class TerminalPrompt:
    """One call at a time, whole, with its countdown; y, n and s answer it, with the note that e opened.

    q and the deadline answer nothing.
    """

    def __init__(self, *, redaction: Redaction | None = None, clock: Clock = utc_now) -> None:
        """`redaction` adds names and shapes of the operator's own secrets."""
        self._redaction, self._clock = redaction or Redaction(), clock
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._interrupted = False  #: the deadline came while they were writing a note

    @property
    def attached(self) -> bool:
        """Whether there is a terminal to ask at."""
        return at_a_terminal()

    async def ask(self, request: HITLRequest, *, deadline: datetime) -> HITLResponse | None:
        """Their answer; None after q, a closed terminal or the deadline."""
        self._waiting += 1
        try:
            async with self._turn, Keys() as keys:
                return await self._asked(request, deadline, keys)
        finally:
            self._waiting -= 1

    async def _asked(self, request: HITLRequest, deadline: datetime, keys: Keys) -> HITLResponse | None:
        sheet = Sheet(
            request,
            redaction=self._redaction,
            shown_at=self._clock(),
            deadline=deadline,
            interrupted=self._interrupted,
        )

        def picture(width: int, height: int) -> Group:
            now, others = self._clock(), self._waiting - 1
            return page(sheet, now=now, width=width, height=height, others=others, said=None)

        with Screen() as screen:
            while self._clock() < deadline:
                screen.draw(picture)
                key = await keys.next(TICK)
                if key == "end" or (key in ("q", "Q") and not sheet.writing):
                    return None
                verdict = sheet.press(key or "", now=self._clock())
                self._interrupted = sheet.writing
                if verdict is not None:
                    return response_of(verdict, note=sheet.note)
        return None
