"""Messages as the local Teams keeps them: frozen, with earlier versions, and with one view for each person."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

Card = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message of the bot or of a person, at the top of a conversation or in the thread of `root`."""

    place: str  #: the conversation's id, without `;messageid=`
    id: str
    text: str = ""
    text_format: str = "markdown"
    card: Card | None = None
    author: str | None = None  #: a person's short name; None for the bot
    root: str | None = None  #: the id of the first message of the thread that this is a reply in
    mentioned: tuple[str, ...] = ()  #: short names of the people who are notified
    views: Mapping[str, Card] = field(default_factory=dict)  #: cards that invokes left for one person each
    edited: bool = False
    history: tuple["Message", ...] = ()  #: earlier versions, oldest first

    def changed(self, **fields: Any) -> "Message":
        """The message after a PUT: for everybody, so what invokes left for single people goes too."""
        past = (*self.history, replace(self, history=()))
        return replace(self, views={}, edited=True, history=past, **fields)

    def seen_by(self, person: str) -> Card | None:
        """The card as one person sees it now."""
        return self.views.get(person, self.card)

    def with_view(self, person: str, card: Card) -> "Message":
        """The message with an invoke's card in front of one person."""
        return replace(self, views={**self.views, person: card})
