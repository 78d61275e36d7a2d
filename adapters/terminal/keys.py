"""Keys as they are pressed, without Enter (termios, cbreak mode); the terminal's own settings come back."""

from __future__ import annotations

import asyncio
import codecs
import os
import re
import signal
import sys
import termios
import tty
from contextlib import suppress
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
#: Keys that turn pages and do nothing else: where several come at once, one of them is held.
_PAGING = re.compile("[ b]|\x1b[O\\[][ABCD]")
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
        self._resumes = False  #: told when the process goes on after Ctrl-Z

    async def __aenter__(self) -> Self:
        """From now on keys come one by one, and are not echoed."""
        self._fd = sys.stdin.fileno()
        self._was = termios.tcgetattr(self._fd)
        self._set()
        loop = asyncio.get_running_loop()
        loop.add_reader(self._fd, self._read)
        if signal.getsignal(signal.SIGCONT) is signal.SIG_DFL:  # a program's own handler stays
            with suppress(RuntimeError, ValueError):  # signals are the main thread's
                loop.add_signal_handler(signal.SIGCONT, self._set)
                self._resumes = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """The terminal as it was; keys that nobody asked for are gone."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._fd)
        if self._resumes:
            loop.remove_signal_handler(signal.SIGCONT)
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

    def _set(self) -> None:
        """Also when the process was stopped: a shell has set the terminal for itself meanwhile."""
        tty.setcbreak(self._fd)
        _write(_MARKED)

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
                for key in _keys_in(before):
                    self._pressed.put_nowait(key)
                self._paste = "" if begun else None
            else:
                pasted, ended, text = (self._paste + text).partition(_END)
                if ended:
                    self._pressed.put_nowait(PASTED + pasted)
                    self._paste = None
                else:  # its last characters may be the beginning of the mark
                    cut = len(pasted) - len(_END)
                    self._paste, text = pasted[: min(cut, _LONGEST_PASTE)] + pasted[cut:], ""


def _keys_in(text: str) -> list[str]:
    held = _PAGING.findall(text)
    if "".join(held) == text:
        return [_ARROWS.get(key, key) for key in held]
    if len(text) == 1 or text.startswith("\x1b"):  # another key's sequence means nothing
        return [text]
    return [PASTED + text]


def _write(sequence: bytes) -> None:
    os.write(sys.stdout.fileno(), sequence)
