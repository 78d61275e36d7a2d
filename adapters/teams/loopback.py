"""Before the endpoint that asks for no token: only what was sent on this machine, to this machine, comes in.

A page in a browser here can have its own name point to 127.0.0.1 (DNS rebinding), and a tunnel brings in
strangers. Both name another host than this machine, or say that they forward.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Protocol
from urllib.parse import urlsplit

import structlog

from bot.ports import Metrics

Reply = tuple[int, dict[str, str], bytes]  #: status, headers, body

FOREIGN = "without authentication, Nod accepts requests only from this machine"

log = structlog.get_logger(__name__)


class Receives(Protocol):
    """Answers one request: (status, headers, body)."""

    async def receive(self, headers: Mapping[str, str], body: bytes) -> Reply: ...


class LoopbackOnly:
    """Answers 403 to whatever came from elsewhere, before anything of it is read."""

    def __init__(self, *, receiver: Receives, metrics: Metrics) -> None:
        """`count` is told of each refusal."""
        self._receiver, self._metrics = receiver, metrics

    async def receive(self, headers: Mapping[str, str], body: bytes) -> Reply:
        """The receiver's answer, or the refusal."""
        if is_from_here(headers):
            return await self._receiver.receive(headers, body)
        self._metrics.count("teams_request_refused")
        log.warning("teams_request_refused", status=403, cause=FOREIGN)
        return 403, {"content-type": "text/plain; charset=utf-8"}, FOREIGN.encode()


def is_from_here(headers: Mapping[str, str]) -> bool:
    """Whether `Host` names this machine, and no proxy says that it forwards (RFC 7239, and `X-Forwarded-*`)."""
    given = {name.lower(): value for name, value in headers.items()}
    if any(name == "forwarded" or name.startswith("x-forwarded-") for name in given):
        return False
    try:
        host = urlsplit(f"//{given.get('host', '')}").hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
