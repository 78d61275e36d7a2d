"""The whole call in pages: how it is cut, which page is open, and which pages a person was shown. Pure.

No text of the call is kept between two pages: each page is cut again from the desk's reply.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from adapters.chat.payload import Malformed, number, text
from bot.desk import FormData
from bot.seal import Pages

#: Marks a page that begins in the middle of a line: it is where arguments begin, and must not pass for one.
GOES_ON = "↪ "
#: Status sentences on a page of a request that has no card, and characters of each part of one.
SENTENCES, PART = 8, 150


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueCursor:
    """The queue message from which a request was opened, and how far the person has come."""

    value: str  #: of the queue message's Next, sealed by the core
    after: str  #: the open card; the next one comes after it


@dataclass(frozen=True, slots=True, kw_only=True)
class PageState:
    """Which page of a whole call is open, counted from 0. It holds none of the call's text."""

    page: int
    seen: int  #: the last page that was shown; all pages before it were shown too
    pages: int
    proof: str  #: sealed by the core: that this person was shown all of these pages, of this very text

    @property
    def is_last(self) -> bool:
        """No page follows this one."""
        return self.page == self.pages - 1

    @property
    def label(self) -> str | None:
        """Which page of how many; None for the only one."""
        return f"Page {self.page + 1} of {self.pages}" if self.pages > 1 else None

    @property
    def was_whole(self) -> bool:
        """The last page is open, and every page before it was shown."""
        return self.is_last and self.seen == self.page


def cut_in_pages(
    pieces: Iterable[str], *, weight: Callable[[str], int], most_weight: int, most_pieces: int
) -> list[list[str]]:
    """A call's pieces in pages within the limits of weight and length; joined they are the call again."""
    pages: list[list[str]] = [[]]
    size = 0
    for piece in pieces:
        more = weight(piece)
        if pages[-1] and (size + more > most_weight or len(pages[-1]) == most_pieces):
            pages.append([])
            size = 0
        pages[-1].append(piece)
        size += more
    return pages


def goes_on(pages: Sequence[Sequence[str]], page: int) -> list[bool]:
    """For each piece of a page, whether it begins in the middle of a line."""
    before = pages[page - 1][-1] if page else "\n"
    return [not former.endswith("\n") for former, _ in zip([before, *pages[page]], pages[page], strict=False)]


def first_page(form: FormData, pages: int) -> PageState:
    """The first page of a whole call."""
    return _sealed(PageState(page=0, seen=0, pages=pages, proof=""), form)


def turned(state: PageState, form: FormData, pages: int, *, by: int) -> PageState | None:
    """The next page (`by` 1) or the previous one (-1).

    None if these pages were not shown to this person, or the text has changed.
    """
    if state.pages != pages or form.reading.opened(state.proof) != _shown(state):
        return None
    page = min(max(state.page + by, 0), pages - 1)
    seen = page if page == state.seen + 1 else state.seen
    return _sealed(replace(state, page=page, seen=seen), form)


def state_from(kept: Mapping[str, Any]) -> PageState:
    """What a client sent back. Raises Malformed, also for an impossible page."""
    state = PageState(
        page=number(kept, "page"),
        seen=number(kept, "seen"),
        pages=number(kept, "pages"),
        proof=text(kept, "proof", most=200),
    )
    if not state.page <= state.seen < state.pages:
        raise Malformed("page")
    return state


def _sealed(state: PageState, form: FormData) -> PageState:
    return replace(state, proof=form.reading.sealed(_shown(state)))


def _shown(state: PageState) -> Pages:
    return Pages(seen=state.seen, count=state.pages)
