"""Keys as they are pressed, without Enter (termios, cbreak mode); the terminal's own settings come back."""

from __future__ import annotations

import asyncio
import os
import sys
import termios
import tty
from typing import TYPE_CHECKING, Any, Self

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


def at_a_terminal() -> bool:
    """Whether somebody sits there: keys come from a terminal, and what is written goes to one."""
    return sys.stdin.isatty() and sys.stdout.isatty()


class Keys:
    """`async with Keys() as keys: await keys.next(0.2)`. Ctrl-C stays a signal."""

    def __init__(self) -> None:
        """Changes nothing yet."""
        self._fd = -1
        self._was: list[Any] = []
        self._pressed: asyncio.Queue[str] = asyncio.Queue()

    async def __aenter__(self) -> Self:
        """From now on keys come one by one, and are not echoed."""
        self._fd = sys.stdin.fileno()
        self._was = termios.tcgetattr(self._fd)
        tty.setcbreak(self._fd)
        asyncio.get_running_loop().add_reader(self._fd, self._read)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """The terminal as it was; keys that nobody asked for are gone."""
        asyncio.get_running_loop().remove_reader(self._fd)
        termios.tcsetattr(self._fd, termios.TCSAFLUSH, self._was)

    async def next(self, within: float) -> str | None:
        """The next key within so many seconds: a character, `up`, `down`, `left`, `right` or `end`; or None."""
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
        text = data.decode("utf-8", "replace")
        # Several characters at once were pasted or typed ahead: they stay one key, which means nothing.
        self._pressed.put_nowait(_ARROWS.get(text, text))
