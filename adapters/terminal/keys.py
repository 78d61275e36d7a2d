"""Keys as they are pressed, without Enter (termios, cbreak mode); the terminal's own settings come back."""

from __future__ import annotations

import asyncio
import codecs
import os
import sys
import termios
import tty
from typing import TYPE_CHECKING, Any, Self

from adapters.terminal.note import PASTED

if TYPE_CHECKING:
    from types import TracebackType

#: What arrow keys send (ECMA-48 cursor keys, normal and application mode).
_ARROWS = {
    f"\x1b{lead}{letter}": name
    for lead in "[O"
    for letter, name in zip("ABCD", ("up", "down", "right", "left"), strict=True)
}
#: Bytes of one read; a key sends a few, and what is longer was pasted.
_AT_ONCE = 1024
#: Bracketed paste: the terminal says where a paste begins and ends (xterm control sequences, mode 2004).
_MARKED, _UNMARKED = b"\x1b[?2004h", b"\x1b[?2004l"
_BEGIN, _END = "\x1b[200~", "\x1b[201~"
#: Characters of a paste that are kept.
_LONGEST_PASTE = 10_000


class Keys:
    """`async with Keys() as keys: await keys.next(0.2)`. Ctrl-C stays a signal."""

    def __init__(self) -> None:
        """Changes nothing yet."""
        self._fd = -1
        self._was: list[Any] = []
        self._pressed: asyncio.Queue[str] = asyncio.Queue()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._paste: str | None = None  #: one that has begun

    async def __aenter__(self) -> Self:
        """From now on keys come one by one, and are not echoed."""
        self._fd = sys.stdin.fileno()
        self._was = termios.tcgetattr(self._fd)
        tty.setcbreak(self._fd)
        _write(_MARKED)
        asyncio.get_running_loop().add_reader(self._fd, self._read)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """The terminal as it was; keys that nobody asked for are gone."""
        asyncio.get_running_loop().remove_reader(self._fd)
        _write(_UNMARKED)
        termios.tcsetattr(self._fd, termios.TCSAFLUSH, self._was)

    async def next(self, within: float) -> str | None:
        """The next key within so many seconds: a character, `up`, `down`, `left`, `right` or `end`; or None.

        Several characters at once were pasted or typed ahead: they stay one key, `PASTED` and what they are.
        """
        try:
            async with asyncio.timeout(within):
                return await self._pressed.get()
        except TimeoutError:
            return None

    def _read(self) -> None:
        try:
            data = os.read(self._fd, _AT_ONCE)
        except OSError:
            data = b""
        if not data:
            asyncio.get_running_loop().remove_reader(self._fd)
            self._pressed.put_nowait("end")
            return
        self._take(self._decoder.decode(data))

    def _take(self, text: str) -> None:
        while text:
            if self._paste is None:
                before, begun, text = text.partition(_BEGIN)
                if before:
                    self._pressed.put_nowait(_named(before))
                self._paste = "" if begun else None
            else:
                pasted, ended, text = (self._paste + text).partition(_END)
                if ended:
                    self._pressed.put_nowait(PASTED + pasted)
                    self._paste = None
                else:  # its last characters may be the beginning of the mark
                    cut = len(pasted) - len(_END)
                    self._paste, text = pasted[: min(cut, _LONGEST_PASTE)] + pasted[cut:], ""


def _named(text: str) -> str:
    if len(text) == 1 or text.startswith("\x1b"):  # another key's sequence means nothing
        return _ARROWS.get(text, text)
    return PASTED + text


def _write(sequence: bytes) -> None:
    os.write(sys.stdout.fileno(), sequence)
