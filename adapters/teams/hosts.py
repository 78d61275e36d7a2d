"""Which hosts a token may go to and come from. Pure.

The Connector names its own address in each activity, and whoever could choose it would be sent the bot's token;
the SDK follows any (teams.md, defect 13).
"""

from __future__ import annotations

from urllib.parse import urlsplit

#: The Connector of the public cloud (msteams-docs, send-proactive-messages, `serviceUrl`).
SERVICE_HOSTS = ("smba.trafficmanager.net",)

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def is_service(url: str, hosts: tuple[str, ...]) -> bool:
    """Whether this is an address of one of these hosts (`name` or `name:port`), without surprises in it.

    HTTPS, or HTTP on this machine alone; no user, query or fragment.
    """
    if not url.isascii() or not url.isprintable() or "\\" in url or " " in url:
        return False
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        return False
    if parts.scheme != "https" and not (parts.scheme == "http" and host in _LOOPBACK):
        return False
    if not host or "@" in parts.netloc or "?" in url or "#" in url:
        return False
    allowed = {name.lower() for name in hosts}
    if port is None or (parts.scheme, port) == ("https", 443):
        return host in allowed
    # Another port is another service, except on this machine, where tests take whichever is free.
    return f"{host}:{port}" in allowed or (host in _LOOPBACK and host in allowed)


def same_service(one: str, other: str) -> bool:
    """Whether two addresses are the same but for a slash at the end."""
    return one.rstrip("/") == other.rstrip("/")
