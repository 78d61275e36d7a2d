"""The whole call in pages: how it is cut, on which page somebody is, and which of them they were shown. Pure.

No text of the call is kept between two pages: each is cut again from what the desk answers then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from adapters.chat.payload import Malformed, number, text
from bot.desk import FormData
from bot.seal import Pages

#: In front of what goes on in the middle of a line: it stands where arguments begin, and must not pass for one.
GOES_ON = "↪ "
#: Sentences of a card's status on a page of a request that has no card, and characters of a part of one.
SENTENCES, PART = 8, 150


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueCursor:
    """The digest from which a request was opened, and how far one has come."""

    value: str  #: of the digest's Next, sealed by the core
    after: str  #: the card that is looked at, behind which the next one is


@dataclass(frozen=True, slots=True, kw_only=True)
class PageState:
    """Which page of a whole call is open, counted from 0. None of the call's text is in here."""

    page: int
    seen: int  #: the last page that was shown; all before it were shown too
    pages: int
    proof: str  #: sealed by the core: that this person was shown all of these pages, of this very text

    @property
    def is_last(self) -> bool:
        """Nothing comes behind this page."""
        return self.page == self.pages - 1

    @property
    def label(self) -> str | None:
        """Which page of how many; None for the only one."""
        return f"Page {self.page + 1} of {self.pages}" if self.pages > 1 else None

    @property
    def was_whole(self) -> bool:
        """The last page is open, and every one before it was shown."""
        return self.is_last and self.seen == self.page


def cut_in_pages(
    pieces: Iterable[str], *, weight: Callable[[str], int], most_weight: int, most_pieces: int
) -> list[list[str]]:
    """The pieces of a call in pages that are neither too heavy nor too long; joined they are the call again."""
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
    """A whole call, opened."""
    return _sealed(PageState(page=0, seen=0, pages=pages, proof=""), form)


def turned(state: PageState, form: FormData, pages: int, *, by: int) -> PageState | None:
    """The next page (`by` 1) or the one before (-1).

    None where these pages were not shown to this person, or the text is another one now.
    """
    if state.pages != pages or form.reading.opened(state.proof) != _shown(state):
        return None
    page = min(max(state.page + by, 0), pages - 1)
    seen = page if page == state.seen + 1 else state.seen
    return _sealed(replace(state, page=page, seen=seen), form)


def state_from(kept: Mapping[str, Any]) -> PageState:
    """What a client brought back. Raises Malformed, also for a page that nobody can be on."""
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
