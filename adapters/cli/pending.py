"""`nod pending`: the pending requests, straight from the platform with its API key. It needs no running bot."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from adapters.settings import (
    Environment,
    LocalEnvironment,
    SourceAddress,
    all_sources,
    environments_source,
    read_policy_file,
    read_sources,
    unknown_source,
)
from adapters.sources import open_source
from adapters.terminal import board, unread
from bot.errors import ConfigError, Forbidden, NodError, Unavailable
from bot.handler import USUAL_WINDOW
from bot.ladder import deadline_of
from bot.ports import Listing, utc_now
from bot.protocol import GLAIP, HITLRequest
from bot.redaction import Redaction
from bot.visible import visible


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


def chosen(environment: Environment, name: str | None, *, broken: bool = True) -> tuple[SourceAddress, ...]:
    """The source of this name; without a name all of them.

    `glaip` needs no nod.yaml, so with `broken` it can be used while the file is. Raises ConfigError.
    """
    known = environments_source(environment)
    there = "config" in environment.model_fields_set or _is_there(environment.config)
    try:
        found = all_sources(environment, read_sources(environment.config)) if there else (known,)
    except ConfigError as error:
        if name not in (None, GLAIP):
            raise
        if not broken:
            fix = f"{error.fix} Until then, answer the requests of AIP_API_URL with --source {GLAIP}."
            raise ConfigError(error.where, error.what, fix, others=error.others) from error
        found = (known,)
    if name is None:
        return found
    named = tuple(one for one in found if one.name == name)
    if not named:
        raise ConfigError("--source", *unknown_source(name, tuple(one.name for one in found)))
    return named


def the_one(environment: Environment, name: str | None) -> SourceAddress:
    """The source of this name; it can be left out where there is only one. Raises ConfigError.

    Without a name the file must be readable: an answer to the wrong source cannot be taken back.
    """
    found = chosen(environment, name, broken=name is not None)
    if len(found) > 1:
        names = ", ".join(one.name for one in found)
        raise ConfigError(
            "--source", "is missing, and nod.yaml names several sources", f"Choose one of: {names}."
        )
    return found[0]


async def pending(environment: Environment, *, as_json: bool, source: str | None = None) -> None:
    """Print the pending requests of one source, or of all, earliest deadline first.

    Raises ConfigError, Unavailable or Forbidden; those of a source that can be read are printed first.
    """
    shown = Shown() if as_json else read_shown(environment)
    found = chosen(environment, source)
    named, plain, failed = len(found) > 1, list[dict[str, object]](), list[NodError]()
    for one in found:
        try:
            async with open_source(one, utc_now, named=named) as opened:
                listing = await opened.pending()
        except (Unavailable, Forbidden) as error:
            failed.append(error)
            continue
        for reason in listing.set_aside:
            print(f"nod: cannot read one request: {reason}", file=sys.stderr)
        plain += [
            {**({"source": one.name} if named else {}), **_plain(request, listing)}
            for request in listing.requests
        ]
        if not as_json:
            _print_table(listing, shown, title=one.name if named else None)
    if as_json and len(failed) < len(found):
        print(json.dumps(plain, indent=2))
    for one_more in failed[:-1]:
        print(f"nod: {visible(str(one_more))}", file=sys.stderr)
    if failed:
        raise failed[-1]


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


def _print_table(listing: Listing, shown: Shown, *, title: str | None) -> None:
    now = listing.began_at
    waiting = [
        (request, deadline_of(request, first_seen=now, default=USUAL_WINDOW).at) for request in listing.requests
    ]
    table = board(waiting, now=now, redaction=shown.redaction, agents=shown.agents, besides=unread(listing))
    Console().print(*([title] if title else []), table, sep="\n")
