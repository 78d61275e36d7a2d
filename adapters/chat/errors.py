"""Errors of a chat's API, beyond the core's own."""

from __future__ import annotations

from bot.errors import Forbidden, NotYet


class Throttled(NotYet):
    """Rate limited, or a hiccup after which the chat asks for a retry; nothing was done.

    `asked` is its Retry-After header as received, which can be garbage.
    """

    def __init__(self, text: str, *, asked: str | None) -> None:
        super().__init__(text)
        self.asked = asked


class AppRefused(Forbidden):
    """The chat refuses the bot itself, its token or its connection: every call would fail the same way."""


class TooLarge(Forbidden):
    """The message is too large for the chat; it takes a smaller one."""
