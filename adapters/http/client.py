"""The HTTP client that everything of Nod's uses: it trusts, finds its way and fails by one rule."""

from __future__ import annotations

import errno
import os
import socket
import ssl
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import httpx

from adapters.http.reach import read_rule, trusted

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


USUAL = httpx.Limits(max_connections=100, max_keepalive_connections=20)


class Transport(httpx.AsyncBaseTransport):
    """Each request directly or through the proxy, as the rule says for its address; no redirect, no cookie."""

    def __init__(
        self,
        *,
        limits: httpx.Limits = USUAL,
        socket_options: Sequence[tuple[int, int, int]] | None = None,
        env: Mapping[str, str] = os.environ,
    ) -> None:
        """Raises ConfigError where the environment names a proxy or authorities that are none."""
        self._rule, self._trusted = read_rule(env), trusted(env)
        self._limits, self._options = limits, socket_options
        self._ways: dict[str | None, httpx.AsyncHTTPTransport] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raises `Unreached` or `UnreachedInTime`, which are httpx's own kinds, when nothing was sent."""
        proxy = self._rule.of(str(request.url.copy_with(userinfo=b"")))
        answered: list[int] = []

        async def heard(event: str, info: Mapping[str, Any]) -> None:
            if event == "http11.receive_response_headers.complete":
                answered.append(info["return_value"][1])

        if proxy is not None:  # what a proxy says to CONNECT is told to nobody else
            request.extensions = {**request.extensions, "trace": heard}
        try:
            return await self._way(proxy).handle_async_request(request)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as error:
            kind = UnreachedInTime if isinstance(error, httpx.ConnectTimeout) else Unreached
            to, by = place_of(str(request.url)), place_of(proxy) if proxy else None
            if by and isinstance(error, httpx.ProxyError):
                said = refused(to=to, proxy=by, status=answered[-1] if answered else None)
            else:
                said = reason(error, to=to, proxy=by)
            raise kind(said, request=request) from error

    async def aclose(self) -> None:
        """Close what is open."""
        for way in self._ways.values():
            await way.aclose()

    def _way(self, proxy: str | None) -> httpx.AsyncHTTPTransport:
        if proxy not in self._ways:
            self._ways[proxy] = httpx.AsyncHTTPTransport(
                verify=self._trusted,
                trust_env=False,
                limits=self._limits,
                proxy=httpx.Proxy(proxy, ssl_context=self._trusted if proxy.startswith("https") else None)
                if proxy
                else None,
                socket_options=self._options,
            )
        return self._ways[proxy]


def open_client(
    *,
    timeout: httpx.Timeout | float,
    limits: httpx.Limits = USUAL,
    base_url: httpx.URL | str = "",
    headers: Mapping[str, str] | None = None,
    env: Mapping[str, str] = os.environ,
) -> httpx.AsyncClient:
    """A client that follows no redirect; whoever opens it closes it. Raises ConfigError as `Transport` does."""
    return httpx.AsyncClient(
        transport=Transport(limits=limits, env=env),
        timeout=timeout,
        base_url=base_url,
        headers=headers,
        follow_redirects=False,
        trust_env=False,
    )
