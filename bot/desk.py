"""The desk: where chats hand in clicks. It answers in values that each chat draws in its own way."""

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
    """A verified press of a button, translated from a chat's payload."""

    surface: Surface
    account: str  #: who, by the chat's immutable id
    home: bool  #: the account belongs to the workspace the bot is installed in
    value: str  #: what the button carried: sealed by Nod, sent back by the user's client
    channel: str
    ref: str  #: the message that was clicked
    verb: Button  #: what the chat says was pressed; must agree with the value
    form: bool = False  #: sent from the form for a reason, so no form follows
    note: str | None = None
    look: str | None = None  #: with Approve: the pages that were shown, as `Reading.sealed` has them
    after: str | None = None  #: with Next: the card after which the next one comes


@dataclass(frozen=True, slots=True, kw_only=True)
class FormData:
    """What a form about a card shows: the whole call, and how to give a reason."""

    card: Card
    call: str  #: all of it as text to read, redacted and made visible
    approvable: bool  #: a person who was shown all of it can approve
    reason: ReasonRule
    presets: tuple[str, ...] = ()  #: reasons to pick from
    approve_value: str = ""  #: the sealed value of an Approve button after the whole call
    reading: Reading  #: seals which pages this person was shown


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answered:
    card_id: str | None  #: the card whose button it was; None if it is not a card of Nod's


@dataclass(frozen=True, slots=True, kw_only=True)
class Voted(_Answered):
    """The vote is committed."""

    vote: Vote


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged(_Answered):
    """The claim ("I'm on it") is committed."""

    claim: Claim


@dataclass(frozen=True, slots=True, kw_only=True)
class NotCounted(_Answered):
    """A click that has no effect: it is in the audit, and only this person sees the answer."""

    code: Refusal
    text: str  #: one or two plain sentences
    link: str | None = None  #: to the page that explains the code, where this project's docs are served


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonForm(_Answered):
    """A reason is required or welcome; with a `problem`, the one that was given cannot be used."""

    form: FormData
    problem: NotCounted | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeCall(_Answered):
    """All of the call, to read page by page."""

    form: FormData


@dataclass(frozen=True, slots=True, kw_only=True)
class NextRequest(_Answered):
    """The next request on a queue message that this person can decide, to read and answer there."""

    form: FormData


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation(_Answered):
    """Why this card is here and who can decide, in lines; the last line is about the person who asks."""

    lines: tuple[str, ...]
    shown_in: tuple[Destination, ...] = ()  #: where the route shows its cards; each chat knows its own by name
    request_id: str = ""  #: to copy
    run: str | None = None  #: a link to the run, where the policy has one
    refusal: Refusal | None = None  #: why this person cannot decide now; None if they can
    link: str | None = None  #: to the page that explains the refusal

    @property
    def may_decide(self) -> bool:
        """Whether this person can decide now."""
        return self.refusal is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Identified(_Answered):
    """The ids behind the names on a card, to copy: a label and the id for each."""

    ids: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview(_Answered):
    """A card as one person sees it."""

    form: FormData | None  #: with what the form of its Reject asks; None if they cannot decide


Reply = Voted | ReasonForm | WholeCall | NextRequest | Acknowledged | Explanation | Identified | NotCounted


class Desk(Protocol):
    """Where chats hand in clicks. Local and quick: it uses the store, and no network."""

    async def press(self, click: Click) -> Reply:
        """Handle one verified click: one read of the record, one check, at most one commit.

        Returns after the commit.
        """
        ...

    async def preview(self, click: Click) -> Preview | NotCounted:
        """The card of this button for a person who only looks at it: nothing is pressed or recorded.

        A person who has voted already can still decide. NotCounted if it is not a card of Nod's on its own
        message.
        """
        ...
