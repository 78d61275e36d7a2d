"""The HTTP client that everything of Nod's uses: it trusts, finds its way and fails by one rule.

Which certificate authorities are trusted, and which proxy leads to an address, is read from the names that curl
and most others read, in small or capital letters, the small ones first. Plain http goes through no proxy: it
stays in one's own network or on this machine.
"""

from __future__ import annotations

import ipaddress
import os
import re
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import httpx
from yarl import URL

from adapters.http.exchange import Unreached, UnreachedInTime, reason, refused, short_reason
from bot.errors import ConfigError

FILE, FOLDER = "SSL_CERT_FILE", "SSL_CERT_DIR"


def trusted(env: Mapping[str, str] = os.environ) -> ssl.SSLContext:
    """What `SSL_CERT_FILE` and `SSL_CERT_DIR` name, and nothing else; without them what the system trusts.

    As OpenSSL has it, so that Nod trusts what everything else on the machine does. A system that has no
    authorities at all trusts those of certifi. Raises ConfigError for a file or folder that cannot be read.
    """
    return _context(_cleaned(env.get(FILE) or ""), _cleaned(env.get(FOLDER) or ""))


@cache
def _context(file: str, folders: str) -> ssl.SSLContext:
    if file or folders:
        return _of(file, folders)
    usual = ssl.get_default_verify_paths()
    if _exists(Path(usual.openssl_cafile)) or _exists(Path(usual.openssl_capath)):
        return ssl.create_default_context(
            cafile=usual.openssl_cafile if _exists(Path(usual.openssl_cafile)) else None,
            capath=usual.openssl_capath if _exists(Path(usual.openssl_capath)) else None,
        )
    return httpx.create_ssl_context(trust_env=False)


def _of(file: str, folders: str) -> ssl.SSLContext:
    for folder in filter(None, folders.split(os.pathsep)):
        if not Path(folder).is_dir():
            raise ConfigError(
                FOLDER, f"{folder} is not a folder", "Set it to folders of certificates, or unset it."
            )
    try:
        return ssl.create_default_context(cafile=file or None, capath=folders or None)
    except (OSError, ssl.SSLError) as error:
        what = f"{file} cannot be read as certificates ({type(error).__name__})"
        raise ConfigError(FILE, what, "Set it to a PEM certificate file, or unset it.") from error


def _exists(path: Path) -> bool:
    """Whether there may be authorities: a file with something in it, or a folder with any."""
    try:
        return any(path.iterdir()) if path.is_dir() else path.stat().st_size > 0
    except OSError:
        return False


HTTPS_PROXY, NO_PROXY = "HTTPS_PROXY", "NO_PROXY"
_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}
_ENTRY = re.compile(r"\[?(?P<host>[^\[\]]*?)\]?(?::(?P<port>[0-9]{1,5}))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What an environment says."""

    proxy: str | None  #: with its scheme, and maybe a user and a password
    direct: tuple[str, ...]  #: hosts, `host:port`, addresses, networks; `*` is everything

    def of(self, url: str) -> str | None:
        """The proxy for this address; None where it is reached directly."""
        parts = urlsplit(url)
        host = (parts.hostname or "").rstrip(".").lower()
        port = parts.port or _PORTS.get(parts.scheme, 443)
        if self.proxy is None or parts.scheme not in ("https", "wss") or is_local(host):
            return None
        return None if any(_fits(entry, host, port) for entry in self.direct) else self.proxy


def proxy_for(url: str, env: Mapping[str, str]) -> str | None:
    """The proxy that this environment names for this address. Raises ConfigError for one that is none."""
    return read_rule(env).of(url)


def read_rule(env: Mapping[str, str]) -> Rule:
    """Raises ConfigError for an HTTPS_PROXY that is no HTTP proxy, and a NO_PROXY whose network is none."""
    proxy = _cleaned(_value(env, HTTPS_PROXY))
    entries = [_cleaned(entry).lower() for entry in _value(env, NO_PROXY).split(",")]
    direct = tuple(entry for entry in entries if entry)
    for entry in direct:
        if "/" in entry:
            _network(entry)
    return Rule(proxy=_proxy(proxy) if proxy else None, direct=direct)


def is_local(host: str) -> bool:
    """Whether this is the machine itself."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    address = _address(host)
    return address is not None and address.is_loopback


def _proxy(text: str) -> str:
    """`host:port` is taken for `http://host:port`, as curl does."""
    url = text if "://" in text else f"http://{text}"
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        what = "is not the URL of an HTTP proxy"
        raise ConfigError(HTTPS_PROXY, what, "Set it to a URL like http://proxy.example:3128, or unset it.")
    return url


def _fits(entry: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    address = _address(host)
    if "/" in entry:
        return address is not None and address in _network(entry)
    if (bare := _address(entry.strip("[]"))) is not None:  # an IPv6 address has colons of its own
        return address == bare
    found = _ENTRY.fullmatch(entry)
    if found is None or (found["port"] and int(found["port"]) != port):
        return False
    named = found["host"].removeprefix("*").strip(".")
    if (bare := _address(named)) is not None:
        return address == bare
    return bool(named) and address is None and (host == named or host.endswith(f".{named}"))


def _network(entry: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(entry, strict=False)
    except ValueError:
        fix = "Write networks like 10.0.0.0/8"
        raise ConfigError(NO_PROXY, f"{entry} is not a network", fix) from None


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def _value(env: Mapping[str, str], name: str) -> str:
    return env.get(name.lower()) or env.get(name) or ""


def _cleaned(text: str) -> str:
    """Without what a shell or a file of variables leaves around a value."""
    return text.strip().strip("\"'").strip()


def place_of(url: str) -> str:
    """Host and port, and nothing else of an address."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return f"{f'[{host}]' if ':' in host else host}:{parts.port or _PORTS.get(parts.scheme, 443)}"


USUAL = httpx.Limits(max_connections=100, max_keepalive_connections=20)


#: The caller has written these headers, or left them out on purpose.
_OURS = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")


class _Connector(aiohttp.TCPConnector):
    """Takes no idle connection on which something arrived unasked: it would answer the next request."""

    async def _get(self, key: Any, traces: Any) -> Any:
        while (found := await super()._get(key, traces)) is not None:
            if found.protocol is not None and not found.protocol.should_close:
                return found
            found.close()
        return None


class _Direct(httpx.AsyncBaseTransport):
    """aiohttp's connections behind httpx, whose own take five times the CPU; sends each request once."""

    def __init__(self, *, trusted: ssl.SSLContext, limits: httpx.Limits) -> None:
        """To be made in the event loop. It keeps any number of idle connections until they expire."""
        connector = _Connector(
            ssl=trusted,
            limit=limits.max_connections or 0,
            keepalive_timeout=limits.keepalive_expiry,
            use_dns_cache=False,
            resolver=aiohttp.ThreadedResolver(),
        )
        self._session = aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
        )
        # Otherwise a GET is sent again by itself when the connection breaks; there is no public switch.
        self._session._retry_connection = False  # noqa: SLF001

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raises errors of httpx's kinds."""
        content, bounds = await request.aread(), request.extensions.get("timeout", {})
        encoding, url = request.headers.encoding, request.url
        bare = url.copy_with(userinfo=b"") if url.userinfo else url
        with _as_httpx(request):
            answer = await self._session.request(
                request.method,
                URL(str(bare), encoded=True),
                headers=[(name.decode("ascii"), value.decode(encoding)) for name, value in request.headers.raw],
                data=content or None,
                allow_redirects=False,
                skip_auto_headers=_OURS,
                timeout=aiohttp.ClientTimeout(
                    total=None, connect=bounds.get("connect"), sock_read=bounds.get("read")
                ),
            )
        return httpx.Response(
            answer.status,
            headers=answer.raw_headers,
            stream=_Body(answer, request),
            extensions={"reason_phrase": (answer.reason or "").encode(errors="replace")},
        )

    async def aclose(self) -> None:
        """Close what is open."""
        await self._session.close()


class _Body(httpx.AsyncByteStream):
    """Raw, as it comes."""

    def __init__(self, answer: aiohttp.ClientResponse, request: httpx.Request) -> None:
        self._answer, self._request = answer, request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _as_httpx(self._request):
            async for piece in self._answer.content.iter_any():
                yield piece

    async def aclose(self) -> None:
        """The connection is kept only where the body was read to its end."""
        self._answer.release()


@contextmanager
def _as_httpx(request: httpx.Request) -> Iterator[None]:
    try:
        yield
    except aiohttp.ConnectionTimeoutError as error:
        raise httpx.ConnectTimeout("", request=request) from error
    except aiohttp.ClientConnectorError as error:
        raise httpx.ConnectError("", request=request) from error
    except aiohttp.InvalidURL as error:
        raise httpx.UnsupportedProtocol("", request=request) from error
    except TimeoutError as error:
        raise httpx.ReadTimeout("", request=request) from error
    except aiohttp.ClientError as error:
        raise httpx.RemoteProtocolError("", request=request) from error
    except ValueError as error:
        raise httpx.LocalProtocolError("", request=request) from error


class Transport(httpx.AsyncBaseTransport):
    """Each request directly or through the proxy, as the rule says for its address; no redirect, no cookie."""

    def __init__(
        self,
        *,
        limits: httpx.Limits = USUAL,
        socket_options: Sequence[tuple[int, int, int]] | None = None,
        quick: bool = False,
        env: Mapping[str, str] = os.environ,
    ) -> None:
        """`quick` is for what is sent whole, and without options of its own.

        Raises ConfigError where the environment names a proxy or authorities that are none.
        """
        self._rule, self._trusted, self._quick = read_rule(env), trusted(env), quick
        self._limits, self._options = limits, socket_options
        self._ways: dict[str | None, httpx.AsyncBaseTransport] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raises `Unreached` or `UnreachedInTime`, which are httpx's own kinds, when nothing was sent."""
        proxy = self._rule.of(str(request.url.copy_with(userinfo=b""))) if self._rule.proxy else None
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
            failed = kind(said, request=request)
            failed.why = None if by else short_reason(error)
            raise failed from error

    async def aclose(self) -> None:
        """Close what is open."""
        for way in self._ways.values():
            await way.aclose()

    def _way(self, proxy: str | None) -> httpx.AsyncBaseTransport:
        if proxy not in self._ways and proxy is None and self._quick:
            self._ways[proxy] = _Direct(trusted=self._trusted, limits=self._limits)
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
    """A client that follows no redirect; its opener closes it. Raises ConfigError as `Transport` does."""
    return httpx.AsyncClient(
        transport=Transport(limits=limits, quick=True, env=env),
        timeout=timeout,
        base_url=base_url,
        headers=headers,
        follow_redirects=False,
        trust_env=False,
    )
