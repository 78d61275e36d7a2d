"""Who in the policy has which Entra account: by e-mail address or object id, out of the conversations' rosters.

Guests and people of other tenants have their account, marked as outside.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import structlog

from adapters.teams.identity import Identity, split_account
from adapters.teams.places import Places
from adapters.teams.rosters import Member, Rosters
from bot.errors import Forbidden, Gone, Unavailable
from bot.policy import Person
from bot.ports import GroupRef
from bot.surface import Surface

log = structlog.get_logger(__name__)


class TeamsDirectory:
    """Implements `bot.ports.Directory`."""

    def __init__(self, *, rosters: Rosters, places: Places, identity: Identity) -> None:
        """`identity` tells which tenants are home: everybody else is from outside."""
        self._rosters, self._places, self._identity = rosters, places, identity

    async def resolve(self, people: Sequence[Person]) -> tuple[Person, ...]:
        """The people with their accounts; one who is in no conversation of the bot keeps none, and so may not
        decide in Teams.

        While a roster cannot be read, somebody who is in none of the others is left out: what was known of her
        before counts until it is too old. Raises Unavailable when no roster at all could be read.
        """
        members, trouble = await self._everybody()
        if trouble is not None and not members:
            raise trouble
        found = [self._found(person, members) for person in people]
        missing = [person for person, member in zip(people, found, strict=True) if member is None]
        for person in missing:
            if trouble:
                log.warning("approver_not_asked", handle=person.handle, reason=str(trouble))
            else:
                log.warning("approver_not_found", surface=Surface.TEAMS.value, handle=person.handle)
        return tuple(
            self._with(person, member)
            for person, member in zip(people, found, strict=True)
            if member is not None or trouble is None
        )

    async def members(self, group: GroupRef) -> tuple[Person, ...]:
        """Raises Forbidden: Teams keeps no groups of its own; Entra's are `adapters.graph`'s."""
        raise Forbidden(f"Teams keeps no groups of the kind {group.kind}")

    async def _everybody(self) -> tuple[list[Member], Unavailable | None]:
        """Everybody in all conversations, and why one could not be asked."""
        members: list[Member] = []
        trouble: Unavailable | None = None
        for ref in self._places.every():
            try:
                members += await self._rosters.of(ref)
            except Unavailable as error:
                trouble = error
                log.warning("roster_not_read", conversation=ref.id, reason=str(error))
            except (Gone, Forbidden) as error:
                log.warning("roster_refused", conversation=ref.id, reason=str(error))
        return members, trouble

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
            log.warning("approver_ambiguous", surface=Surface.TEAMS.value, handle=person.handle)
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


def _addresses(member: Member) -> set[str]:
    return {text.casefold() for text in (member.email, member.login) if text}
