"""How Nod reaches others: which certificate authorities are trusted, and which proxy leads to an address.

The names that curl and most others read, in small or capital letters, the small ones first. Plain http goes
through no proxy: it stays in one's own network or on this machine.
"""

from __future__ import annotations

import ipaddress
import os
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import httpx

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
            raise ConfigError(FOLDER, f"{folder} is no folder", "Name folders of certificates, or unset it.")
    try:
        return ssl.create_default_context(cafile=file or None, capath=folders or None)
    except (OSError, ssl.SSLError) as error:
        what = f"{file} cannot be read as certificates ({type(error).__name__})"
        raise ConfigError(FILE, what, "Name a file of certificates in PEM, or unset it.") from error


def _exists(path: Path) -> bool:
    """Whether there may be authorities: a file with something in it, or a folder with any."""
    try:
        return any(path.iterdir()) if path.is_dir() else path.stat().st_size > 0
    except OSError:
        return False


HTTPS_PROXY, NO_PROXY = "HTTPS_PROXY", "NO_PROXY"
_PORTS = {"http": 80, "https": 443}
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
        usable = parts.scheme in _PORTS and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        what = "names no HTTP proxy"
        raise ConfigError(
            HTTPS_PROXY, what, "Set it to an address like http://proxy.example:3128, or unset it."
        )
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
        raise ConfigError(NO_PROXY, f"{entry} is no network", fix) from None


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
