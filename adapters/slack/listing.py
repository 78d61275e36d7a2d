"""The channels and people of a workspace by name, for setting Nod up; a running bot lists nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from adapters.slack.api import Answer, SlackApi
from adapters.slack.directory import NOBODY, OUTSIDE, SLACKBOT
from adapters.slack.identity import Identity
from adapters.slack.payloads import is_home
from bot.errors import Forbidden, Gone, NotYet, Unavailable

#: Entries of one answer, as Slack recommends them, and answers of one list. Slack gives about 20 a minute.
PAGE, MOST_PAGES = 200, 25
#: Which channels are listed: of the private ones Slack tells of those that Nod is in.
SHOWN = {"types": "public_channel,private_channel", "exclude_archived": "true"}
#: Seconds that a list waits in all for Slack to take the next question.
PATIENCE = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A channel that cards can go to."""

    id: str
    name: str
    member: bool  #: Nod is in it
    shared: bool = False  #: with another company


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A person with an account of the workspace."""

    id: str
    name: str  #: in full
    handle: str  #: as others mention them
    email: str | None
    outside: bool  #: a guest, or a person of another company

    def is_called(self, text: str) -> bool:
        """Whether a typed name, handle, e-mail or id is theirs."""
        wanted = text.strip().removeprefix("@").casefold()
        names = (self.id, self.name, self.handle, self.email or self.id)
        return wanted in {name.casefold() for name in names}


async def channels_in(
    api: SlackApi, identity: Identity, *, pause: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> tuple[Channel, ...]:
    """Every channel that Nod can see, by name. Raises Unavailable or Forbidden."""
    found = [
        Channel(
            id=str(one["id"]),
            name=str(one.get("name") or one["id"]),
            member=bool(one.get("is_member")),
            shared=bool(one.get("is_ext_shared")),
        )
        async for one in _each(api, pause, "conversations.list", "channels", **SHOWN, **_workspace(identity))
    ]
    return tuple(sorted(found, key=lambda channel: (not channel.member, channel.name)))


async def name_of(api: SlackApi, channel: str) -> str:
    """What people call it, such as #approvals; its id where Slack does not tell."""
    try:
        answer = await api.read("conversations.info", channel=channel)
    except (Unavailable, Forbidden, Gone):
        return channel
    name = (answer.get("channel") or {}).get("name")
    return f"#{name}" if isinstance(name, str) and name else channel


async def members_of(
    api: SlackApi, identity: Identity, *, pause: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> tuple[Member, ...]:
    """Every person, by name; no bots and nobody who is deactivated. Raises Unavailable or Forbidden."""
    found = [
        _member(one, identity)
        async for one in _each(api, pause, "users.list", "members", **_workspace(identity))
        if one["id"] != SLACKBOT and not any(one.get(flag) for flag in NOBODY)
    ]
    return tuple(sorted(found, key=lambda member: member.name.casefold()))


def _workspace(identity: Identity) -> dict[str, str]:
    """A token for a whole organisation must say which of its workspaces is meant."""
    return {"team_id": identity.team_id} if identity.org_wide and identity.team_id.startswith("T") else {}


def _member(user: Answer, identity: Identity) -> Member:
    profile = user.get("profile") or {}
    organisation = (user.get("enterprise_user") or {}).get("enterprise_id")
    home = is_home(user.get("team_id"), organisation, identity)
    # An address that nobody confirmed may be anybody's.
    confirmed = user.get("is_email_confirmed") is not False
    return Member(
        id=str(user["id"]),
        name=str(user.get("real_name") or profile.get("real_name") or user.get("name") or user["id"]),
        handle=str(user.get("name") or user["id"]),
        email=profile.get("email") if confirmed else None,
        outside=not home or any(user.get(flag) for flag in OUTSIDE),
    )


async def _each(
    api: SlackApi, pause: Callable[[float], Awaitable[None]], method: str, name: str, **args: Any
) -> AsyncIterator[Answer]:
    cursor, left = "", PATIENCE
    for _ in range(MOST_PAGES):
        while True:
            try:
                answer = await api.read(method, limit=PAGE, **({"cursor": cursor} if cursor else {}), **args)
                break
            except NotYet as busy:
                wait = busy.retry_after or 1.0
                if wait > left:
                    raise Unavailable(f"Slack answers {method} too slowly: try again in {wait:.0f} s") from busy
                left -= wait
                await pause(wait)
        for one in answer.get(name) or ():
            if isinstance(one, dict) and one.get("id"):
                yield one
        cursor = (answer.get("response_metadata") or {}).get("next_cursor") or ""
        if not cursor:
            return
