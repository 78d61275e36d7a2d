"""What kept a client from its connection, by the types of exceptions: name, refusal, certificate, proxy."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx

_PORTS = {"http": 80, "ws": 80}
_NO_WAY = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN)


class Unreached(httpx.ConnectError):
    """Nothing was sent; the message says what failed, and with which address."""


class UnreachedInTime(httpx.ConnectTimeout):
    """The same, where it took too long."""


def told(error: BaseException) -> str:
    """What to say of a failed exchange: what failed and where, or for other failures the kind alone.

    Nothing of an address but host and port is in it: the rest may be a secret.
    """
    return str(error) if isinstance(error, Unreached | UnreachedInTime) else type(error).__name__


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
            return f"{to} does not speak TLS as it should ({cause.reason})"
    where = f"the proxy {proxy} on the way to {to}" if proxy else to
    for cause in causes:
        if isinstance(cause, socket.gaierror):
            return f"the name of {where} is not found"
        if isinstance(cause, ConnectionRefusedError):
            return f"{where} refuses the connection"
        if isinstance(cause, OSError) and cause.errno in _NO_WAY:
            return f"no way leads to {where}"
    if any(isinstance(cause, TimeoutError | httpx.TimeoutException) for cause in causes):
        return f"{where} does not answer in time"
    return f"{where} breaks off the connection"


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


def place_of(url: str) -> str:
    """Host and port, and nothing else of an address."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return f"{f'[{host}]' if ':' in host else host}:{parts.port or _PORTS.get(parts.scheme, 443)}"
