"""What Teams tells beside clicks: where the bot was added, removed or renamed. Each verified activity also says
where its conversation is reached now.

msteams-docs, subscribe-to-conversation-events. The service address is stored from verified activities alone, so
a move of the service is followed and nobody else can cause one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import structlog

from adapters.teams.api import TeamsApi
from adapters.teams.conversations import ConversationRef, Scope, base_of, named
from adapters.teams.identity import Identity
from adapters.teams.payloads import Arrived
from adapters.teams.places import Places
from adapters.teams.rosters import Rosters

#: What Teams calls the channel that every team has, for which it names no name.
GENERAL = "general"

_SCOPES = {"channel": Scope.TEAM, "groupChat": Scope.GROUP, "personal": Scope.PERSONAL}

log = structlog.get_logger(__name__)


class Events:
    """Keeps the places up to date. Every method raises Unavailable, Gone or Forbidden."""

    def __init__(self, *, api: TeamsApi, places: Places, rosters: Rosters, identity: Identity) -> None:
        self._api, self._places, self._rosters, self._identity = api, places, rosters, identity

    async def heard(self, arrived: Arrived) -> None:
        """Any activity at all: its conversation is there, and reached at that address."""
        place = self._place_of(arrived)
        if place is not None:
            await self._places.remember(place)

    async def changed(self, arrived: Arrived) -> None:
        """An installationUpdate or conversationUpdate: the bot or people came or went, a channel got a name."""
        self._rosters.forget(base_of(arrived.conversation))
        if self._is_over(arrived):
            await self._gone(arrived)
            return
        channel = _object(arrived.channel_data, "channel")
        if arrived.channel_data.get("eventType") == "channelDeleted":
            await self._places.forget(_text(channel, "id"))
            return
        place = self._place_of(arrived)
        if place is None:
            return
        await self._places.remember(place)
        if place.scope is Scope.TEAM and (arrived.type == "installationUpdate" or arrived.bot in arrived.added):
            await self._all_channels(place, arrived)

    def _is_over(self, arrived: Arrived) -> bool:
        removed = (arrived.action or "").startswith("remove") and arrived.action != "remove-upgrade"
        return (arrived.type == "installationUpdate" and removed) or arrived.bot in arrived.removed

    async def _gone(self, arrived: Arrived) -> None:
        """The bot was removed: from a team that means from each of its channels."""
        base = base_of(arrived.conversation)
        known = self._places.known(base)
        team = _text(_object(arrived.channel_data, "team"), "aadGroupId") or (known.team if known else None)
        if team:
            for ref in [ref for ref in self._places.every() if ref.team == team]:
                await self._places.forget(ref.id)
        await self._places.forget(base)

    def _place_of(self, arrived: Arrived) -> ConversationRef | None:
        """The conversation as this activity tells of it, with what was known before and is not repeated."""
        base = base_of(arrived.conversation)
        scope = _SCOPES.get(arrived.kind)
        team, channel = _object(arrived.channel_data, "team"), _object(arrived.channel_data, "channel")
        if scope is None and team:
            scope = Scope.TEAM
        known = self._places.known(base)
        scope = scope or (known.scope if known else None)
        if scope is None:
            log.info("conversation_of_unknown_kind", kind=arrived.kind[:40])
            return None
        if scope is Scope.TEAM and _text(channel, "id"):
            # Events of a team come in its first channel's name; the channel that they are about is named
            # inside.
            base = base_of(_text(channel, "id"))
            known = self._places.known(base)
        name = _text(channel, "name") or (arrived.title if scope is not Scope.PERSONAL else "")
        if not name and scope is Scope.TEAM and base == _text(team, "id"):
            name = GENERAL
        ref = ConversationRef(
            tenant=arrived.tenant,
            service_url=arrived.service_url,
            id=base,
            scope=scope,
            name=named(name) or (known.name if known else ""),
            bot_id=arrived.bot or self._identity.bot_id,
            team=_text(team, "aadGroupId") or (known.team if known else None),
        )
        if scope is Scope.PERSONAL and arrived.aad:
            return replace(ref, person=arrived.aad, user=arrived.user)
        return replace(ref, person=known.person, user=known.user) if known else ref

    async def _all_channels(self, place: ConversationRef, arrived: Arrived) -> None:
        """The app came to a team: each of its channels can be named from now on."""
        team = _text(_object(arrived.channel_data, "team"), "id") or place.id
        for found in await self._api.channels(place, team):
            if not isinstance(found, Mapping) or not _text(found, "id"):
                continue
            name = _text(found, "name") or (GENERAL if _text(found, "id") == team else "")
            await self._places.remember(replace(place, id=base_of(_text(found, "id")), name=named(name)))


def _object(holder: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = holder.get(name)
    return found if isinstance(found, Mapping) else {}


def _text(holder: Mapping[str, Any], name: str) -> str:
    found = holder.get(name)
    return found if isinstance(found, str) else ""
