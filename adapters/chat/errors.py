"""What a chat's API can say no with, beyond the core's own errors."""

from __future__ import annotations

from bot.errors import Forbidden, NotYet


class Throttled(NotYet):
    """Too fast, or a hiccup after which the chat asks to try again; nothing was done.

    `asked` is its Retry-After header as it came, which may be garbage.
    """

    def __init__(self, text: str, *, asked: str | None) -> None:
        super().__init__(text)
        self.asked = asked


class AppRefused(Forbidden):
    """The bot itself is refused, its token or the way there: every other question would end the same."""


class TooLarge(Forbidden):
    """The message is larger than the chat takes; a smaller one would be taken."""
