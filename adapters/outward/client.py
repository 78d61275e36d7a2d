"""The HTTP client that everything of Nod's uses: it trusts, finds its way and fails by one rule."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from adapters.outward.failures import Unreached, UnreachedInTime, place_of, reason, refused
from adapters.outward.proxies import read_rule
from adapters.outward.trust import trusted

USUAL = httpx.Limits(max_connections=100, max_keepalive_connections=20)


class Outward(httpx.AsyncBaseTransport):
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
    """A client that follows no redirect; whoever opens it closes it. Raises ConfigError as `Outward` does."""
    return httpx.AsyncClient(
        transport=Outward(limits=limits, env=env),
        timeout=timeout,
        base_url=base_url,
        headers=headers,
        follow_redirects=False,
        trust_env=False,
    )
