"""Opsgenie as a pager: an alert under an alias, closed once it came right (Alert API).

Shapes and limits are those of docs.opsgenie.com/docs/alert-api. Opsgenie answers 202, and works it off later.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from adapters.pagers.exchange import encoded, name_of, shortened
from bot.inert import inert

if TYPE_CHECKING:
    from datetime import datetime

    from adapters.pagers.exchange import Exchange
    from bot.protocol import Json
    from bot.records import Alert

#: Characters of a message, a description and a note; an alias may have 512, and ours stay far below that.
LONGEST_MESSAGE, LONGEST_DESCRIPTION, LONGEST_NOTE = 130, 15_000, 25_000
#: P1 to P5: one to be woken by, and one that is over already.
PRIORITY, PRIORITY_MENDED = "P2", "P5"
ACCEPTED = (202,)

_PLAIN_ID = re.compile(r"[A-Za-z0-9._-]{1,200}")


def alias_of(alert: Alert) -> str:
    """`nod:<request id>:<cause>`, without a slash, since it stands in an address.

    A request id that is long, or has other characters than letters, digits, `.`, `_` and `-`, is told by
    its SHA-256.
    """
    request = alert.approval_id
    if not _PLAIN_ID.fullmatch(request):
        request = hashlib.sha256(request.encode("utf-8", "surrogatepass")).hexdigest()
    return f"nod:{request}:{alert.cause}"


class OpsgeniePager:
    """Implements `bot.ports.Pager` for one API integration; the ref of a page is its alias."""

    def __init__(self, api_key: str, *, url: str, exchange: Exchange) -> None:
        """`api_key` is an API integration's; `url` the address of the API, without `/v2`."""
        self._api_key, self._exchange = api_key, exchange
        self._url = f"{url.rstrip('/')}/v2/alerts"

    @property
    def name(self) -> str:
        """`opsgenie:` and the hash of the API key."""
        return name_of("opsgenie", self._api_key)

    async def page(self, alert: Alert, *, ref: str | None, attempted_at: datetime | None) -> str | None:
        """Create the alert, and close it once it came right; a second create only counts up there.

        What came right before Opsgenie ever took it is created with the lowest priority and closed at once,
        as whoever had it from a try without an answer must be relieved. Raises Unavailable or Forbidden.
        """
        alias = ref or alias_of(alert)
        if ref is None or alert.mended is None:
            await self._post("", _alert_of(alert, alias))
        if alert.mended is not None:
            note = shortened(inert(alert.mended), LONGEST_NOTE)
            close = f"/{quote(alias, safe='')}/close?identifierType=alias"
            await self._post(close, {"source": "nod", "note": note})
        return alias

    async def _post(self, path: str, body: dict[str, Json]) -> None:
        await self._exchange.post(
            f"{self._url}{path}", encoded(body), to=self.name, taken=ACCEPTED, headers=self._headers
        )

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"GenieKey {self._api_key}"}


def _alert_of(alert: Alert, alias: str) -> dict[str, Json]:
    text = inert(alert.text)
    whole = text if alert.mended is None else f"{text}\n\n{inert(alert.mended)}"
    return {
        "alias": alias,
        "message": shortened(text, LONGEST_MESSAGE),
        "description": shortened(whole, LONGEST_DESCRIPTION),
        "priority": PRIORITY if alert.mended is None else PRIORITY_MENDED,
        "source": "nod",
        "details": {"request_id": alert.approval_id, "cause": alert.cause},
    }
