"""One GET for a schedule, within bounds: no redirect is followed, and a megabyte is read at most."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx

from adapters.http import exchange
from bot.errors import Forbidden, Gone, Unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Seconds of a whole answer, from the name lookup to its last byte.
LIMIT = 5.0
#: Bytes of an answer or a file.
LARGEST = 1_000_000


class Fetch:
    """GETs over one client that all schedules share; whoever opened that closes it."""

    def __init__(self, *, client: httpx.AsyncClient, limit: float = LIMIT) -> None:
        """`limit` is in seconds; the client follows no redirect."""
        self._client, self._limit = client, limit

    async def read(
        self,
        url: str,
        *,
        who: str,
        headers: Mapping[str, str],
        params: Mapping[str, str] | None = None,
    ) -> bytes:
        """What `url` answers with 200; `who` is what operators call the other side.

        Raises:
            Unavailable: no answer in time, too long a one, 429 or 5xx.
            Gone: 404 or 410.
            Forbidden: any other status, or an address that cannot be used at all.
        """
        answer = await exchange(
            self._client,
            "GET",
            url,
            who=who,
            headers=headers,
            params=params,
            limit=self._limit,
            largest=LARGEST,
        )
        _check(answer.status, who)
        return answer.body

    async def read_object(
        self, url: str, *, who: str, headers: Mapping[str, str], params: Mapping[str, str]
    ) -> dict[str, Any]:
        """The same for an answer that is one JSON object. Raises Unavailable when it is not."""
        content = await self.read(url, who=who, headers=headers, params=params)
        try:
            body = json.loads(content)
        except (ValueError, RecursionError):
            raise Unavailable(f"{who}'s answer is no JSON") from None
        if not isinstance(body, dict):
            raise Unavailable(f"{who}'s answer is no object")
        return body


def _check(status: int, who: str) -> None:
    if status == httpx.codes.OK:
        return
    if status in (httpx.codes.NOT_FOUND, httpx.codes.GONE):
        raise Gone(f"{who} knows no such schedule ({status})")
    if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        raise Forbidden(f"{who} refuses us ({status})")
    if status == httpx.codes.TOO_MANY_REQUESTS or status >= httpx.codes.INTERNAL_SERVER_ERROR:
        raise Unavailable(f"{who} answered {status}")
    raise Forbidden(f"{who} answered {status}")
