"""The Connector's ways of saying no, translated once, by status, into what to do next (bot.errors).

Statuses: msteams-docs, "Status codes from bot conversational APIs", and rate-limit (412, 502 and 504 are to be
tried again, like 429).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from bot.errors import Forbidden, Gone, NodError, NotYet, Unanswered, Unavailable

#: What an operator does about a refusal that waiting does not mend.
REMEDIES: Mapping[int, str] = {
    400: "Report this card as a bug",
    401: "Set MicrosoftAppId and MicrosoftAppPassword to those of the bot's registration",
    403: "Add the app to the conversation, or ask the person to unblock it",
    404: "Name a conversation in which the app is installed",
    413: "Report this card as a bug",
}


class Throttled(NotYet):
    """Too fast, or a hiccup that Teams asks to try again; `asked` is the Retry-After header as it came."""

    def __init__(self, text: str, *, asked: str | None) -> None:
        super().__init__(text)
        self.asked = asked


class TooLarge(Forbidden):
    """413: the message is larger than Teams takes; a smaller one would be taken."""


class AppRefused(Forbidden):
    """The bot itself is refused, whatever it asks: by Entra, or with its token by the Connector."""


class Unreadable(Exception):
    """The SDK could not read what came or write what we gave; only its class is told."""


def meaning(status: int, what: str, *, posts: bool, asked: str | None) -> NodError | None:
    """What a status stands for; None for a success. With `posts`, a 5xx means that it may have happened.

    403 and 404 of a post are final for the place; 404 of anything else is about what was addressed.
    """
    if 200 <= status < 300:
        return None
    said = f"Teams answered {what} with HTTP {status}"
    if status in (412, 429):
        return Throttled(said, asked=asked)
    if status >= 500 or status == 408:
        return (Unanswered if posts else Unavailable)(said, retry_after=None)
    if status == 404 and not posts:
        return Gone(said)
    remedy = REMEDIES.get(status, "See the Bot Connector's documentation for this status")
    return _FINAL.get(status, Forbidden)(f"{said}. {remedy}")


_FINAL: Mapping[int, type[Forbidden]] = {401: AppRefused, 413: TooLarge}


@contextmanager
def translated(what: str, *, posts: bool = False) -> Iterator[None]:
    """Around one call of the Connector. With `posts`, an answer that got lost means that it may have happened.

    Raises:
        Unavailable: too fast (`Throttled`), Teams in trouble, no connection.
        Unanswered: a post may be up.
        Gone: what was addressed is not there any more.
        Forbidden: every other refusal; `TooLarge` when only the size is wrong.
    """
    try:
        yield
    except Unanswered as error:
        lost = Unanswered if posts else Unavailable
        raise lost(f"{what}: {error}", retry_after=error.retry_after) from error
    except Unreadable as error:
        raise (Unanswered if posts else Unavailable)(f"Teams' answer to {what} could not be read") from error
