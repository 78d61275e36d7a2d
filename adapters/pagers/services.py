"""Pagers that are services on the network: PagerDuty, Opsgenie, and signed webhooks of the operator's own.

Each page is one POST within bounds: sent once, no redirect followed, only the status read. PagerDuty's shapes
are those of github.com/PagerDuty/api-schema, reference/events-v2/openapiv3.json, its limits those of
developer.pagerduty.com/docs/events-api-v2/trigger-events. Opsgenie's are those of
docs.opsgenie.com/docs/alert-api; it answers 202 and works the alert off later.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

import httpx

from adapters.http import exchange, open_client, retry_after
from bot.errors import ConfigError, Forbidden, Unavailable
from bot.protocol import GLAIP, split_key
from bot.visible import inert

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Container, Iterable, Mapping
    from datetime import datetime

    from bot.ports import Clock, Pager
    from bot.protocol import Json
    from bot.records import Alert


#: Seconds of a whole POST, from the name lookup to the answer's status.
LIMIT = 10.0
#: Hex digits by which a pager is called: they tell a few keys and addresses apart, and give none away.
NAME_DIGITS = 8
#: What the link to the request's card is called.
OPEN_CARD = "Open card"


class Exchange:
    """POSTs over one client that all pagers share; its opener closes it."""

    def __init__(self, *, client: httpx.AsyncClient, clock: Clock, limit: float = LIMIT) -> None:
        """`limit` is in seconds; the client follows no redirect."""
        self._client, self._limit = client, limit
        self.clock = clock

    async def post(
        self,
        url: str,
        content: bytes,
        *,
        to: str,
        taken: Container[int],
        headers: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        """Hand `content`, which is JSON, to a service that operators know as `to`.

        Neither the address nor the answer's words are in any error: both may hold a secret.

        Raises:
            Unavailable: no answer in time, or a status that is neither in `taken` nor a refusal; for a 429
                with the seconds to wait, where the service named them.
            Forbidden: any other 4xx, or an address that cannot be used at all.
        """
        answer = await exchange(
            self._client,
            "POST",
            url,
            who=to,
            headers={"Content-Type": "application/json", **headers()},
            content=content,
            limit=self._limit,
            largest=None,
        )
        status = answer.status
        if status in taken:
            return
        said = f"{to} answered {status}"
        if status == httpx.codes.TOO_MANY_REQUESTS:
            raise Unavailable(said, retry_after=retry_after(answer.headers.get("Retry-After"), self.clock()))
        if httpx.codes.is_client_error(status):
            raise Forbidden(said)
        raise Unavailable(f"{said}, a redirect, which Nod does not follow" if 300 <= status < 400 else said)


def name_of(kind: str, secret: str) -> str:
    """`pagerduty:1a2b3c4d`: a pager's name in rows and logs, by the SHA-256 of its key or address."""
    return f"{kind}:{hashlib.sha256(secret.encode()).hexdigest()[:NAME_DIGITS]}"


def key_of(alert: Alert) -> str:
    """`nod/<request id>/<cause>`: one alert's key, the same whenever and wherever it is told."""
    return f"nod/{alert.approval_id}/{alert.cause}"


def about(alert: Alert) -> dict[str, Json]:
    """The request's own id, or what else it is about; with its source, unless that is `glaip`."""
    source, request_id = split_key(alert.approval_id)
    return {"request_id": request_id, **({} if source == GLAIP else {"source": source})}


def shortened(text: str, longest: int) -> str:
    """At most so many characters; a cut is shown."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def encoded(value: Mapping[str, Json]) -> bytes:
    """JSON in ASCII: what is signed is what is sent, whatever a receiver makes of its bytes."""
    return json.dumps(value, separators=(",", ":")).encode("ascii")


#: Characters of a message, a description and a note; an alias may have 512, and ours stay far below that.
LONGEST_MESSAGE, LONGEST_DESCRIPTION, LONGEST_NOTE = 130, 15_000, 25_000
#: P1 to P5: one to be woken by, and one that is over already.
PRIORITY, PRIORITY_RESOLVED = "P2", "P5"
ACCEPTED = (202,)

_PLAIN_ID = re.compile(r"[A-Za-z0-9._-]{1,200}")


def alias_of(alert: Alert) -> str:
    """`nod:<request id>:<cause>`, without a slash, because it is part of a URL.

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
        """Create the alert, and close it once it is resolved; a second create only raises its count there.

        An alert that was resolved before Opsgenie accepted it is created with the lowest priority and closed at
        once, because an attempt without an answer may have paged someone.

        Raises Unavailable or Forbidden.
        """
        alias = ref or alias_of(alert)
        if ref is None or alert.resolved is None:
            await self._post("", _alert_of(alert, alias))
        if alert.resolved is not None:
            note = shortened(inert(alert.resolved), LONGEST_NOTE)
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
    linked = f"{OPEN_CARD}: {alert.link}" if alert.link else ""
    whole = "\n\n".join(part for part in (text, inert(alert.resolved or ""), linked) if part)
    details: dict[str, Json] = {**about(alert), "cause": alert.cause}
    return {
        "alias": alias,
        "message": shortened(text, LONGEST_MESSAGE),
        "description": shortened(whole, LONGEST_DESCRIPTION),
        "priority": PRIORITY if alert.resolved is None else PRIORITY_RESOLVED,
        "source": "nod",
        "details": details | ({"card": alert.link} if alert.link else {}),
    }


#: Characters of a summary and of a dedup_key.
LONGEST_SUMMARY, LONGEST_KEY = 1024, 255
#: The only status that means taken; a 200 comes from something in between.


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
        """Trigger the alert, and resolve it once it is over here; repeating either changes nothing there.

        An alert that was resolved before PagerDuty accepted it is triggered as `info` and resolved at once: it
        is on record, and someone paged by an attempt without an answer sees it end.

        Raises Unavailable or Forbidden.
        """
        key = ref or dedup_key_of(alert)
        if ref is None or alert.resolved is None:
            links: list[Json] = [{"href": alert.link, "text": OPEN_CARD}] if alert.link else []
            more: dict[str, Json] = {"links": links} if links else {}
            await self._enqueue("trigger", key, payload=_payload_of(alert), **more)
        if alert.resolved is not None:
            await self._enqueue("resolve", key)
        return key

    async def _enqueue(self, action: str, key: str, **more: Json) -> None:
        event = {"routing_key": self._routing_key, "event_action": action, "dedup_key": key, **more}
        await self._exchange.post(self._url, encoded(event), to=self.name, taken=ACCEPTED)


def _payload_of(alert: Alert) -> dict[str, Json]:
    details: dict[str, Json] = {**about(alert), "cause": alert.cause}
    if alert.resolved is not None:
        details["mended"] = inert(alert.resolved)
    return {
        "summary": shortened(inert(alert.text), LONGEST_SUMMARY),
        "source": "nod",
        "severity": "error" if alert.resolved is None else "info",
        "timestamp": alert.raised_at.isoformat(),
        "class": alert.cause,
        "custom_details": details,
    }


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
                "event": "alert" if alert.resolved is None else "mended",
                "key": key,
                **about(alert),
                "cause": alert.cause,
                "text": inert(alert.text),
                "raised_at": alert.raised_at.isoformat(),
                "link": alert.link,
                "mended": None if alert.resolved is None else inert(alert.resolved),
            }
        )

        def headers() -> dict[str, str]:
            timestamp = str(int(self._exchange.clock().timestamp()))
            signature = signature_of(body, timestamp=timestamp, secret=self._secret)
            return {TIMESTAMP: timestamp, SIGNATURE: signature}

        await self._exchange.post(self._url, body, to=self.name, taken=TAKEN, headers=headers)
        return key


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a pager is made with, besides its own address or key."""

    exchange: Exchange
    urls: Mapping[str, str]  #: of the services, by kind
    webhook_secret: str | None


def _webhook(url: str, given: Given) -> Pager:
    if not given.webhook_secret:
        raise ConfigError(
            "NOD_WEBHOOK_SECRET", "is not set", "Set it to a secret. Nod signs its webhooks with it."
        )
    return WebhookPager(url, secret=given.webhook_secret, exchange=given.exchange)


#: By the word under `alerts:`, how each is made of what follows the word: `adapters.settings.destinations` has
#: its form.
PAGERS: Mapping[str, Callable[[str, Given], Pager]] = {
    "pagerduty": lambda key, given: PagerDutyPager(key, url=given.urls["pagerduty"], exchange=given.exchange),
    "opsgenie": lambda key, given: OpsgeniePager(key, url=given.urls["opsgenie"], exchange=given.exchange),
    "webhook": _webhook,
}


@asynccontextmanager
async def open_pagers(
    named: Iterable[tuple[str, str]],
    *,
    webhook_secret: str | None,
    urls: Mapping[str, str],
    clock: Clock,
    limit: float = LIMIT,
) -> AsyncIterator[dict[str, Pager]]:
    """The pagers by their names, for pairs of a kind of `PAGERS` and address or key.

    `urls` are those of the services, by kind. The same pair twice is one pager; `limit` is in seconds, of one
    POST. Nothing is sent yet. Raises ConfigError for a webhook without a secret: its alerts could be forged.
    """
    async with open_client(timeout=limit) as client:
        given = Given(
            exchange=Exchange(client=client, clock=clock, limit=limit), urls=urls, webhook_secret=webhook_secret
        )

        def made(kind: str, value: str) -> Pager:
            if kind not in PAGERS:
                raise ConfigError("alerts", f"{kind} is not a pager", f"Choose one of: {', '.join(PAGERS)}.")
            return PAGERS[kind](value, given)

        pagers = [made(kind, value) for kind, value in named]
        yield {pager.name: pager for pager in pagers}
