"""The variables of proxies and certificates, which the HTTP libraries read themselves, each in its own way.

`host:port` is a proxy for one library and an error for another, and a path in quotes names no file. So the
variables are put right once, before any client reads them.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from urllib.parse import urlsplit

from adapters.settings.variables import cleaned
from bot.errors import ConfigError

PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")
#: Taken as they are but for what stands around them.
OTHERS = ("NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")

_SCHEMES = ("http", "https", "socks5", "socks5h")


def put_right(variables: MutableMapping[str, str]) -> None:
    """Clean these variables in place; a proxy without a scheme gets `http://`, an empty one is none.

    Raises ConfigError, without the value, for what is no address of a proxy.
    """
    for name in (*PROXIES, *OTHERS, *map(str.lower, (*PROXIES, "NO_PROXY"))):
        if name not in variables:
            continue
        value = cleaned(variables[name])
        if not value:
            del variables[name]
            continue
        if name.upper() in PROXIES:
            value = _proxy(value, name)
        variables[name] = value


def _proxy(text: str, name: str) -> str:
    address = text if "://" in text else f"http://{text}"
    try:
        parts = urlsplit(address)
        usable = parts.scheme in _SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or any(char.isspace() for char in address):
        what = "is no address of a proxy"
        raise ConfigError(name, what, "Write it like http://proxy.acme.example:3128, or unset it.")
    return address
