"""`nod approve | reject | skip`: one person's answer, sent straight to the platform with its API key.

It needs no running bot. A running bot sees the answer at its next poll and says on the cards that it was given
on the platform.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from adapters.cli.pending import the_one
from adapters.settings import Environment
from adapters.sources import open_source
from adapters.terminal.prompt import response_of
from bot.approval import LONGEST_NOTE, Outcome
from bot.errors import ConfigError, Unavailable
from bot.handler import USUAL_WINDOW
from bot.ladder import deadline_of
from bot.ports import Listing, utc_now
from bot.posting import post_until, tried_until
from bot.protocol import HITLDecision, HITLRequest
from bot.wording import name_of

#: Characters that the start of an id needs: a typing mistake must not answer anything.
SHORTEST_START = 8
#: How long to retry without `--wait`.
PATIENCE = timedelta(seconds=10)

_SEE = "List them with `nod pending`."
_PERHAPS = "The decision may have arrived anyway: check with `nod pending`."
_GONE = "(already decided, expired, or wrong id)"

log = structlog.get_logger()


async def answer(
    environment: Environment,
    start: str,
    verdict: HITLDecision,
    *,
    note: str | None,
    force: bool = False,
    patience: timedelta | None = PATIENCE,
    source: str | None = None,
) -> int:
    """Answer one request; 0 when the platform took the answer, 1 when the request is no longer pending.

    Retries for `patience`, or until the request's deadline if that is None. After that nothing is sent.
    Raises ConfigError, Unavailable or Forbidden.
    """
    if not start.strip():
        raise ConfigError("ID", "is empty", _SEE)
    if note is not None and len(note) > LONGEST_NOTE:
        raise ConfigError("--note", f"is {len(note)} characters long", f"Use at most {LONGEST_NOTE}.")
    address = the_one(environment, source)
    async with open_source(address, utc_now, named=False) as platform:
        end = None if patience is None else utc_now() + patience
        async with _given_up(end, f"{address.url} did not answer in time. No decision was sent."):
            # The deadline is in the list; until the list is read, the usual window is assumed.
            listing = await tried_until(
                platform.pending,
                deadline=end or utc_now() + USUAL_WINDOW,
                clock=utc_now,
                pause=asyncio.sleep,
                told=lambda error, wait: log.warning("poll_failed", wait=wait, reason=str(error)),
            )
        request = found(listing, start)
        if request is None:
            print(f"nod: no pending request {name_of(start)} {_GONE}", file=sys.stderr)
            return 1
        if verdict is HITLDecision.APPROVED and not force:
            _check_readable(request)
        deadline = deadline_of(request, first_seen=listing.began_at, default=USUAL_WINDOW).at
        async with _given_up(end, f"{address.url} did not answer in time. {_PERHAPS}"):
            ended = await post_until(
                platform,
                request,
                response_of(verdict, note=note or "", where="with the nod command"),
                deadline=deadline if end is None else min(deadline, end),
                clock=utc_now,
                pause=asyncio.sleep,
            )
    if ended is Outcome.ELSEWHERE:
        print(f"nod: {request.request_id} was already decided by someone else, or has expired", file=sys.stderr)
        return 1
    print(f"{verdict.value}: {name_of(request.tool_name)} ({request.request_id})")
    return 0


@asynccontextmanager
async def _given_up(end: datetime | None, said: str) -> AsyncIterator[None]:
    """Ends a running attempt at `end`, too, with Unavailable and the words in `said`."""
    left = None if end is None else (end - utc_now()).total_seconds()
    try:
        async with asyncio.timeout(left):
            yield
    except TimeoutError:
        raise Unavailable(said) from None


def found(listing: Listing, start: str) -> HITLRequest | None:
    """The request with this id, or whose id begins so; None for a whole id that is not listed.

    Raises ConfigError for a start that is too short, matches nothing, or matches several.
    """
    requests = {one: _unread(one) for one in listing.unread_ids}  # these can still be refused
    requests |= {request.request_id: request for request in listing.requests}
    if start in requests:
        return requests[start]
    if _is_whole(start):
        return None
    if len(start) < SHORTEST_START:
        fix = f"Give at least {SHORTEST_START} characters of the id. {_SEE}"
        raise ConfigError(repr(start), "is too short", fix)
    match [one for one in requests if one.startswith(start)]:
        case [request_id]:
            return requests[request_id]
        case []:
            raise ConfigError("ID", f"no pending request has an id that begins with {start!r}", _SEE)
        case several:
            raise ConfigError(
                "ID", f"{len(several)} requests have an id that begins with {start!r}", "Give more characters."
            )


def _unread(request_id: str) -> HITLRequest:
    return HITLRequest(request_id=request_id, tool_name="", arguments=None, agent_id="", whole=False)


def _is_whole(text: str) -> bool:
    """Whether it is a whole id as the platform makes them: a UUID."""
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False


def _check_readable(request: HITLRequest) -> None:
    if request.approvable:
        return
    what = f"is ambiguous ({request.flaw})" if request.flaw else "is truncated or unreadable"
    fix = "Reject or skip it. If you know the whole call, you can approve it with --force."
    raise ConfigError("ID", f"this call {what}, so it is not clear what would run", fix)
