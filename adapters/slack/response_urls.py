"""The address that comes with a press: by it the pressed message changes past chat.update's limit.

docs.slack.dev/interactivity/handling-user-interaction: five uses within thirty minutes, without a token. It is
a key to the message, so it stays in memory and in no log, and goes nowhere but to Slack.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urlsplit

import aiohttp
import structlog

from adapters.http import proxy_for, trusted

USES = 5
LIFE = 1_800.0  #: seconds
LONGEST = 1_000  #: characters of such an address
MOST = 5_000  #: messages whose addresses are kept; beyond that the oldest goes
#: Where Slack's own addresses lead.
HOST, PATH = "hooks.slack.com", "/actions/"
TIMEOUT = aiohttp.ClientTimeout(total=2, connect=1)  #: seconds; what takes longer is done by chat.update
PORTS = {"https": 443, "http": 80}

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Kept:
    url: str = field(repr=False)
    until: float
    left: int = USES


class ResponseUrls:
    """The last address of each message that was pressed."""

    def __init__(self, *, session: aiohttp.ClientSession, api_url: str, monotonic: Callable[[], float]) -> None:
        """`api_url` is the Web API's: addresses of the same origin are good, too. `monotonic` in seconds."""
        self._session, self._monotonic = session, monotonic
        self._tls = trusted()  # reading all roots takes a while
        self._api = _origin(urlsplit(api_url))
        self._kept: dict[tuple[str, str], _Kept] = {}

    def keep(self, channel: str, ref: str, url: str | None) -> None:
        """Remember the address of this message, if it may be called at all."""
        if url is None or not self._is_slacks(url):
            return
        now = self._monotonic()
        self._kept.pop((channel, ref), None)
        self._kept[channel, ref] = _Kept(url, until=now + LIFE)
        for key in [key for key, kept in self._kept.items() if kept.until <= now]:
            del self._kept[key]
        while len(self._kept) > MOST:
            del self._kept[next(iter(self._kept))]

    async def replace(self, channel: str, ref: str, message: Mapping[str, Any]) -> bool:
        """Whether the message shows this now. False: it may not, and chat.update has to do it."""
        kept = self._kept.get((channel, ref))
        if kept is None or not kept.left or kept.until <= self._monotonic():
            self._kept.pop((channel, ref), None)
            return False
        kept.left -= 1
        try:
            async with self._session.post(
                kept.url,
                json={**message, "replace_original": True},
                allow_redirects=False,
                ssl=self._tls,
                proxy=proxy_for(kept.url, os.environ),
                timeout=TIMEOUT,
            ) as answer:
                refused = None if answer.status == 200 else f"HTTP {answer.status}"
        except (aiohttp.ClientError, OSError, ValueError) as error:  # a TimeoutError is an OSError
            refused = type(error).__name__
        if refused is not None:
            # It can be used up, too old, or its message gone: chat.update will tell.
            self._kept.pop((channel, ref), None)
            log.info("response_url_refused", channel=channel, reason=refused)
        return refused is None

    def _is_slacks(self, url: str) -> bool:
        if len(url) > LONGEST or not url.isascii() or any(c in url for c in "\\ \t\r\n"):
            return False
        try:
            parts = urlsplit(url)
            origin = _origin(parts)
        except ValueError:
            return False
        if "@" in parts.netloc:
            return False
        ours = origin == ("https", HOST, PORTS["https"]) and parts.path.startswith(PATH)
        return ours or origin == self._api


def _origin(parts: SplitResult) -> tuple[str, str | None, int | None]:
    return parts.scheme, parts.hostname, parts.port or PORTS.get(parts.scheme)
