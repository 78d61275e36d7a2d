"""Who in the policy has which Entra account, by e-mail or object id, out of the rosters of the conversations.

msteams-docs, get-teams-context: `pagedmembers` has id, Entra object id, e-mail, tenant and role of each. Guests
and people of other tenants have their account, marked as outside.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import structlog

from adapters.teams.conversations import Identity, split_account
from adapters.teams.places import Places
from adapters.teams.rosters import Member, Rosters
from bot.errors import Forbidden, Gone, Unavailable
from bot.policy import Person
from bot.ports import GroupRef
from bot.surface import ConversationRef, Scope, Surface

log = structlog.get_logger(__name__)


#: Seconds after which what was read by then is the answer (`adapters.directory_cache.LIMIT` is 25).
IN_TIME = 20.0
#: Personal chats of unknown people that are read before checking whether anyone is still missing.
BATCH = 40


@dataclass(slots=True)
class _Heard:
    """What was read so far, and why something was not."""

    members: list[Member] = field(default_factory=list)
    trouble: Unavailable | None = None


class TeamsDirectory:
    """Implements `bot.ports.Directory`."""

    def __init__(
        self, *, rosters: Rosters, places: Places, identity: Identity, in_time: float = IN_TIME
    ) -> None:
        """`identity` tells which tenants are home: everybody else is from outside."""
        self._rosters, self._places, self._identity = rosters, places, identity
        self._in_time = in_time

    async def resolve(self, people: Sequence[Person]) -> tuple[Person, ...]:
        """The people with their accounts; one who is in no conversation of the bot keeps none, and so may not
        decide in Teams.

        While a roster cannot be read, a person who is in none of the others is left out: the last answer about
        them is used until it is too old. Raises Unavailable when no roster at all could be read.
        """
        members, trouble = await self._met(people)
        if trouble is not None and not members:
            raise trouble
        found = [self._found(person, members) for person in people]
        missing = [person for person, member in zip(people, found, strict=True) if member is None]
        for person in missing:
            if trouble:
                log.warning("approver_not_asked", handle=person.handle, reason=str(trouble))
            else:
                log.warning("approver_not_found", surface=Surface.TEAMS, handle=person.handle)
        return tuple(
            self._with(person, member)
            for person, member in zip(people, found, strict=True)
            if member is not None or trouble is None
        )

    async def members(self, group: GroupRef) -> tuple[Person, ...]:
        """Raises Forbidden: Teams keeps no groups of its own; Entra's are `adapters.graph`'s."""
        raise Forbidden(f"Teams has no groups of kind {group.kind}")

    async def _met(self, people: Sequence[Person]) -> tuple[list[Member], Unavailable | None]:
        """Everyone who may be one of these people, and the error if some could not be looked up."""
        heard = _Heard()
        try:
            async with asyncio.timeout(self._in_time):
                await self._read(self._wanted(people), heard)
                # Whose chat the others are is not known before they are read, once each.
                unread = [ref for ref in self._personal() if self._rosters.now(ref) is None]
                for first in range(0, len(unread), BATCH):
                    if not _missing(people, heard.members):
                        break
                    await self._read(unread[first : first + BATCH], heard)
        except TimeoutError:
            heard.trouble = Unavailable(
                f"reading the members of all Teams conversations took longer than {self._in_time:g} s"
            )
            log.warning("rosters_cut_short", seconds=self._in_time, people=len(heard.members))
        return heard.members, heard.trouble

    def _wanted(self, people: Sequence[Person]) -> list[ConversationRef]:
        """All that several people share, and the personal chats of these people as far as those are known."""
        accounts = {split_account(person.accounts.get(Surface.TEAMS, ""))[1] for person in people}
        addresses = {person.email.casefold() for person in people if person.email}
        chats = [
            ref
            for ref in self._personal()
            if ref.person in accounts
            or any(addresses & _addresses(member) for member in self._rosters.now(ref) or ())
        ]
        return [*chats, *(ref for ref in self._places.every() if ref.scope is not Scope.PERSONAL)]

    def _personal(self) -> list[ConversationRef]:
        return [ref for ref in self._places.every() if ref.scope is Scope.PERSONAL]

    async def _read(self, refs: Sequence[ConversationRef], heard: _Heard) -> None:
        async with asyncio.TaskGroup() as reading:
            for ref in refs:
                reading.create_task(self._one(ref, heard))

    async def _one(self, ref: ConversationRef, heard: _Heard) -> None:
        try:
            heard.members += await self._rosters.of(ref)
        except Unavailable as error:
            heard.trouble = error
            log.warning("roster_not_read", conversation=ref.id, reason=str(error))
        except (Gone, Forbidden) as error:
            log.warning("roster_refused", conversation=ref.id, reason=str(error))

    def _found(self, person: Person, members: Iterable[Member]) -> Member | None:
        account = person.accounts.get(Surface.TEAMS)
        if account:
            tenant, aad = split_account(account)
            wanted = (m for m in members if m.account.endswith(f"/{aad}"))
            return next((m for m in wanted if tenant in (None, m.account.partition("/")[0])), None)
        if not person.email:
            return None
        address = person.email.casefold()
        everybody = {m.account: m for m in members if address in _addresses(m)}
        # An address that a guest has as well is that of the one who is at home.
        found = {account: m for account, m in everybody.items() if not self._is_outside(m)} or everybody
        if len(found) > 1:
            # Two people with one address: neither may be taken for the one that the policy means.
            log.warning("approver_ambiguous", surface=Surface.TEAMS, handle=person.handle)
            return None
        return next(iter(found.values()), None)

    def _with(self, person: Person, member: Member | None) -> Person:
        elsewhere = dict(person.accounts)
        elsewhere.pop(Surface.TEAMS, None)
        others = person.outside - {Surface.TEAMS}
        if member is None:
            return replace(person, accounts=elsewhere, outside=others)
        return replace(
            person,
            name=member.name or person.name,
            email=person.email or member.email,
            accounts={**elsewhere, Surface.TEAMS: member.account},
            outside=others | {Surface.TEAMS} if self._is_outside(member) else others,
        )

    def _is_outside(self, member: Member) -> bool:
        return member.guest or member.tenant not in self._identity.tenants


def _missing(people: Sequence[Person], members: Sequence[Member]) -> bool:
    """Whether a person that the policy knows by address alone has not been found anywhere yet."""
    met = {address for member in members for address in _addresses(member)}
    return any(
        person.email and person.email.casefold() not in met
        for person in people
        if Surface.TEAMS not in person.accounts
    )


def _addresses(member: Member) -> set[str]:
    return {text.casefold() for text in (member.email, member.login) if text}
