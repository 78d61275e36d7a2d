"""PagerDuty as a pager: an alert triggers an event, and what came right resolves it (Events API v2).

The shapes are those of github.com/PagerDuty/api-schema, reference/events-v2/openapiv3.json; the limits those of
developer.pagerduty.com/docs/events-api-v2/trigger-events.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from adapters.pagers.exchange import encoded, key_of, name_of, shortened
from bot.inert import inert

if TYPE_CHECKING:
    from datetime import datetime

    from adapters.pagers.exchange import Exchange
    from bot.protocol import Json
    from bot.records import Alert

#: Characters of a summary and of a dedup_key.
LONGEST_SUMMARY, LONGEST_KEY = 1024, 255
#: The only status that means taken; a 200 comes from something in between.
ACCEPTED = (202,)


def dedup_key_of(alert: Alert) -> str:
    """`nod/<request id>/<cause>`; a request id too long for PagerDuty is told by its SHA-256."""
    key = key_of(alert)
    if len(key) <= LONGEST_KEY:
        return key
    digest = hashlib.sha256(alert.approval_id.encode("utf-8", "surrogatepass")).hexdigest()
    return f"nod/{digest}/{alert.cause}"


class PagerDutyPager:
    """Implements `bot.ports.Pager` for one integration; the ref of a page is its dedup_key."""

    def __init__(self, routing_key: str, *, url: str, exchange: Exchange) -> None:
        """`routing_key` is the integration's; `url` the address of the Events API, without `/v2`."""
        self._routing_key, self._exchange = routing_key, exchange
        self._url = f"{url.rstrip('/')}/v2/enqueue"

    @property
    def name(self) -> str:
        """`pagerduty:` and the hash of the routing key."""
        return name_of("pagerduty", self._routing_key)

    async def page(self, alert: Alert, *, ref: str | None, attempted_at: datetime | None) -> str | None:
        """Trigger the alert, and resolve it once it came right; repeating either changes nothing there.

        What came right before PagerDuty ever took it is triggered as `info` and resolved at once: it is on
        record, and whoever had it from a try without an answer is relieved. Raises Unavailable or Forbidden.
        """
        key = ref or dedup_key_of(alert)
        if ref is None or alert.mended is None:
            await self._enqueue("trigger", key, payload=_payload_of(alert))
        if alert.mended is not None:
            await self._enqueue("resolve", key)
        return key

    async def _enqueue(self, action: str, key: str, **more: Json) -> None:
        event = {"routing_key": self._routing_key, "event_action": action, "dedup_key": key, **more}
        await self._exchange.post(self._url, encoded(event), to=self.name, taken=ACCEPTED)


def _payload_of(alert: Alert) -> dict[str, Json]:
    details: dict[str, Json] = {"request_id": alert.approval_id, "cause": alert.cause}
    if alert.mended is not None:
        details["mended"] = inert(alert.mended)
    return {
        "summary": shortened(inert(alert.text), LONGEST_SUMMARY),
        "source": "nod",
        "severity": "error" if alert.mended is None else "info",
        "timestamp": alert.raised_at.isoformat(),
        "class": alert.cause,
        "custom_details": details,
    }
