"""Faults on demand: what a network and a tired server do to a client, by rule, in front of any sandbox app.

A rule names a method and a path and says what goes wrong there, how often. Rules are tried in order;
the first one that matches and has turns left is the one that acts. HTTP only: websockets pass untouched.
"""

from __future__ import annotations

import asyncio
import json
import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.serve import HANG_UP

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Where the rules are read and written from outside; never itself subject to a rule.
CONTROL_PATH = "/sandbox/faults"

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]

#: Answers that end with their head (RFC 9110, 15.3.5, 15.3.6 and 15.4.5).
_BODILESS = (204, 205, 304)
#: What a header may be called and hold (RFC 9110, 5.1 and 5.5): no line break gets out.
_FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FIELD_VALUE = re.compile(r"[\t -~\x80-\xff]*")
#: Headers that say where an answer ends.
_FRAMING = ("content-length", "transfer-encoding")


class Rule(BaseModel):
    """One thing that goes wrong. With nothing but `method` and `path` it only counts.

    Without `status` and `reset` the real answer is given: late (`delay`), slowly (`drip`) or in part
    (`truncate`, `cut_after`).
    """

    model_config = ConfigDict(extra="forbid")

    method: str = "*"  #: an HTTP method in any case, or `*`
    path: str = "*"  #: a glob on the path; `*` also matches slashes
    holds: str | None = None  #: acts only on requests whose body holds this text
    times: Annotated[int, Field(ge=0)] | None = None  #: how many requests it acts on; None = forever
    status: Annotated[int, Field(ge=200, le=599)] | None = None  #: answer this in place of the real answer
    headers: dict[str, str] = {}  #: of the faulty answer, for example Retry-After
    body: str | dict[str, Any] | list[Any] = ""  #: of the faulty answer; anything but text goes out as JSON
    delay: Seconds = 0  #: seconds before anything else; with `after`, between the effect and the answer
    reset: bool = False  #: drop the connection with RST in place of an answer
    after: bool = False  #: let the app handle the request first: "applied, answer lost"
    truncate: bool = False  #: send half of the body, then drop the connection
    cut_after: Annotated[int, Field(ge=0)] | None = None  #: drop after so many bytes; fit for streams
    drip: Seconds = 0  #: seconds between the single bytes of the body
    hits: int = 0  #: how often it has acted

    @field_validator("headers")
    @classmethod
    def _headers_can_be_sent(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, value in headers.items():
            if not _FIELD_NAME.fullmatch(name) or not _FIELD_VALUE.fullmatch(value):
                raise ValueError(f"{name!r} is no header that can be sent")
            if name.lower() in _FRAMING:
                raise ValueError(f"{name!r} is set by the server; for a short answer there is truncate")
        return headers

    @model_validator(mode="after")
    def _body_can_be_sent(self) -> Self:
        text = (
            self.body
            if isinstance(self.body, str)
            else json.dumps(self.body, allow_nan=False, ensure_ascii=False)
        )
        text.encode()  # raises ValueError, as `dumps` does, for what cannot be written
        if self.status in _BODILESS and self.body != "":
            raise ValueError(f"an answer with status {self.status} has no body")
        return self

    def matches(self, method: str, path: str, body: bytes) -> bool:
        """Whether this rule acts on such a request now."""
        return (
            (self.times is None or self.hits < self.times)
            and (self.holds is None or self.holds.encode() in body)
            and self.method.upper() in ("*", method.upper())
            and fnmatchcase(path, self.path)
        )

    def answer(self) -> Response:
        """The faulty answer, for a rule with a status."""
        if self.status in _BODILESS:
            return Response(status_code=self.status or 204, headers=self.headers)
        if isinstance(self.body, str):
            return Response(
                self.body, self.status or 200, {"content-type": "text/plain; charset=utf-8"} | self.headers
            )
        return JSONResponse(self.body, self.status or 200, self.headers)


class Faults:
    """The rules in force, and the layer that applies them: `app = faults.wrap(app)`."""

    def __init__(self) -> None:
        """Begin without rules: every request passes."""
        self.rules: list[Rule] = []

    def add(self, **rule: Any) -> Rule:
        """Append a rule (the fields of `Rule`), returned for its `hits`. Raises pydantic.ValidationError."""
        self.rules.append(Rule.model_validate(rule))
        return self.rules[-1]

    def replace(self, rules: Sequence[Rule]) -> None:
        """Put `rules` in force in place of all others."""
        self.rules = list(rules)

    def clear(self) -> None:
        """Let everything pass again."""
        self.replace([])

    def wrap(self, app: ASGIApp) -> ASGIApp:
        """Put the rules in front of `app`."""

        async def faulty(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                body, receive = await self._body(scope, receive)
                rule = self._next(scope, body)
                await (app(scope, receive, send) if rule is None else _apply(rule, app, scope, receive, send))
            except ClientDisconnect:
                return  # the client has left; with a rule that waits that is to be expected

        return faulty

    async def _body(self, scope: Scope, receive: Receive) -> tuple[bytes, Receive]:
        """The body, if a rule looks at it, and what hands it on."""
        if scope["type"] != "http" or not any(rule.holds for rule in self.rules):
            return b"", receive
        body, ahead = await Request(scope, receive).body(), [True]

        async def replayed() -> Message:
            if not ahead:
                return await receive()
            ahead.clear()
            return {"type": "http.request", "body": body, "more_body": False}

        return body, replayed

    def _next(self, scope: Scope, body: bytes) -> Rule | None:
        if scope["type"] != "http" or scope["path"] == CONTROL_PATH:
            return None
        for rule in self.rules:
            if rule.matches(scope["method"], scope["path"], body):
                rule.hits += 1
                return rule
        return None


async def _apply(rule: Rule, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    answer: list[Message] | None = None
    if rule.after:
        answer = await _answer_of(app, scope, receive)
    if rule.delay:
        await asyncio.sleep(rule.delay)
    if rule.reset:
        await _hang_up(scope, receive, reset=True)
        return
    if rule.status is not None:
        answer = await _answer_of(rule.answer(), scope, receive)
    if answer is None and rule.truncate:
        answer = await _answer_of(app, scope, receive)
    if answer is None:
        await app(scope, receive, _Shaped(rule, scope, receive, send, limit=rule.cut_after))
        return
    limit = sum(len(part.get("body", b"")) for part in answer) // 2 if rule.truncate else rule.cut_after
    shaped = _Shaped(rule, scope, receive, send, limit=limit)
    for message in answer:
        await shaped(message)


async def _answer_of(app: ASGIApp, scope: Scope, receive: Receive) -> list[Message]:
    messages: list[Message] = []

    async def keep(message: Message) -> None:
        messages.append(message)

    await app(scope, receive, keep)
    return messages


async def _hang_up(scope: Scope, receive: Receive, *, reset: bool) -> None:
    hang_up = scope.get("extensions", {}).get(HANG_UP)
    if hang_up is None:
        raise ConnectionResetError("the sandbox dropped the connection by rule")
    hang_up(reset=reset)
    # The server answers 500 for an app that returns before it has noticed that the connection is gone.
    while (await receive())["type"] != "http.disconnect":
        pass


class _Shaped:
    """A `send` that drips, and hangs up after `limit` bytes of body."""

    def __init__(self, rule: Rule, scope: Scope, receive: Receive, send: Send, *, limit: int | None) -> None:
        self._rule, self._scope, self._receive, self._send = rule, scope, receive, send
        self._left = limit
        self._gone = False

    async def __call__(self, message: Message) -> None:
        if self._gone:
            return
        body = message.get("body", b"")
        if message["type"] != "http.response.body":
            await self._send(message)
        elif self._left is not None and len(body) >= self._left:
            await self._write(body[: self._left], more=True)
            self._gone = True
            await _hang_up(self._scope, self._receive, reset=False)
        else:
            self._left = None if self._left is None else self._left - len(body)
            await self._write(body, more=message.get("more_body", False))

    async def _write(self, body: bytes, *, more: bool) -> None:
        if self._rule.drip:
            for at in range(len(body)):
                await self._send({"type": "http.response.body", "body": body[at : at + 1], "more_body": True})
                await asyncio.sleep(self._rule.drip)
            body = b""
        await self._send({"type": "http.response.body", "body": body, "more_body": more})


def routes(faults: Faults) -> list[Route]:
    """The control routes: `GET` lists the rules and their hits, `POST` replaces, `DELETE` clears them."""
    several = TypeAdapter(list[Rule])

    async def control(request: Request) -> Response:
        if request.method == "POST":
            try:
                faults.replace(several.validate_json(await request.body()))
            except ValidationError as error:
                problems = error.json(include_url=False, include_input=False, include_context=False)
                return JSONResponse({"detail": json.loads(problems)}, 422)
        elif request.method == "DELETE":
            faults.clear()
        return JSONResponse([rule.model_dump() for rule in faults.rules])

    return [Route(CONTROL_PATH, control, methods=["GET", "POST", "DELETE"])]
