"""A chat as Nod sets it up, opens and checks it: `adapters.plugins` lists them, `bot.ports.Chat` shows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from adapters.chat.words import CHATS
from bot.desk import Click, Desk, NotCounted
from bot.errors import ConfigError, Refusal
from bot.ports import Chat, Clock, Directory, Metrics, Pager
from bot.store import Store
from bot.surface import Conversations, Destination

Reply = tuple[int, Mapping[str, str], bytes]  #: status, headers, body


class Receiver(Protocol):
    """One path of the web front. It describes itself, because only it knows what it takes and answers."""

    async def receive(self, headers: Mapping[str, str], body: bytes) -> Reply:
        """The answer to one request: `headers` by their names in lower case, and the raw body."""
        ...

    @property
    def operation(self) -> Mapping[str, Any]:
        """The POST in the terms of OpenAPI 3.1 (Operation Object), with every answer that `receive` gives."""
        ...

    @property
    def schemes(self) -> Mapping[str, Any]:
        """The security schemes that `operation` names."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of `nod check`. `fix` says what to do about it; it must be done unless it is only `advice`."""

    what: str
    fix: str | None = None
    advice: bool = False

    @property
    def mark(self) -> tuple[str, str]:
        """The sign in front and its colour; the sign alone is enough."""
        if self.fix is None:
            return "✓ ", "green"
        return ("! ", "yellow") if self.advice else ("✗ ", "red")


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What a chat is opened with."""

    desk: Desk
    store: Store
    conversations: Conversations
    met: Callable[[], None]  #: the chat reports a new conversation: people may be in it that Nod has not seen
    clock: Clock
    metrics: Metrics


async def _place(place: Destination) -> str:
    return str(place)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenChat:
    """A chat that takes clicks and shows cards."""

    chat: Chat
    pager: Callable[[str], Pager]  #: a channel as a place for alerts
    directory: Directory | None = None  #: who finds people; None: nobody can be asked there
    groups: Mapping[str, Directory] = field(default_factory=dict)  #: by the kind of groups that it keeps
    receivers: Mapping[str, Receiver] = field(default_factory=dict)  #: path -> who answers what is posted there
    name_of: Callable[[Destination], Awaitable[str]] = _place  #: what people call a place, such as #approvals
    has_buttons: Callable[[str], bool] = lambda _: True  #: whether a card in this channel can be pressed


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOnlyChat:
    """A chat to read from: no click is taken, nothing is stored, and a running bot is not disturbed."""

    check: Callable[[Sequence[Destination], bool], AsyncIterator[Finding]]  #: of places, and whether a bot runs
    directory: Directory | None = None
    groups: Mapping[str, Directory] = field(default_factory=dict)


class ChatSetUp(Protocol):
    """A chat whose settings are there and right."""

    def check_place(self, place: Destination, where: str) -> None:
        """Raises ConfigError, with the line, for a place that this chat does not reach."""
        ...

    def open(self, opening: Opening) -> AbstractAsyncContextManager[OpenChat]:
        """Until closed. Raises ConfigError, Unavailable or Forbidden."""
        ...

    def look(self) -> AbstractAsyncContextManager[ReadOnlyChat]:
        """Opened to read from. It raises Unavailable or Forbidden, as does its check."""
        ...

    def trouble(self, error: Exception) -> Finding:
        """Why it cannot be looked at, and what to do."""
        ...


def not_set_up(place: Destination, where: str) -> ConfigError:
    """A place in a chat that is not set up, by its line."""
    fix = f"{CHATS[place.surface].set_up} and restart Nod, or remove this entry."
    return ConfigError(where, f"{place} is in {place.surface.title()}, which is not set up", fix)


_ONLY_A_CHECK = NotCounted(
    card_id=None, code=Refusal.UNKNOWN_CARD, text="This is only a check. It takes no clicks."
)


class ClosedDesk:
    """A check takes no clicks."""

    async def press(self, click: Click) -> NotCounted:
        return _ONLY_A_CHECK

    async def preview(self, click: Click) -> NotCounted:
        return _ONLY_A_CHECK
