"""The platform over HTTP: `HttpPlatform` is `bot.ports.Platform`, and `open_platform` opens it.

Every call has bounds in time and size, is sent once, follows no redirect, and ends in one of the errors of
`bot.errors`. Neither keys nor bodies nor arguments are logged.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote

import httpx
import structlog

from adapters.http import open_client
from adapters.platform import answers
from adapters.platform.exchange import Exchange, Limits
from adapters.platform.wire import NOTHING, Read, Reader
from bot.errors import ConfigError, Gone, Unanswered, Unavailable
from bot.ports import Listing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from bot.ports import Clock
    from bot.protocol import HITLRequest, HITLResponse

log = structlog.get_logger()

#: Connections beyond those of decisions and questions: a poll, and another that is just ending.
_SPARE_CONNECTIONS = 4
#: Connections that are kept when idle.
_IDLE_CONNECTIONS = 20
#: Seconds an idle connection is kept. Servers close theirs after 5 (uvicorn's default), and a decision that
#: is sent into a closing connection is one that may or may not have arrived.
_KEEP_IDLE = 3.0
_USUAL = Limits()


class HttpPlatform:
    """Implements `bot.ports.Platform`; see there for what each call promises."""

    def __init__(self, *, client: httpx.AsyncClient, name: str, clock: Clock, limits: Limits) -> None:
        """`client` has the address and the key; whoever opened it closes it. `name` tells platforms apart."""
        self._name = name
        self._exchange = Exchange(client=client, limits=limits)
        self._clock = clock
        self._limits = limits
        self._known: Mapping[bytes, Read] = NOTHING  #: the items of the last poll, as read
        self._audit_missed = False
        self._questions = asyncio.Semaphore(limits.questions)

    async def pending(self) -> Listing:
        """What waits now. Raises Unavailable or Forbidden; then nothing may be concluded."""
        began_at = self._clock()
        until, reader = _in(self._limits.total), Reader(platform=self._name, known=self._known)
        try:
            answer = await self._exchange.call(
                "GET", "agents/hitl/pending", until=until, lost=Unavailable, take=reader.feed
            )
        finally:
            self._known = reader.kept
        if trouble := answer.trouble(lost=Unavailable, now=self._clock()):
            raise trouble
        skew = answers.skew(answer.date, self._clock())
        read = reader.end()
        return Listing(
            began_at=began_at,
            requests=read.requests,
            set_aside=read.set_aside,
            unread_ids=read.unread_ids,
            skew=skew,
        )

    async def decide(self, request: HITLRequest, response: HITLResponse) -> None:
        """Tell it once; no retry inside. Raises Unavailable, Unanswered, Gone or Forbidden."""
        note = response.operator_input
        fields = {
            "request_id": request.request_id,
            "decision": response.decision.value,
            # Half of a surrogate pair is refused with 422: one such sign must not cost a person's decision.
            "operator_input": None if note is None else note.encode(errors="replace").decode(),
            "run_id": request.run_id,
        }
        content = json.dumps({name: value for name, value in fields.items() if value is not None}).encode()
        until = _in(self._limits.total)
        async with self._exchange.turn(until):
            answer = await self._exchange.call(
                "POST", "agents/hitl/decision", until=until, lost=Unanswered, content=content
            )
        if answer.status in (404, 409):
            raise Gone(answer.told)
        if trouble := answer.trouble(lost=Unanswered, now=self._clock()):
            raise trouble
        if not answers.took(answer.body):
            raise Unanswered(f"the platform answered {answer.status}, but not that it took the decision")

    async def word_on(self, request_id: str) -> str | None:
        """What its audit says became of a request; None when it does not tell. Never raises for trouble."""
        path = f"agents/hitl/audit/{quote(request_id, safe='', errors='replace')}"
        try:
            async with self._questions:
                until = _in(self._limits.audit)
                answer = await self._exchange.call("GET", path, until=until, lost=Unavailable)
        except Unavailable as error:
            log.info("audit_question_failed", approval_id=request_id, reason=str(error))
            return None
        if answer.status == 200:
            return answers.audit_word(answer.body, request_id)
        if answer.status != 404:
            log.info("audit_question_failed", approval_id=request_id, status=answer.status)
        elif not self._audit_missed:
            self._audit_missed = True
            log.info("audit_record_missed", approval_id=request_id, note="further ones are not logged")
        return None

    async def read(self, path: str) -> bytes:
        """The answer to another question. Raises Gone for 404, Unavailable or Forbidden."""
        answer = await self._exchange.call("GET", path, until=_in(self._limits.total), lost=Unavailable)
        if answer.status == 404:
            raise Gone(answer.told)
        if trouble := answer.trouble(lost=Unavailable, now=self._clock()):
            raise trouble
        return answer.body


@asynccontextmanager
async def open_platform(
    url: str, api_key: str, *, clock: Clock, limits: Limits = _USUAL
) -> AsyncIterator[HttpPlatform]:
    """The platform at `url`, which may have a path of its own and may end with a slash.

    No password of the environment is used and no redirect followed: the key goes to this address only.
    Raises ConfigError for an address or a key that cannot be one.
    """
    if not api_key or not all("!" <= sign <= "~" for sign in api_key):
        raise ConfigError("AIP_API_KEY", "it is empty or has signs that no key has", "Copy the key again.")
    base = _base(url)
    client = open_client(
        base_url=base,
        headers={"X-API-Key": api_key, "Accept-Encoding": "gzip", "User-Agent": "nod"},
        timeout=httpx.Timeout(limits.read, connect=limits.connect),
        limits=httpx.Limits(
            # Our own bounds come first: nobody ever waits in the pool behind what hangs.
            max_connections=limits.posts + limits.questions + _SPARE_CONNECTIONS,
            max_keepalive_connections=_IDLE_CONNECTIONS,
            keepalive_expiry=_KEEP_IDLE,
        ),
    )
    async with client:
        yield HttpPlatform(client=client, name=base.netloc.decode(), clock=clock, limits=limits)


def _base(url: str) -> httpx.URL:
    try:
        base = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise ConfigError("AIP_API_URL", "it is no address", "Give it like http://localhost:8000.") from error
    if base.scheme not in ("http", "https") or not base.host:
        raise ConfigError("AIP_API_URL", "it is no http address", "Give it like http://localhost:8000.")
    if base.userinfo or base.query or base.fragment:
        raise ConfigError(
            "AIP_API_URL", "it has more than an origin and a path", "Leave out `user@`, `?...` and `#...`."
        )
    return base


def _in(seconds: float) -> float:
    return asyncio.get_running_loop().time() + seconds
