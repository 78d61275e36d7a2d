"""The desk: where chats hand in clicks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from bot.approval import Claim, Vote
from bot.card import Button, Card
from bot.routing import ReasonRule
from bot.seal import Reading
from bot.surface import Surface


@dataclass(frozen=True, slots=True, kw_only=True)
class Click:
    """A verified press of a button, translated from a surface's payload."""

    surface: Surface
    account: str  #: who, by the surface's immutable id
    home: bool  #: the account belongs to the workspace the bot is installed in
    value: str  #: what the button carried: sealed by us, brought back by the user's client
    channel: str
    ref: str  #: the message that was clicked
    verb: Button  #: what the surface says was pressed; must agree with the value
    note: str | None = None
    look: str | None = None  #: with Approve: the pages that were shown, as `Reading.sealed` has them


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a form about a card shows: the whole call, and how a reason is given."""

    card: Card
    call: str  #: all of it as text to read, redacted and made visible
    approvable: bool  #: somebody who was shown all of it may approve
    reason: ReasonRule
    presets: tuple[str, ...] = ()  #: reasons to pick from
    approve_value: str = ""  #: the sealed value of an Approve behind the whole call
    reading: Reading  #: seals which pages this person was shown


class Desk(Protocol):
    """Where chats hand in clicks. Local and quick: the store, no network."""

    async def decide(self, click: Click) -> Vote:
        """Returns once the vote is committed. Raises Refused: show `str(error)` to this person only."""
        ...

    async def ask(self, click: Click) -> Asked:
        """What a form for this click needs to show. Raises Refused if this person could not decide now."""
        ...

    async def look(self, click: Click) -> Asked | None:
        """What `ask` would answer, for a card that is only looked at: nothing is pressed, so nothing is noted.

        None for somebody who could not decide now; who voted already still can. Raises Refused where `click`
        names no card of ours on its own message.
        """
        ...

    async def claim(self, click: Click) -> Claim:
        """ "I'm on it". Returns once it is committed. Raises Refused: show `str(error)` to this person only."""
        ...

    async def next(self, click: Click, *, after: str | None = None) -> Asked:
        """The next request on a digest that this person may decide, behind the card `after`.

        Earliest deadline first, and from the beginning again behind the last. `click` is a press of the
        digest's own button. Raises Refused when there is none.
        """
        ...

    async def explain(self, click: Click) -> tuple[str, ...]:
        """Why this card is here, who may decide, what is missing, and for this person why not: in lines."""
        ...
