"""`nod pending`: the pending requests, straight from the platform with its API key. It needs no running bot."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from adapters.platform.client import open_platform
from adapters.settings import Environment, LocalEnvironment, read_policy_file
from adapters.terminal import board, unread
from bot.handler import USUAL_WINDOW
from bot.ladder import deadline_of
from bot.ports import Listing, utc_now
from bot.protocol import HITLRequest
from bot.redaction import Redaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What nod.yaml says about calls at a terminal: what is masked, and the names of agents."""

    redaction: Redaction = field(default_factory=Redaction)
    agents: Mapping[str, str] = field(default_factory=dict)  #: names by id


def read_shown(environment: LocalEnvironment) -> Shown:
    """The same as on cards; only the built-in rules if no policy file is named and none is there.

    Reads the file now, so call it before anything is shown. Raises ConfigError for a file that cannot be used,
    or if NOD_CONFIG names a missing one: a mistake must not reveal what the file would mask.
    """
    if "config" not in environment.model_fields_set and not _is_there(environment.config):
        return Shown()
    policy = read_policy_file(environment.config, auto_approve=environment.auto_approve).policy
    return Shown(redaction=policy.redaction, agents=policy.agents)


def _is_there(file: Path) -> bool:
    try:
        file.lstat()
    except FileNotFoundError:
        return False
    except OSError:  # it can be there; reading it says what is wrong
        return True
    return True


async def pending(environment: Environment, *, as_json: bool) -> None:
    """Print the pending requests, earliest deadline first. Raises ConfigError, Unavailable or Forbidden."""
    shown = Shown() if as_json else read_shown(environment)
    async with open_platform(
        environment.aip_api_url, environment.aip_api_key.get_secret_value(), clock=utc_now
    ) as platform:
        listing = await platform.pending()
    for reason in listing.set_aside:
        print(f"nod: one request cannot be read: {reason}", file=sys.stderr)
    if as_json:
        print(json.dumps([_plain(request, listing) for request in listing.requests], indent=2))
    else:
        _print_table(listing, shown)


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


def _print_table(listing: Listing, shown: Shown) -> None:
    now = listing.began_at
    waiting = [
        (request, deadline_of(request, first_seen=now, default=USUAL_WINDOW).at) for request in listing.requests
    ]
    table = board(waiting, now=now, redaction=shown.redaction, agents=shown.agents, besides=unread(listing))
    Console().print(table)
