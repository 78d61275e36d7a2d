"""The desk: where chats hand in clicks, and what it answers, in values that each chat draws in its own way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from bot.approval import Claim, Vote
from bot.card import Button, Card
from bot.errors import Refusal
from bot.routing import ReasonRule
from bot.seal import Reading
from bot.surface import Destination, Surface


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
    form: bool = False  #: sent from a form for a reason, so that no form is to follow
    note: str | None = None
    look: str | None = None  #: with Approve: the pages that were shown, as `Reading.sealed` has them
    after: str | None = None  #: with Next: the card behind which the next one is


@dataclass(frozen=True, slots=True, kw_only=True)
class FormData:
    """What a form about a card shows: the whole call, and how a reason is given."""

    card: Card
    call: str  #: all of it as text to read, redacted and made visible
    approvable: bool  #: somebody who was shown all of it may approve
    reason: ReasonRule
    presets: tuple[str, ...] = ()  #: reasons to pick from
    approve_value: str = ""  #: the sealed value of an Approve behind the whole call
    reading: Reading  #: seals which pages this person was shown


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answered:
    card_id: str | None  #: the card whose button it was; None where none of ours was pressed


@dataclass(frozen=True, slots=True, kw_only=True)
class Voted(_Answered):
    """The vote is committed."""

    vote: Vote


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged(_Answered):
    """ "I'm on it" is committed."""

    claim: Claim


@dataclass(frozen=True, slots=True, kw_only=True)
class NotCounted(_Answered):
    """A click that does not count: in the audit, and for the eyes of this person only."""

    code: Refusal
    text: str  #: one or two plain sentences
    link: str | None = None  #: to the page that explains the code, where this project's docs are served


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonForm(_Answered):
    """A reason has to be asked for, or may be given; with a `problem` the one that was given is no good."""

    form: FormData
    problem: NotCounted | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeCall(_Answered):
    """All of the call, to read page by page."""

    form: FormData


@dataclass(frozen=True, slots=True, kw_only=True)
class NextRequest(_Answered):
    """The next request on a digest that this person may decide, to read and answer there."""

    form: FormData


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation(_Answered):
    """Why this card is here and who can decide, in lines; the last one is about the person who asks."""

    lines: tuple[str, ...]
    shown_in: tuple[Destination, ...] = ()  #: where the route shows its cards; each chat knows its own by name
    request_id: str = ""  #: to copy
    run: str | None = None  #: a link to the run, where the policy has one
    refusal: Refusal | None = None  #: why this person may not decide now; None where they may
    link: str | None = None  #: to the page that explains the refusal

    @property
    def may_decide(self) -> bool:
        """This person may decide now."""
        return self.refusal is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Identified(_Answered):
    """The ids behind the names on a card, to copy: what each is of, and the id."""

    ids: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview(_Answered):
    """A card as one person may see it."""

    form: FormData | None  #: with what the form behind its Reject asks; None where they may not decide


Reply = Voted | ReasonForm | WholeCall | NextRequest | Acknowledged | Explanation | Identified | NotCounted


class Desk(Protocol):
    """Where chats hand in clicks. Local and quick: the store, no network."""

    async def press(self, click: Click) -> Reply:
        """Handle one verified click: one reading of the record, one check, at most one commit.

        Returns once what it did is committed.
        """
        ...

    async def preview(self, click: Click) -> Preview | NotCounted:
        """The card of this button for somebody who only looks at it: nothing is pressed, so nothing is noted.

        Who voted already still may decide. NotCounted where it is no card of ours on its own message.
        """
        ...
