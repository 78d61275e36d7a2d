"""Who is in which conversation: the only list of people that Teams gives a bot without further permissions.

msteams-docs, get-teams-context: `pagedmembers` has id, Entra object id, e-mail, tenant and role of each.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from adapters.teams.api import TeamsApi
from adapters.teams.conversations import account_of
from bot.errors import NodError
from bot.surface import ConversationRef

#: Seconds for which a roster counts: people join rarely, and a question is allowed 14 times a second.
FRESH = 300.0
#: Seconds after a failure before the same roster is asked for again.
AGAIN = 20.0
#: Seconds that a card waits for the roster that its views of one's own need.
SOON = 2.0
#: Rosters asked for at the same time.
AT_ONCE = 4

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A person in a conversation."""

    account: str
    user: str  #: the `29:` id
    name: str
    email: str | None
    login: str | None  #: the user principal name
    tenant: str
    guest: bool


def watchers_of(members: Sequence[Member], tenants: frozenset[str]) -> tuple[str, ...]:
    """Whose clients are asked to look for a view of their own: people at home before all others."""
    home = sorted(members, key=lambda member: member.guest or member.tenant not in tenants)
    return tuple(member.user for member in home)


class Rosters:
    """Rosters, kept for FRESH seconds."""

    def __init__(self, *, api: TeamsApi, seconds: Callable[[], float]) -> None:
        self._api, self._seconds = api, seconds
        self._known: dict[str, tuple[float, tuple[Member, ...]]] = {}
        self._failed: dict[str, tuple[float, NodError]] = {}
        self._people: dict[str, Member] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def of(self, ref: ConversationRef) -> tuple[Member, ...]:
        """The members. Raises Unavailable, Gone or Forbidden."""
        known = self._known.get(ref.id)
        if known is not None and self._seconds() - known[0] < FRESH:
            return known[1]
        async with self._turns:
            known = self._known.get(ref.id)
            if known is not None and self._seconds() - known[0] < FRESH:
                return known[1]
            return await self._asked(ref)

    async def soon(self, ref: ConversationRef) -> tuple[Member, ...]:
        """The members as known now, or after a short wait; nobody while they are read, or where that failed.

        For what a card only gains by: a team of thousands takes many pages.
        """
        task = self._asking.get(ref.id)
        if task is None:
            task = asyncio.create_task(self._quietly(ref), name="teams_roster")
            self._asking[ref.id] = task
            task.add_done_callback(lambda _: self._asking.pop(ref.id, None))
        await asyncio.wait({task}, timeout=0 if self.now(ref) else SOON)
        return self.now(ref) or ()

    async def close(self) -> None:
        """Stop what is being read."""
        for task in list(self._asking.values()):
            task.cancel()
        await asyncio.gather(*self._asking.values(), return_exceptions=True)

    async def _quietly(self, ref: ConversationRef) -> None:
        try:
            await self.of(ref)
        except NodError as error:
            # Without it everyone sees the buttons of a card, and the desk refuses those who cannot decide.
            log.info("card_without_views", conversation=ref.id, reason=str(error))

    def now(self, ref: ConversationRef) -> tuple[Member, ...] | None:
        """The members as last heard; None when none were."""
        known = self._known.get(ref.id)
        return known[1] if known else None

    def person(self, account: str) -> Member | None:
        """A person who was in any roster since the start."""
        return self._people.get(account)

    def forget(self, conversation_id: str) -> None:
        """A person joined or left: the next lookup asks Teams again."""
        self._known.pop(conversation_id, None)
        self._failed.pop(conversation_id, None)

    async def _asked(self, ref: ConversationRef) -> tuple[Member, ...]:
        failed = self._failed.get(ref.id)
        if failed is not None and self._seconds() - failed[0] < AGAIN:
            raise failed[1]
        try:
            found = await self._api.roster(ref)
        except NodError as error:
            self._failed[ref.id] = (self._seconds(), error)
            raise
        self._failed.pop(ref.id, None)
        members = tuple(member for one in found if (member := _member(one, ref)) is not None)
        self._known[ref.id] = (self._seconds(), members)
        self._people |= {member.account: member for member in members}
        return members


def _member(one: Any, ref: ConversationRef) -> Member | None:
    """A member of the roster; None for a bot and whatever cannot be told apart as a person."""
    if not isinstance(one, Mapping):
        return None
    user, aad = _text(one, "id"), _text(one, "aadObjectId") or _text(one, "objectId")
    if user is None or aad is None:
        return None
    # Where a roster names no tenant, the person is of the conversation's own.
    tenant = (_text(one, "tenantId") or ref.tenant).lower()
    role = (_text(one, "userRole") or "user").lower()
    login = _text(one, "userPrincipalName")
    return Member(
        # The account has the conversation's tenant: activities name that one, not the sender's home tenant.
        account=account_of(ref.tenant, aad),
        user=user,
        name=_text(one, "name") or login or aad,
        email=_text(one, "email"),
        login=login,
        tenant=tenant,
        guest=role != "user" or "#ext#" in (login or "").lower(),
    )


def _text(one: Mapping[str, Any], name: str) -> str | None:
    found = one.get(name)
    return found if isinstance(found, str) and found else None
