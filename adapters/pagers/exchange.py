"""One POST to a pager's service, within bounds: sent once, no redirect followed, only the status read."""

from __future__ import annotations

import asyncio
import hashlib
import json
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import httpx

from adapters.outward import told
from bot.errors import Forbidden, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping
    from datetime import datetime

    from bot.ports import Clock
    from bot.protocol import Json
    from bot.records import Alert

#: Seconds of a whole POST, from the name lookup to the answer's status.
LIMIT = 10.0
#: Bounds for what a Retry-After may ask of us, in seconds: an alert that waits longer is of no use.
SHORTEST_WAIT, LONGEST_WAIT = 1.0, 300.0
#: Hex digits by which a pager is called: they tell a few keys and addresses apart, and give none away.
NAME_DIGITS = 8


class Exchange:
    """POSTs over one client that all pagers share; whoever opened that closes it."""

    def __init__(self, *, client: httpx.AsyncClient, clock: Clock, limit: float = LIMIT) -> None:
        """`limit` is in seconds; the client follows no redirect."""
        self._client, self._limit = client, limit
        self.clock = clock

    async def post(
        self,
        url: str,
        content: bytes,
        *,
        to: str,
        taken: Container[int],
        headers: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        """Hand `content`, which is JSON, to a service that operators know as `to`.

        Neither the address nor the answer's words are in any error: both may hold a secret.

        Raises:
            Unavailable: no answer in time, or a status that is neither in `taken` nor a refusal; for a 429
                with the seconds to wait, where the service named them.
            Forbidden: any other 4xx, or an address that cannot be used at all.
        """
        sent = {"Content-Type": "application/json", **headers()}
        try:
            async with (
                asyncio.timeout(self._limit),
                self._client.stream("POST", url, content=content, headers=sent) as answer,
            ):
                status, wait = answer.status_code, answer.headers.get("Retry-After")
        except (httpx.InvalidURL, UnicodeError):
            raise Forbidden(f"the address of {to} cannot be used") from None
        except (httpx.HTTPError, OSError) as error:  # asyncio's own TimeoutError is an OSError
            raise Unavailable(f"{to} did not answer ({told(error)})") from None
        if status in taken:
            return
        said = f"{to} answered {status}"
        if status == httpx.codes.TOO_MANY_REQUESTS:
            raise Unavailable(said, retry_after=seconds_of(wait, self.clock()))
        if httpx.codes.is_client_error(status):
            raise Forbidden(said)
        raise Unavailable(f"{said}, a redirect, which is not followed" if 300 <= status < 400 else said)


def seconds_of(value: str | None, now: datetime) -> float | None:
    """What a Retry-After header asks for (RFC 9110, 10.2.3: seconds or a date), within our bounds, in seconds.

    None when there is none, or it is neither.
    """
    if value is None:
        return None
    if value.isascii() and value.isdigit():
        seconds = float(value)
    else:
        try:
            moment = parsedate_to_datetime(value)
        except (ValueError, OverflowError):
            return None
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        seconds = (aware - now).total_seconds()
    return min(max(seconds, SHORTEST_WAIT), LONGEST_WAIT)


def name_of(kind: str, secret: str) -> str:
    """`pagerduty:1a2b3c4d`: a pager's name in rows and logs, by the SHA-256 of its key or address."""
    return f"{kind}:{hashlib.sha256(secret.encode()).hexdigest()[:NAME_DIGITS]}"


def key_of(alert: Alert) -> str:
    """`nod/<request id>/<cause>`: one alert's key, the same whenever and wherever it is told."""
    return f"nod/{alert.approval_id}/{alert.cause}"


def shortened(text: str, longest: int) -> str:
    """At most so many characters; a cut is shown."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def encoded(value: Mapping[str, Json]) -> bytes:
    """JSON in ASCII: what is signed is what is sent, whatever a receiver makes of its bytes."""
    return json.dumps(value, separators=(",", ":")).encode("ascii")
