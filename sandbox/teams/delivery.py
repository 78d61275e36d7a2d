"""Brings what happened to the bot's messaging endpoint, signed, and keeps what it answered."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import httpx

from sandbox.teams.tokens import Minter

#: respond-to-task-module-submit: an answer within 5 seconds; then the client sends the invoke again, twice.
ANSWER_SECONDS = 5.0
REPEATS = 2
#: msteams-docs issue 6084: the service gives up on other activities after 15 seconds.
PATIENCE_SECONDS = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryResult:
    """What became of one activity: the bot's answer, and what the person sees of it."""

    status: int  #: HTTP status; 0 when nothing answered in time
    body: str = ""
    took: float = 0.0  #: seconds until the answer, repeats included
    attempts: int = 1
    shown: str = ""  #: the client's own warning, empty when all went well
    told: str = ""  #: what the bot tells this person, by an answer of the type activity.message
    activity: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """The bot answered well, and the client could use the answer."""
        return 200 <= self.status < 300 and not self.shown

    def answer(self) -> dict[str, Any]:
        """The JSON object in the bot's answer, empty when there is none."""
        try:
            parsed = json.loads(self.body) if self.body else {}
        except ValueError:
            return {}
        return parsed if isinstance(parsed, dict) else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One request exactly as it went out, to be replayed byte for byte."""

    activity: Mapping[str, Any]
    body: bytes
    headers: Mapping[str, str]


class Delivery:
    """Sends activities; remembers them all."""

    def __init__(
        self, *, http: httpx.AsyncClient, minter: Minter, answer_seconds: float = ANSWER_SECONDS
    ) -> None:
        """`answer_seconds` is shortened only by tests."""
        self._http = http
        self._minter = minter
        self._answer_seconds = answer_seconds
        self.request_url: str | None = None
        self.sent: list[Sent] = []

    def headers(self, token: str | None) -> dict[str, str]:
        """The headers of an activity, with a token or without."""
        base = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "BF-DirectLine (Microsoft-BotFramework/3.2 +https://botframework.com/ua)",
        }
        return base if token is None else {**base, "Authorization": f"Bearer {token}"}

    async def deliver(self, activity: Mapping[str, Any]) -> DeliveryResult:
        """Send one activity; an invoke that gets no answer is sent again, each time with a fresh token."""
        invoke = activity["type"] == "invoke"
        began, result = time.monotonic(), DeliveryResult(status=0)
        for attempt in range(1, 2 + (REPEATS if invoke else 0)):
            token = self._minter.token(str(activity["serviceUrl"]))
            sent = self.pack(activity, self.headers(token))
            result = await self.send(sent, within=self._answer_seconds if invoke else PATIENCE_SECONDS)
            result = replace(result, attempts=attempt, took=time.monotonic() - began)
            if result.status or self.request_url is None:
                break
        return result

    def pack(self, activity: Mapping[str, Any], headers: Mapping[str, str]) -> Sent:
        """An activity as bytes, with these headers."""
        body = json.dumps(activity, ensure_ascii=False).encode("utf-8", "surrogatepass")
        return Sent(activity=activity, body=body, headers=headers)

    async def replay(self) -> DeliveryResult:
        """The last request once more, byte for byte. Raises LookupError when nothing was sent yet."""
        if not self.sent:
            raise LookupError("nothing was delivered yet")
        return await self.send(self.sent[-1])

    async def send(self, sent: Sent, *, within: float = PATIENCE_SECONDS) -> DeliveryResult:
        """One request, whatever it carries; `within` in seconds."""
        self.sent.append(sent)
        began = time.monotonic()
        if self.request_url is None:
            return DeliveryResult(status=0, activity=sent.activity)
        try:
            reply = await self._http.post(
                self.request_url, content=sent.body, headers=dict(sent.headers), timeout=within
            )
        except httpx.HTTPError:
            return DeliveryResult(status=0, took=time.monotonic() - began, activity=sent.activity)
        took = time.monotonic() - began
        return DeliveryResult(status=reply.status_code, body=reply.text, took=took, activity=sent.activity)
