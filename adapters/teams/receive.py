"""One HTTP request to the bot's endpoint: read, checked, answered; whatever it is, the answer is below 500.

Activities: bot-docs, "Activity schema"; as far as Nod reads them they stand in `openapi.json`.

Answers: work-with-universal-actions ("Adaptive Card invoke response"): HTTP 200 with statusCode, type and
value. A refused token is 401, a wrong address or tenant 403.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any, Protocol

import structlog

from adapters.chat.background import BackgroundTasks
from adapters.chat.click_errors import ClickErrors
from adapters.chat.endpoint import endpoint_of
from adapters.chat.payload import Malformed
from adapters.teams.clicks import Clicks, Shown
from adapters.teams.follow_ups import FollowUps
from adapters.teams.modals import PRESS_AGAIN
from adapters.teams.payloads import (
    ACTION,
    Arrived,
    Untrusted,
    activity_in,
    arrived_in,
    read_invoke,
    read_submit,
)
from adapters.teams.places import Events
from adapters.teams.replies import Answered, Replies
from bot.ports import Metrics

Reply = tuple[int, dict[str, str], bytes]  #: status, headers, body

#: Seconds for the answer to a press: Teams waits five, then repeats it.
IN_TIME = 4.5

PLAIN = {"content-type": "text/plain; charset=utf-8"}
CARD = "application/vnd.microsoft.card.adaptive"
MESSAGE = "application/vnd.microsoft.activity.message"
ERROR = "application/vnd.microsoft.error"

log = structlog.get_logger(__name__)


def operation(*, signed: bool) -> Mapping[str, Any]:
    """The operation; `signed` unless the bot has no app id, and then only this machine may speak to it."""
    whole: Mapping[str, Any] = endpoint_of(__package__)["operation"]
    answers = {status: answer for status, answer in whole["responses"].items() if signed or status != "401"}
    return {**whole, "security": whole["security"] if signed else [], "responses": answers}


def schemes(*, signed: bool) -> Mapping[str, Any]:
    """The token that the Bot Connector sends along."""
    return endpoint_of(__package__)["schemes"] if signed else {}


class Gate(Protocol):
    """Whether an activity may come in. Raises Untrusted."""

    async def check(self, authorization: str | None, activity: Mapping[str, Any]) -> None:
        """Returns when it may."""
        ...


class Receiver:
    """Everything that comes in, to its answer."""

    def __init__(
        self,
        *,
        gate: Gate,
        clicks: Clicks,
        events: Events,
        after: FollowUps,
        answered: Answered,
        replies: Replies,
        background: BackgroundTasks,
        metrics: Metrics,
        in_time: float = IN_TIME,
    ) -> None:
        """`count` is told the name of each event that an operator may want a number of."""
        self._gate, self._clicks, self._events = gate, clicks, events
        self._after, self._answered, self._replies, self._background = after, answered, replies, background
        self._metrics, self._in_time, self._broken = metrics, in_time, ClickErrors(metrics=metrics)

    async def receive(self, headers: Mapping[str, str], body: bytes) -> Reply:
        """Answer one request: (status, headers, body). Never raises, never 500."""
        given = {name.lower(): value for name, value in headers.items()}
        try:
            activity = activity_in(given, body)
            await self._gate.check(given.get("authorization"), activity)
            arrived = arrived_in(activity)
        except Untrusted as refusal:
            return self._refusal(refusal.status, str(refusal))
        except Malformed as error:
            return self._refusal(400, f"not a Teams activity ({error})")
        return await self._taken(arrived)

    async def _taken(self, arrived: Arrived) -> Reply:
        """The one catch-all around one activity: without it, one broken click would look like Teams' fault."""
        try:
            if arrived.type == "invoke":
                return await self._invoke(arrived)
            if arrived.type in ("installationUpdate", "conversationUpdate"):
                self._background.send(self._events.changed(arrived), name="conversation_changed")
            elif arrived.type == "message":
                await self._message(arrived)
            else:
                log.info("unknown_activity", kind=arrived.type[:40])
        except Malformed as error:
            return self._malformed(error, arrived)
        except Exception as error:  # noqa: BLE001 - counted and logged; they are told to press again
            self._broken.note(error)
            return _failed()
        return 200, PLAIN, b""

    async def _invoke(self, arrived: Arrived) -> Reply:
        if arrived.name != ACTION:
            log.info("unknown_invoke", name=(arrived.name or "")[:40])
            return _json(200, {})
        press = read_invoke(arrived)
        self._background.send(self._events.heard(arrived), name="conversation_heard")
        try:
            with nullcontext() if press.automatic else self._replies.answering(press.conversation, press.ref):
                async with asyncio.timeout(self._in_time):
                    shown = await self._answered.once(arrived, lambda: self._clicks.pressed(press))
        except TimeoutError:
            self._late()
            return _failed()
        if shown.duplicate:
            self._after.mark_duplicate(press)
        if shown.content is not None:
            return _answer(200, CARD, shown.content)
        # Nothing to show in its place: the card that is there may stay.
        return _answer(400, ERROR, {"code": "NothingToShow", "message": "Nod did not change this card."})

    async def _message(self, arrived: Arrived) -> None:
        """The fallback of a client without Action.Execute; its answer goes to the person's own chat."""
        press = read_submit(arrived)
        self._background.send(self._events.heard(arrived), name="conversation_heard")
        if press is None:
            if arrived.asks_for_help:
                self._after.help(arrived)
            return
        shown: Shown | None = None
        try:
            async with asyncio.timeout(self._in_time):
                shown = await self._answered.once(arrived, lambda: self._clicks.pressed(press))
        except TimeoutError:
            self._late()
        finally:
            if shown is None:  # this client shows no answer, so silence would look like a vote
                self._after.press_again(press.account)
        if shown is not None and shown.duplicate:
            self._after.mark_duplicate(press)
        if shown is not None and shown.content is not None:
            self._after.tell(press, shown.content)

    def _late(self) -> None:
        self._metrics.count("click_late")
        log.warning("click_late", seconds=self._in_time)

    def _malformed(self, error: Malformed, arrived: Arrived) -> Reply:
        self._metrics.count("click_malformed")
        log.warning("click_malformed", part=str(error))
        if arrived.type != "invoke":
            return 400, PLAIN, b"not a press of a button of Nod's"
        said = {"code": "BadRequest", "message": "This is not one of Nod's buttons."}
        return _answer(400, ERROR, said)

    def _refusal(self, status: int, cause: str) -> Reply:
        self._metrics.count("teams_request_refused")
        log.warning("teams_request_refused", status=status, cause=cause)
        return status, PLAIN, cause.encode()


def _failed() -> Reply:
    return _answer(500, ERROR, {"code": "InternalServerError", "message": PRESS_AGAIN})


def _answer(status: int, kind: str, value: Any) -> Reply:
    """An invoke response: its own status is inside, the HTTP status is 200."""
    return _json(200, {"statusCode": status, "type": kind, "value": value})


def _json(status: int, value: Any) -> Reply:
    return status, {"content-type": "application/json; charset=utf-8"}, json.dumps(value).encode()
