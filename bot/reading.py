"""How far one person has read one call, page by page, sealed so that nobody else can use it. Pure.

    p1.<key>.<last page shown>.<pages>.<seal>

The seal covers the card, the call's digest, the person's account and the very text that the pages are cut
from, none of which stands in the value: it holds for exactly the one who was shown the pages.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field

from bot.seal import Seal
from bot.surface import Surface

_FORM = re.compile(r"p1\.([0-9a-f]{8})\.(0|[1-9][0-9]{0,6})\.([1-9][0-9]{0,6})\.([A-Za-z0-9_-]{32})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """Pages counted from 0; every page up to `seen` was shown, in turn."""

    seen: int
    count: int

    @property
    def whole(self) -> bool:
        """The last one was shown too."""
        return self.seen == self.count - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One person's look at one call on one card, as the desk answered it to them."""

    seal: Seal = field(repr=False, compare=False)
    surface: Surface
    account: str
    card_id: str
    digest: str
    call: str = field(repr=False)  #: all of it as text

    def sealed(self, pages: Pages) -> str:
        """What a surface keeps of the pages that it shows now. At most 70 characters, none of them special."""
        return f"p1.{self.seal.current}.{pages.seen}.{pages.count}.{self._mac(self.seal.current, pages)}"

    def opened(self, value: str) -> Pages | None:
        """The pages of this very text that this very person was shown; None for what Nod did not seal."""
        form = _FORM.fullmatch(value)
        if form is None:
            return None
        pages = Pages(seen=int(form[2]), count=int(form[3]))
        if pages.seen >= pages.count or not self.seal.same(self._mac(form[1], pages), form[4]):
            return None
        return pages

    def _mac(self, key: str, pages: Pages) -> str:
        text = hashlib.sha256(self.call.encode("utf-8", "surrogatepass")).hexdigest()
        of = (self.surface.value, self.account, self.card_id, self.digest, text)
        return self.seal.look(key, (*of, str(pages.seen), str(pages.count)))
