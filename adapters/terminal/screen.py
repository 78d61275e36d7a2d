"""The window of a terminal: whether there is one, how large it is now, and what stands in it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Self

from rich.console import Console, RenderableType
from rich.live import Live

from bot.errors import ConfigError

if TYPE_CHECKING:
    from types import TracebackType

#: Cells and rows of a message where the terminal does not tell its size; a call is not shown there.
UNTOLD = (80, 24)
#: Kinds of terminals on which rich draws nothing.
_DUMB = frozenset(("dumb", "unknown"))
#: Variables of rich that say, with 0, that nothing is to be drawn.
_SWITCHES = ("TTY_COMPATIBLE", "TTY_INTERACTIVE")

#: Given a window's cells and rows, what stands in it.
Picture = Callable[[int, int], RenderableType]


def at_a_terminal() -> bool:
    """Whether somebody sits there: keys come from a terminal, and what is drawn is seen on one."""
    return sys.stdin.isatty() and sys.stdout.isatty() and can_draw(os.environ)


def can_draw(variables: Mapping[str, str]) -> bool:
    """Whether a terminal with these variables of the environment shows what is drawn on it."""
    dumb = variables.get("TERM", "").strip().lower() in _DUMB
    return not dumb and all(variables.get(name) != "0" for name in _SWITCHES)


class Screen:
    """`with Screen() as screen: screen.draw(picture)`. The terminal is as before after it."""

    def __init__(self) -> None:
        """Draws nothing yet."""
        self._fd = -1
        self._live: Live | None = None

    def __enter__(self) -> Self:
        """Take the whole window. Raises ConfigError where nothing could be seen of it."""
        if not at_a_terminal():
            raise ConfigError("the terminal", "nothing can be drawn on it", "Set TERM to what it is.")
        self._fd = sys.stdout.fileno()
        # By its own rules rich would draw nothing for some variables, and what was not drawn must not count.
        console = Console(highlight=False, force_terminal=True, force_interactive=True, force_jupyter=False)
        self._live = Live(console=console, screen=True, auto_refresh=False)
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """What stood there before comes back."""
        if self._live is not None:
            self._live.stop()

    def draw(self, picture: Picture) -> None:
        """Draw for the window as it is now: 0 cells and rows where the terminal does not tell its size."""
        if self._live is None:
            raise RuntimeError("the screen is not open: use it as `with Screen() as screen`")
        size = os.get_terminal_size(self._fd)
        shown = picture(size.columns, size.lines)
        # Given to the console each time: it would go by LINES and COLUMNS, which a shell may have exported.
        self._live.console.size = (size.columns or UNTOLD[0], size.lines or UNTOLD[1])
        self._live.update(shown, refresh=True)
