"""Brings what a person did to the app: signed HTTP to its request URL, or an envelope on its socket."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx

from sandbox.slack.signing import signed_headers
from sandbox.slack.sockets import Sockets

#: docs.slack.dev/interactivity/handling-user-interaction: acknowledge within 3 seconds.
ACK_SECONDS = 3.0
NO_ANSWER = "This app did not respond"
TROUBLE = "We had some trouble connecting. Try again?"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryResult:
    """What became of one user action: the app's answer, and what the person sees of it."""

    status: int  #: HTTP status; 0 when nothing answered in time; an acked envelope counts as 200
    body: str = ""
    took: float = 0.0  #: seconds until the answer
    shown: str = ""  #: the warning that Slack shows to the person, empty when all went well
    errors: Mapping[str, str] = field(default_factory=dict)  #: by block_id, inside a modal
    payload: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """The app acknowledged in time."""
        return 200 <= self.status < 300

    def answer(self) -> dict[str, Any]:
        """The JSON object in the app's answer, empty when there is none."""
        try:
            parsed = json.loads(self.body) if self.body else {}
        except ValueError:
            return {}
        return parsed if isinstance(parsed, dict) else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One delivery exactly as it went out, to be replayed byte for byte."""

    payload: Mapping[str, Any]
    body: bytes
    headers: Mapping[str, str]
    url: str | None  #: None when it went over the socket


class Delivery:
    """Sends payloads; remembers the last one. Goes over a socket whenever one is connected, as Slack does."""

    def __init__(
        self,
        *,
        http: httpx.AsyncClient,
        sockets: Sockets,
        signing_secret: str,
        wall: Callable[[], float] = time.time,
        ack_seconds: float = ACK_SECONDS,
    ) -> None:
        """`wall` gives Unix seconds for the signature; `ack_seconds` is shortened only by tests."""
        self._http = http
        self._sockets = sockets
        self._secret = signing_secret
        self._wall = wall
        self._ack_seconds = ack_seconds
        self.request_url: str | None = None
        self.sent: list[Sent] = []

    async def deliver(self, payload: Mapping[str, Any]) -> DeliveryResult:
        """Send one payload. An app without socket and without request URL is shown as not responding."""
        if self._sockets.connected:
            envelope = self._sockets.envelope(payload)
            return await self._send(Sent(payload=payload, body=envelope, headers={}, url=None))
        body = urlencode({"payload": json.dumps(payload, ensure_ascii=False)}).encode()
        headers = signed_headers(secret=self._secret, timestamp=str(int(self._wall())), body=body)
        return await self._send(Sent(payload=payload, body=body, headers=headers, url=self.request_url))

    async def replay(self) -> DeliveryResult:
        """The last delivery once more, byte for byte: an attacker's replay, or a socket's second try.

        Raises LookupError when nothing was delivered yet.
        """
        if not self.sent:
            raise LookupError("nothing was delivered yet")
        return await self._send(self.sent[-1])

    async def _send(self, sent: Sent) -> DeliveryResult:
        self.sent.append(sent)
        began = time.monotonic()
        if sent.url is None:
            status, body = await self._sockets.send(sent.body, within=self._ack_seconds)
        else:
            status, body = await self._post(sent, url=sent.url)
        took = time.monotonic() - began
        shown = "" if 200 <= status < 300 else NO_ANSWER
        return DeliveryResult(status=status, body=body, took=took, shown=shown, payload=sent.payload)

    async def _post(self, sent: Sent, *, url: str) -> tuple[int, str]:
        try:
            reply = await self._http.post(
                url, content=sent.body, headers=dict(sent.headers), timeout=self._ack_seconds
            )
        except httpx.HTTPError:
            return 0, ""
        return reply.status_code, reply.text
