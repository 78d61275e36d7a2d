"""The window of a terminal: whether there is one, how large it is now, and what it shows."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from adapters.terminal.sheet import Sheet
from bot.call import lines_of, text_of
from bot.errors import ConfigError
from bot.ports import Listing
from bot.protocol import HITLRequest
from bot.redaction import Redaction
from bot.wording import name_of

if TYPE_CHECKING:
    from types import TracebackType


#: Cells and rows of a message where the terminal does not tell its size; a call is not shown there.
UNTOLD = (80, 24)
#: Kinds of terminals on which rich draws nothing.
_DUMB = frozenset(("dumb", "unknown"))
#: Variables of rich that say, with 0, that nothing is to be drawn.
_SWITCHES = ("TTY_COMPATIBLE", "TTY_INTERACTIVE")

_NO_NAMES: Mapping[str, str] = {}

#: What to draw, given a window's cells and rows.
Picture = Callable[[int, int], RenderableType]


#: A unit in seconds, and the next smaller one.
_UNITS = (("d", 86_400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1))


def at_a_terminal() -> bool:
    """Whether a person can use it: keys come from a terminal, and the output goes to one that can draw."""
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
            raise ConfigError(
                "TERM",
                "names a terminal that Nod cannot draw on",
                "Set it to your terminal type, for example xterm-256color.",
            )
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


#: Characters of a call in the table.
_GLIMPSE = 60
#: Ids of items that cannot be read, which are named below the table.
_MOST_IDS = 5
#: Rows around a page: head, time, keys and what was said, with an empty one between.
AROUND = 6
#: Warnings that stand above a call; a page must keep room for the call itself.
MOST_WARNINGS = 5
#: A smaller screen would cut off what counts as shown, in cells and rows.
SMALLEST = (20, AROUND + 3)
TOO_SMALL = "Make this window larger to read the call."
KEYS = "y approve  n reject  s skip  e note  space next  b back  tab another  q quit"
KEYS_OF_NOTE = "enter saves the note  esc discards it  ctrl-u clears it"
KEYS_BETWEEN = "enter continues"


def time_left(left: timedelta) -> str:
    """`18 s left`, `2 min 31 s left`, `1 h 5 min left`, `3 d 4 h left`; `expired` from the deadline on."""
    if left <= timedelta():
        return "expired"
    seconds = int(left.total_seconds())
    for unit, size, part, smaller in _UNITS:
        if seconds >= size:
            rest = seconds % size // smaller
            return f"{seconds // size} {unit}" + (f" {rest} {part}" if rest else "") + " left"
    return f"{seconds} s left"


def board(
    waiting: Sequence[tuple[HITLRequest, datetime]],
    *,
    now: datetime,
    redaction: Redaction,
    most: int | None = None,
    besides: Sequence[str] = (),
    glimpses: dict[str, str] | None = None,
    agents: Mapping[str, str] = _NO_NAMES,
) -> Group:
    """The pending requests with the time left: the earliest deadline first, and what has expired last.

    `most` rows, and how many more there are. Lines `besides` are below, in place of "No pending requests.".
    `glimpses` of calls, by digest, are kept there for the next picture, as long as they are pending. `agents`
    are names by id.
    """
    seen: dict[str, str] = {}
    table = Table("time", "tool", "agent", "call", "id", header_style="bold")
    rows = sorted(waiting, key=lambda one: (one[1] <= now, one[1]))
    for request, deadline in rows[:most]:
        call = (glimpses or seen).get(request.digest) or _glimpse(request, redaction)
        seen[request.digest] = call
        table.add_row(
            time_left(deadline - now),
            Text(name_of(request.tool_name)),
            Text(name_of(agents.get(request.agent_id, request.agent_id))),
            Text(call),
            Text(name_of(request.request_id)),
        )
    if glimpses is not None:
        glimpses.clear()
        glimpses.update(seen)
    more = len(rows) - len(rows[:most])
    notes = [f"{more} more pending."] if more else []
    if not rows and not besides:
        notes = ["No pending requests."]
    return Group(*([table] if rows else []), *(Text(note) for note in (*notes, *besides)))


def _glimpse(request: HITLRequest, redaction: Redaction) -> str:
    call = text_of(lines_of(request, redaction=redaction)).replace("\n", "  ")
    return call[:_GLIMPSE] + ("…" if len(call) > _GLIMPSE else "")


def unread(listing: Listing) -> tuple[str, ...]:
    """That some pending requests cannot be read, and how to answer them; nothing where all can."""
    if not listing.set_aside:
        return ()
    ids = [name_of(one) for one in sorted(listing.unread_ids)]
    named = ", ".join(ids[:_MOST_IDS]) + (", …" if len(ids) > _MOST_IDS else "")
    answer = f": {named}. Answer with `nod reject ID` or `nod skip ID`." if ids else "."
    count = len(listing.set_aside)
    return (f"{count} pending request{'s' if count > 1 else ''} cannot be read{answer}",)


def page(
    sheet: Sheet,
    *,
    now: datetime,
    width: int,
    height: int,
    others: int,
    said: str | None,
    agents: Mapping[str, str] = _NO_NAMES,
) -> Group:
    """One call on a screen of this size, and which keys there are. What is on it counts as shown."""
    if width < SMALLEST[0] or height < SMALLEST[1]:
        return Group(Text(TOO_SMALL))
    request = sheet.request
    head = f"{name_of(request.tool_name)} for {name_of(agents.get(request.agent_id, request.agent_id))}"
    warnings = _warnings(sheet.warnings, room=height - SMALLEST[1])
    shown = sheet.show(width=width, height=height - AROUND - len(warnings))
    time = time_left(sheet.deadline - now)
    more = f" · {others} more pending" if others else ""
    rows = [Text(row, no_wrap=True, overflow="crop") for row in shown.rows] or [Text("  (nothing)")]
    return Group(
        Text(head, style="bold", no_wrap=True, overflow="ellipsis"),
        Text(f"{time} · {sheet.share} % shown{more}", no_wrap=True, overflow="ellipsis"),
        *warnings,
        Text(""),
        *rows,
        Text(sheet.note_line(width), no_wrap=True, overflow="crop"),
        Text(_keys(sheet), style="dim", no_wrap=True, overflow="ellipsis"),
        Text(sheet.said or said or "", style="bold", no_wrap=True, overflow="ellipsis"),
    )


def _keys(sheet: Sheet) -> str:
    if sheet.interrupted:
        return KEYS_BETWEEN
    return KEYS_OF_NOTE if sheet.writing else KEYS


def _warnings(texts: Sequence[str], *, room: int) -> list[Text]:
    """So many as there is room for; the last one says how many more there are."""
    most = max(1, min(room, MOST_WARNINGS))
    kept = list(texts) if len(texts) <= most else [*texts[: most - 1], f"{len(texts) - most + 1} more warnings"]
    return [Text(f"! {text}", style="bold", no_wrap=True, overflow="ellipsis") for text in kept]
