"""`nod pending | approve | reject | skip`: the operator's console, straight to the platform by its API key.

It needs no running bot. A running bot sees the answer at its next poll and says on the cards that it was
given on the platform.
"""

from __future__ import annotations

import asyncio
import json
import sys

from rich.console import Console

from adapters.app import utc_now
from adapters.platform.client import open_platform
from adapters.settings import read_environment
from adapters.terminal import board
from adapters.terminal.prompt import operator
from bot.approval import LONGEST_NOTE, Outcome
from bot.errors import ConfigError
from bot.handler import USUAL_WINDOW
from bot.ladder import deadline_of
from bot.ports import Listing, Platform
from bot.posting import ATTEMPTS, post
from bot.protocol import HITLDecision, HITLRequest, HITLResponse
from bot.redaction import Redaction
from bot.wording import name_of


async def pending(*, as_json: bool) -> None:
    """Print what waits, earliest deadline first."""
    environment = read_environment()
    async with open_platform(
        environment.aip_api_url, environment.aip_api_key.get_secret_value(), clock=utc_now
    ) as platform:
        listing = await platform.pending()
    for reason in listing.set_aside:
        print(f"nod: one item was set aside: {reason}", file=sys.stderr)
    if as_json:
        print(json.dumps([_plain(request) for request in listing.requests], indent=2))
    else:
        _print_table(listing)


async def answer(request_id: str, verdict: HITLDecision, *, note: str | None) -> int:
    """Answer one request; 0 when the platform took it, 1 when it no longer waits."""
    environment = read_environment()
    if note is not None and len(note) > LONGEST_NOTE:
        raise ConfigError("--note", f"is {len(note)} characters long", f"Keep it under {LONGEST_NOTE}.")
    async with open_platform(
        environment.aip_api_url, environment.aip_api_key.get_secret_value(), clock=utc_now
    ) as platform:
        request = await _find(platform, request_id)
        said = f"{verdict.value} by {operator()} with the nod command"
        text = f'{said}. Note from the approver: "{note}"' if note else said
        response = HITLResponse(decision=verdict, operator_input=text)
        ended = await post(platform, request, response, attempts=ATTEMPTS, pause=asyncio.sleep)
    if ended is Outcome.ELSEWHERE:
        print(f"nod: {request.request_id} is no longer pending, or somebody else was first", file=sys.stderr)
        return 1
    print(f"{verdict.value}: {name_of(request.tool_name)} ({request.request_id})")
    return 0


async def _find(platform: Platform, start: str) -> HITLRequest:
    found = [r for r in (await platform.pending()).requests if r.request_id.startswith(start)]
    exact = [r for r in found if r.request_id == start]
    match exact or found:
        case [request]:
            return request
        case []:
            raise ConfigError("ID", f"nothing that waits begins with {start!r}", "See `nod pending`.")
        case several:
            raise ConfigError("ID", f"{len(several)} requests begin with {start!r}", "Give more characters.")


def _plain(request: HITLRequest) -> dict[str, object]:
    return {
        "request_id": request.request_id,
        "tool": request.tool_name,
        "arguments": request.arguments,
        "arguments_whole": request.whole,
        "agent_id": request.agent_id,
        "run_id": request.run_id,
        "created_at": request.created_at,
        "timeout_at": request.timeout_at,
        "timeout_seconds": request.timeout_seconds,
    }


def _print_table(listing: Listing) -> None:
    now = listing.began_at
    waiting = [
        (request, deadline_of(request, first_seen=now, default=USUAL_WINDOW).at) for request in listing.requests
    ]
    Console().print(board(waiting, now=now, redaction=Redaction()))
