"""Keys as they are pressed, without Enter, and the note that is typed with them."""

from __future__ import annotations

import asyncio
import codecs
import os
import re
import signal
import sys
import termios
import tty
import unicodedata
from contextlib import suppress
from functools import reduce
from typing import TYPE_CHECKING, Any, Self

from rich.cells import cell_len

from bot.approval import LONGEST_NOTE

if TYPE_CHECKING:
    from types import TracebackType


#: Comes before pasted text, in place of a single key, so that a paste is never taken for a key.
PASTED = "\x1b[200~"
KEEP, DROP = frozenset(("\r", "\n")), "\x1b"
_ERASE, _ERASE_WORD, _ERASE_ALL = frozenset(("\x7f", "\x08")), "\x17", "\x15"

#: Escape sequences (ECMA-48, and what keys send), which a paste may bring along.
_SEQUENCE = re.compile("\x1b(\\[[0-?]*[ -/]*[@-~]|O.)?")
_GAP = re.compile("[\r\n\t\v\f\u0085\u2028\u2029]+")


def typed(note: str, key: str) -> str:
    """The note after a key or a paste; a key that writes nothing changes nothing."""
    if key.startswith(PASTED):
        # On one line. Keys that a slow line brought together come this way too, those that erase among them.
        return reduce(typed, _GAP.sub(" ", _SEQUENCE.sub("", key.removeprefix(PASTED))), note)
    if key in _ERASE:
        return note[:-1]
    if key == _ERASE_WORD:
        return note.rstrip().rpartition(" ")[0]
    if key == _ERASE_ALL:
        return ""
    return (note + key)[:LONGEST_NOTE] if len(key) == 1 and _is_seen(key) else note


def line(note: str, *, width: int, writing: bool) -> str:
    """The note on one row of so many cells, with how much of its room is taken; its end while it is written."""
    head = f"note {len(note)}/{LONGEST_NOTE}: "
    room = max(1, width - len(head) - 2)
    shown = _end(note, room) + "▏" if writing else _beginning(note, room)
    return head + shown


def _is_seen(char: str) -> bool:
    """No control, and nothing that turns or hides text."""
    return not unicodedata.category(char).startswith("C") and char not in "\u2028\u2029"


def _end(text: str, room: int) -> str:
    start = len(text)
    used = 0
    while start and (used := used + cell_len(text[start - 1])) <= room:
        start -= 1
    return ("…" if start else "") + text[start:]


def _beginning(text: str, room: int) -> str:
    used = 0
    for number, char in enumerate(text):
        used += cell_len(char)
        if used > room:
            return text[:number] + "…"
    return text


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
