"""One exchange over HTTP with a bound on everything: time, size, redirects; and how one fails."""

from __future__ import annotations

import asyncio
import errno
import json
import math
import socket
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from bot.errors import Forbidden, Unanswered, Unavailable

#: Seconds for a whole exchange; a server that drips does not outlast them.
LIMIT = 5.0
#: Bytes of an answer: the public key document of Teams has about 40 kB, a page of 200 members about 80 kB.
LARGEST = 512 * 1024
#: Seconds until a connection must be there; how long an answer is waited for is told to `exchange`. Unless told
#: not to, httpx gives up on a silence after five seconds, too.
REACHED = httpx.Timeout(None, connect=5.0, pool=5.0)
#: Bounds for what a Retry-After may ask of us, in seconds.
SHORTEST_WAIT, LONGEST_WAIT = 1.0, 300.0


_NO_WAY = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN)


class Unreached(httpx.ConnectError):
    """Nothing was sent; the message says what failed, and with which address."""

    why: str | None = None  #: in a few words, where the address itself was asked


class UnreachedInTime(httpx.ConnectTimeout):
    """The same, where it took too long."""

    why: str | None = None


def told(error: BaseException) -> str:
    """What to say of a failed exchange: what failed and where, or for other failures the kind alone.

    Nothing of an address but host and port is in it: the rest may be a secret.
    """
    return str(error) if isinstance(error, Unreached | UnreachedInTime) else type(error).__name__


def why(error: BaseException) -> str:
    """The same for a sentence that names the address itself: `connection refused`."""
    short = error.why if isinstance(error, Unreached | UnreachedInTime) else None
    return short or told(error)


def refused(*, to: str, proxy: str, status: int | None) -> str:
    """In words that the proxy, which answered with this status, did not connect."""
    return f"the proxy {proxy} does not connect to {to}" + (f" (HTTP {status})" if status else "")


def reason(error: BaseException, *, to: str, proxy: str | None) -> str:
    """In words why `to` (host and port) was not reached, directly or by this proxy."""
    causes = list(_causes(error))
    for cause in causes:
        # aiohttp's own errors are of these kinds, too, but without what OpenSSL has to say.
        if isinstance(cause, ssl.SSLCertVerificationError) and hasattr(cause, "verify_message"):
            return f"the certificate of {to} is not trusted: {cause.verify_message}"
    for cause in causes:
        if isinstance(cause, ssl.SSLError):
            return f"TLS with {to} failed ({cause.reason})"
    where = f"the proxy {proxy} on the way to {to}" if proxy else to
    for cause in causes:
        if isinstance(cause, socket.gaierror):
            return f"the host name of {where} was not found"
        if isinstance(cause, ConnectionRefusedError):
            return f"{where} refuses the connection"
        if isinstance(cause, OSError) and cause.errno in _NO_WAY:
            return f"there is no route to {where}"
    if any(isinstance(cause, TimeoutError | httpx.TimeoutException) for cause in causes):
        return f"{where} does not answer in time"
    return f"{where} closed the connection"


def short_reason(error: BaseException) -> str | None:
    """In a few words; None where more is to be said."""
    for cause in _causes(error):
        if isinstance(cause, socket.gaierror):
            return "host not found"
        if isinstance(cause, ConnectionRefusedError):
            return "connection refused"
        if isinstance(cause, OSError) and cause.errno in _NO_WAY:
            return "no route to the host"
    return "timed out" if isinstance(error, httpx.ConnectTimeout) else None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The exception and all that led to it."""
    seen: set[int] = set()
    rest: list[BaseException | None] = [error]
    while rest:
        one = rest.pop(0)
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        rest += [one.__cause__, one.__context__]
        if isinstance(one, BaseExceptionGroup):
            rest += one.exceptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer that was read to its end, or as far as it was asked for."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""

    def json(self) -> Any:
        """The body as JSON; None for what is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None


async def exchange(
    client: httpx.AsyncClient,
    method: str,
    url: str,
    *,
    who: str = "the host",
    headers: Mapping[str, str] | None = None,
    params: Mapping[str, str] | None = None,
    content: bytes | None = None,
    form: Mapping[str, str] | None = None,
    limit: float = LIMIT,
    largest: int | None = LARGEST,
) -> Answer:
    """Send once, follow no redirect, read at most `largest` bytes in `limit` seconds; None reads no body.

    `who` is what operators call the other side: neither an address nor an answer is in any error, since both
    may hold a secret.

    Raises:
        Forbidden: the address cannot be used at all.
        Unavailable: nothing was sent.
        Unanswered: it was sent, and no usable answer came.
    """
    # A packed answer of a few kB can unpack to any size, so none is asked for and none is read.
    sent = {**(headers or {}), "Accept-Encoding": "identity"}
    try:
        async with (
            asyncio.timeout(limit),
            client.stream(
                method, url, headers=sent, params=params, content=content, data=form, follow_redirects=False
            ) as response,
        ):
            body = b"" if largest is None else await _read(response, who=who, largest=largest)
            return Answer(status=response.status_code, headers=response.headers, body=body)
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError):
        raise Forbidden(f"the address of {who} cannot be used") from None
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
        raise Unavailable(f"{who} cannot be reached ({told(error)})") from error
    except TimeoutError as error:
        raise Unanswered(f"{who} did not answer within {limit:g} s") from error
    except (httpx.HTTPError, OSError) as error:
        raise Unanswered(f"{who} did not answer ({type(error).__name__})") from error


async def _read(response: httpx.Response, *, who: str, largest: int) -> bytes:
    if response.headers.get("content-encoding", "identity") != "identity":
        raise Unanswered(f"the answer from {who} is compressed, although Nod did not ask for that")
    body = bytearray()
    async for piece in response.aiter_raw():
        body += piece
        if len(body) > largest:
            raise Unanswered(f"the answer from {who} is larger than {largest:,} bytes")
    return bytes(body)


def retry_after(
    value: str | None, now: datetime | None = None, *, longest: float = LONGEST_WAIT
) -> float | None:
    """Seconds to wait by a Retry-After header (RFC 9110, 10.2.3: seconds or a date), from `SHORTEST_WAIT` on.

    None when there is none, or it is neither. Without `now` a date counts as nothing.
    """
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        return None if now is None else _until(value, now, longest)
    if math.isnan(seconds) or seconds < 0 or (math.isinf(seconds) and not value.isdigit()):
        return None
    return min(max(seconds, SHORTEST_WAIT), longest)


def _until(value: str, now: datetime, longest: float) -> float | None:
    moment = http_date(value)
    return None if moment is None else min(max((moment - now).total_seconds(), SHORTEST_WAIT), longest)


def http_date(value: str | None) -> datetime | None:
    """The moment that a header names (RFC 9110, 5.6.7), aware; None where there is none that can be read."""
    try:
        moment = parsedate_to_datetime(value) if value else None
    except (ValueError, OverflowError):
        return None
    return moment.replace(tzinfo=UTC) if moment and not moment.tzinfo else moment
