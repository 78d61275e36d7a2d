"""A pager that POSTs alerts to an address of the operator's own, signed, so that nobody can forge one."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

from adapters.pagers.exchange import encoded, key_of, name_of
from bot.inert import inert

if TYPE_CHECKING:
    from datetime import datetime

    from adapters.pagers.exchange import Exchange
    from bot.records import Alert

SIGNATURE, TIMESTAMP = "X-Nod-Signature", "X-Nod-Timestamp"
#: Of the signature's make: another one may stand beside it one day.
VERSION = "v1"
#: Whatever a receiver of the operator's own answers when it took it.
TAKEN = range(200, 300)


def signature_of(body: bytes, *, timestamp: str, secret: str) -> str:
    """`v1=` and the hex HMAC-SHA256 over `<timestamp>.<body>`: a captured body cannot be sent later as new."""
    signed = timestamp.encode("ascii") + b"." + body
    return f"{VERSION}={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}"


class WebhookPager:
    """Implements `bot.ports.Pager`; the ref of a page is the alert's key, which each of its bodies carries."""

    def __init__(self, url: str, *, secret: str, exchange: Exchange) -> None:
        """`url` may hold a token and is told to nobody; `secret` is NOD_WEBHOOK_SECRET."""
        self._url, self._secret, self._exchange = url, secret, exchange

    @property
    def name(self) -> str:
        """`webhook:` and the hash of the address."""
        return name_of("webhook", self._url)

    async def page(self, alert: Alert, *, ref: str | None, attempted_at: datetime | None) -> str | None:
        """POST the alert as it is now: `alert`, or `mended` with how; either body tells the whole of it.

        Raises Unavailable or Forbidden.
        """
        key = key_of(alert)
        body = encoded(
            {
                "event": "alert" if alert.mended is None else "mended",
                "key": key,
                "request_id": alert.approval_id,
                "cause": alert.cause,
                "text": inert(alert.text),
                "raised_at": alert.raised_at.isoformat(),
                "mended": None if alert.mended is None else inert(alert.mended),
            }
        )

        def headers() -> dict[str, str]:
            timestamp = str(int(self._exchange.clock().timestamp()))
            signature = signature_of(body, timestamp=timestamp, secret=self._secret)
            return {TIMESTAMP: timestamp, SIGNATURE: signature}

        await self._exchange.post(self._url, body, to=self.name, taken=TAKEN, headers=headers)
        return key
