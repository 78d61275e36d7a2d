"""One exchange over HTTP with a bound on everything: time, size, redirects. Off any thread, on the event loop.

Keys and tokens come from here; what comes from the Connector does too (`adapters.teams.sdk`).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from adapters.outward import USUAL, open_client, told
from bot.errors import Unanswered, Unavailable

#: Seconds for a whole exchange; a server that drips does not outlast them.
LIMIT = 5.0
#: Bytes of an answer: the public key document has about 40 kB, a page of 200 members about 80 kB.
LARGEST = 512 * 1024

#: Seconds to be connected, after which nothing was sent for certain. Unless told not to, httpx gives up on a
#: silence after five, too.
_REACHED = httpx.Timeout(None, connect=5.0, pool=5.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer that was read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON; None for what is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None


def client_of(limits: httpx.Limits = USUAL) -> httpx.AsyncClient:
    """A client whose answers are waited for as long as `exchange` is told, and no shorter."""
    return open_client(timeout=_REACHED, limits=limits)


async def exchange(
    client: httpx.AsyncClient,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    content: bytes | None = None,
    limit: float = LIMIT,
) -> Answer:
    """Send once, follow no redirect, read at most LARGEST bytes.

    Raises Unavailable when nothing was sent, and Unanswered when it was and no usable answer came.
    """
    # A packed answer of a few kB can unpack to any size, so none is asked for and none is read.
    sent = {**(headers or {}), "Accept-Encoding": "identity"}
    try:
        async with (
            asyncio.timeout(limit),
            client.stream(method, url, headers=sent, content=content, follow_redirects=False) as response,
        ):
            if response.headers.get("content-encoding", "identity") != "identity":
                raise Unanswered("the answer is packed, which was not asked for")
            body = b""
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > LARGEST:
                    raise Unanswered(f"the answer is larger than {LARGEST} bytes")
            return Answer(status=response.status_code, headers=response.headers, body=body)
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol) as error:
        raise Unavailable(f"the host cannot be reached ({told(error)})") from error
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:  # a TimeoutError is an OSError
        raise Unanswered(f"the host did not answer ({type(error).__name__})") from error
