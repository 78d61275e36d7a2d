"""One POST to a pager's service, within bounds: sent once, no redirect followed, only the status read."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import httpx

from adapters.http import exchange, retry_after
from bot.errors import Forbidden, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping

    from bot.ports import Clock
    from bot.protocol import Json
    from bot.records import Alert

#: Seconds of a whole POST, from the name lookup to the answer's status.
LIMIT = 10.0
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
        answer = await exchange(
            self._client,
            "POST",
            url,
            who=to,
            headers={"Content-Type": "application/json", **headers()},
            content=content,
            limit=self._limit,
            largest=None,
        )
        status = answer.status
        if status in taken:
            return
        said = f"{to} answered {status}"
        if status == httpx.codes.TOO_MANY_REQUESTS:
            raise Unavailable(said, retry_after=retry_after(answer.headers.get("Retry-After"), self.clock()))
        if httpx.codes.is_client_error(status):
            raise Forbidden(said)
        raise Unavailable(f"{said}, a redirect, which is not followed" if 300 <= status < 400 else said)


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
