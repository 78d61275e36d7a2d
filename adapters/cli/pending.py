"""`nod pending`: what waits, straight from the platform by its API key. It needs no running bot."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer
from rich.console import Console

from adapters.cli.redaction import redaction_of
from adapters.cli.running import run_async
from adapters.platform.client import open_platform
from adapters.settings import Environment, read_environment
from adapters.terminal import board, unread
from bot.handler import USUAL_WINDOW
from bot.ladder import deadline_of
from bot.ports import Listing, utc_now
from bot.protocol import HITLRequest
from bot.redaction import Redaction

app = typer.Typer(add_completion=False)


async def pending(environment: Environment, *, as_json: bool) -> None:
    """Print what waits, earliest deadline first. Raises ConfigError, Unavailable or Forbidden."""
    redaction = Redaction() if as_json else redaction_of(environment)
    async with open_platform(
        environment.aip_api_url, environment.aip_api_key.get_secret_value(), clock=utc_now
    ) as platform:
        listing = await platform.pending()
    for reason in listing.set_aside:
        print(f"nod: one item was set aside: {reason}", file=sys.stderr)
    if as_json:
        print(json.dumps([_plain(request, listing) for request in listing.requests], indent=2))
    else:
        _print_table(listing, redaction)


def _plain(request: HITLRequest, listing: Listing) -> dict[str, object]:
    deadline = deadline_of(request, first_seen=listing.began_at, default=USUAL_WINDOW)
    return {
        "request_id": request.request_id,
        "tool": request.tool_name,
        "arguments": request.arguments,
        "arguments_whole": request.whole,
        "flaw": request.flaw,
        "agent_id": request.agent_id,
        "run_id": request.run_id,
        "created_at": request.created_at,
        "timeout_at": request.timeout_at,
        "timeout_seconds": request.timeout_seconds,
        "deadline": deadline.at.isoformat(),
    }


def _print_table(listing: Listing, redaction: Redaction) -> None:
    now = listing.began_at
    waiting = [
        (request, deadline_of(request, first_seen=now, default=USUAL_WINDOW).at) for request in listing.requests
    ]
    Console().print(board(waiting, now=now, redaction=redaction, besides=unread(listing)))


@app.command("pending")
def pending_command(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the pending requests."""
    run_async(pending(read_environment(), as_json=as_json))
