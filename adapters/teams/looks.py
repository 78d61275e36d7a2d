"""Which pages of a call each person was shown, as Nod knows it.

A button's data comes back as the person's client sent it, so the page that it names is only a wish. Memory
only, and a bound on it: after a restart a look begins anew.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace

from adapters.teams.metadata import Look

#: Looks that are remembered, each with some 200 bytes.
MOST = 5_000

Key = tuple[str, str, str]  #: account, card and the fingerprint of the call's text


class Looks:
    """How far everybody has come, by person, card and call."""

    def __init__(self, *, most: int = MOST) -> None:
        self._most = most
        self._looks: OrderedDict[Key, Look] = OrderedDict()

    def opened(self, account: str, card_id: str, look: Look) -> None:
        """The first page was shown. Whoever opens a look again has still seen what she saw."""
        key = (account, card_id, look.call)
        self._looks.setdefault(key, look)
        self._looks.move_to_end(key)
        while len(self._looks) > self._most:
            self._looks.popitem(last=False)

    def turned(self, account: str, card_id: str, wished: Look, by: int) -> Look | None:
        """The look before this turn, with the pages that were shown, and on one from which the turn leads to a
        page that was shown or to the next; None where no look of hers is known. The page counts as shown.
        """
        key = (account, card_id, wished.call)
        known = self._looks.get(key)
        if known is None:
            return None
        at = replace(known, page=min(wished.page, known.seen))
        if at.page + by == known.seen + 1 < known.pages:
            self._looks[key] = replace(known, seen=known.seen + 1)
        self._looks.move_to_end(key)
        return at

    def whole(self, account: str, card_id: str, call: str) -> bool:
        """Whether every page of the call with this fingerprint was shown to this person on this card."""
        known = self._looks.get((account, card_id, call))
        return known is not None and known.seen == known.pages - 1
