"""Where the policy's names lead: the known conversations, and what Teams tells of where the bot was added.

msteams-docs, subscribe-to-conversation-events. The service address is stored from verified activities alone, so
a move of the service is followed and nobody else can cause one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import structlog

from adapters.teams.api import TeamsApi
from adapters.teams.conversations import Identity, account_of, base_of, named, split_account, split_ref
from adapters.teams.payloads import Arrived
from adapters.teams.rosters import Rosters
from bot.errors import Forbidden, Unavailable
from bot.surface import ConversationRef, Conversations, Scope

#: Seconds after which a name that leads nowhere is tried again.
REFUSED_WAIT = 15.0

log = structlog.get_logger(__name__)


class Places:
    """The conversations that are known now. `load` first; all else but the writes is memory."""

    def __init__(self, *, kept: Conversations) -> None:
        self._kept = kept
        self._refs: dict[str, ConversationRef] = {}
        self._unsaved: set[str] = set()  #: what the store did not take yet

    async def load(self) -> None:
        """Read what was kept. Raises Unavailable."""
        self._refs = {ref.id: ref for ref in await self._kept.all()}

    def resolve(self, channel: str) -> ConversationRef:
        """The conversation that the policy means, by id or by name.

        Raises Forbidden when there is none of that name, or more than one: a card must not go up in the other.
        """
        found = self._refs.get(base_of(channel))
        if found is not None:
            return found
        wanted = named(channel)
        refs = [ref for ref in self._refs.values() if ref.name == wanted and ref.scope is not Scope.PERSONAL]
        if len(refs) > 1:
            ids = ", ".join(sorted(ref.id for ref in refs))
            raise Forbidden(f"Teams has {len(refs)} conversations called {wanted}: use the id of one ({ids})")
        if not refs:
            raise Forbidden(f"Nod is not in any Teams conversation called {channel}. Add the app there first")
        return refs[0]

    def of_ref(self, ref: str, channel: str) -> tuple[ConversationRef, str]:
        """Where a message of ours is, and its id there; what the place is called now does not matter.

        Raises Forbidden when the bot is not there any more, and Unavailable when the ref names no conversation
        and the name does not lead to one now: the message is up, and the name may lead there again.
        """
        conversation_id, message_id = split_ref(ref)
        if conversation_id is None:
            try:
                return self.resolve(channel), message_id
            except Forbidden as error:
                raise Unavailable(str(error), retry_after=REFUSED_WAIT) from error
        found = self._refs.get(conversation_id)
        if found is None:
            raise Forbidden(f"Nod is no longer in {channel} in Teams. Add the app there again")
        return found, message_id

    def named_by(self, channel: str, conversation_id: str) -> bool:
        """Whether the policy means this conversation, or one of several of that name: for cards that are up."""
        found = self._refs.get(base_of(conversation_id))
        if found is None or base_of(channel) in self._refs:
            return found is not None and base_of(channel) == found.id
        return found.scope is not Scope.PERSONAL and found.name == named(channel)

    def called(self, ref: ConversationRef) -> str:
        """What leads to a conversation in nod.yaml: its name where no other has that, else its id."""
        alone = ref.name and not any(one.name == ref.name and one.id != ref.id for one in self._shared())
        return f"teams:{ref.name if alone else ref.id}"

    def of_team(self, ref: ConversationRef) -> tuple[ConversationRef, ...]:
        """The channels of the same team, this one included, by name."""
        found = [one for one in self._shared() if one.id == ref.id or (ref.team and one.team == ref.team)]
        return tuple(sorted(found, key=lambda one: one.name))

    def _shared(self) -> tuple[ConversationRef, ...]:
        return tuple(ref for ref in self._refs.values() if ref.scope is not Scope.PERSONAL)

    def known(self, conversation_id: str) -> ConversationRef | None:
        """The conversation with this id."""
        return self._refs.get(base_of(conversation_id))

    def every(self) -> tuple[ConversationRef, ...]:
        """All of them."""
        return tuple(self._refs.values())

    def of_person(self, account: str) -> ConversationRef | None:
        """The personal chat with a person, by account or by Entra object id alone."""
        tenant, aad = split_account(account)
        for ref in self._refs.values():
            if ref.scope is Scope.PERSONAL and ref.person == aad and tenant in (None, ref.tenant):
                return ref
        return None

    async def of_person_kept(self, account: str) -> ConversationRef | None:
        """The same, also when another process stored it since the start. Raises Unavailable."""
        found = self.of_person(account) or await self._kept.of_person(account)
        if found is not None:
            self._refs.setdefault(found.id, found)
        return found

    async def remember(self, ref: ConversationRef) -> None:
        """Keep it where it is new or changed. Raises Unavailable; then it is known while Nod runs."""
        if self._refs.get(ref.id) == ref and ref.id not in self._unsaved:
            return
        self._refs[ref.id] = ref
        self._unsaved.add(ref.id)
        await self._kept.put(ref)
        self._unsaved.discard(ref.id)
        whose = account_of(ref.tenant, ref.person) if ref.person else None
        log.info("conversation_known", conversation=ref.id, scope=ref.scope.value, name=ref.name, account=whose)

    async def forget(self, conversation_id: str) -> None:
        """The bot is not there any more. Raises Unavailable."""
        if self._refs.pop(base_of(conversation_id), None) is not None:
            log.info("conversation_forgotten", conversation=base_of(conversation_id))
        await self._kept.drop(base_of(conversation_id))


#: What Teams calls the channel that every team has, for which it names no name.
GENERAL = "general"

_SCOPES = {"channel": Scope.TEAM, "groupChat": Scope.GROUP, "personal": Scope.PERSONAL}


class Events:
    """Keeps the places up to date. Every method raises Unavailable, Gone or Forbidden."""

    def __init__(
        self,
        *,
        api: TeamsApi,
        places: Places,
        rosters: Rosters,
        identity: Identity,
        welcome: Callable[[ConversationRef], None],
    ) -> None:
        """`welcome` is called for a team or group chat that the app came to."""
        self._api, self._places, self._rosters, self._identity = api, places, rosters, identity
        self._welcome = welcome

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
        came = arrived.type == "installationUpdate" or arrived.bot in arrived.added
        # Teams tells of one arrival twice; by the second time the place is known.
        is_new = came and place.scope is not Scope.PERSONAL and not self._is_known(place)
        await self._places.remember(place)
        if place.scope is Scope.TEAM and came:
            await self._all_channels(place, arrived)
        if is_new:
            self._welcome(self._places.known(place.id) or place)

    def _is_known(self, place: ConversationRef) -> bool:
        """Whether Nod was there before, in a team in any of its channels."""
        if self._places.known(place.id) is not None:
            return True
        return bool(place.team) and any(ref.team == place.team for ref in self._places.every())

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
