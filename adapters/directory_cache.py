"""Who is who now: people's accounts and the members of groups that a surface keeps, each with its age.

What could not be looked up within `LONGEST_AGE` counts for nobody: a failing lookup means no, also for an
account that nod.yaml names by its id. It may be a guest's or deactivated by now, and nobody could tell.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol

import structlog

from adapters.clock import seconds_since_boot
from adapters.on_call_resolver import OnCallResolver
from adapters.oncall import Schedules
from bot.errors import Forbidden, Gone, Unavailable
from bot.policy import Person, Policy
from bot.ports import Clock, Directory, GroupRef, Metrics
from bot.surface import Surface

#: Seconds that an answer of a directory counts, from when it was asked (issue: cached for at most 60 s).
LONGEST_AGE = 60.0
#: Seconds that an answer is good enough to notify people, when none came since: a ping to where a person was
#: an hour ago is better than none, and it lets nobody decide.
REACHED_FOR = 86_400.0
#: Seconds that one question to a directory may take.
LIMIT = 25.0

Elsewhere = Mapping[str, tuple[GroupRef, ...]]

log = structlog.get_logger()


class GroupKeeper(Protocol):
    """Knows the members of one kind of groups; every `bot.ports.Directory` does."""

    async def members(self, group: GroupRef) -> tuple[Person, ...]:
        """Raises Unavailable, Gone or Forbidden: then nobody is."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """A person as a surface's directory knew them, and when it was asked."""

    person: Person
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedPolicy:
    """A policy with accounts, members and who is on call, and how long it is right without another look."""

    policy: Policy
    since: datetime
    until: datetime  #: exclusive: the next hand-over on the wall clock
    ages_at: float  #: exclusive, in seconds: when the oldest answer that it rests on has grown too old

    def holds(self, *, now: datetime, seconds: float) -> bool:
        """Whether it still is; a wall clock that was put back makes it void as well."""
        return self.since <= now < self.until and seconds < self.ages_at


class DirectoryCache:
    """What was looked up. `refresh` asks; `filled` only reads."""

    def __init__(
        self, *, metrics: Metrics, clock: Clock, seconds: Callable[[], float] = seconds_since_boot
    ) -> None:
        """`count` counts failures for the metrics; `seconds` is a clock that never goes back."""
        self._metrics, self._clock, self._seconds = metrics, clock, seconds
        self._duty = OnCallResolver(metrics=metrics, seconds=seconds, longest_age=LONGEST_AGE, limit=LIMIT)
        self._people: dict[tuple[Surface, object], _Found] = {}
        self._groups: dict[GroupRef, tuple[float, tuple[Person, ...]]] = {}
        #: Who could not be asked about in the last round, by surface, and which groups could not be read.
        self._unasked: dict[Surface, frozenset[object]] = {}
        self._unread: frozenset[GroupRef] = frozenset()

    async def refresh(
        self,
        policy: Policy,
        elsewhere: Elsewhere,
        *,
        directories: Mapping[Surface, Directory],
        groups: Mapping[str, GroupKeeper],
        schedules: Mapping[str, Schedules],
        again: bool = False,
    ) -> None:
        """Ask everybody at once; an answer that does not come leaves the earlier one, which ages.

        `groups` and `schedules` say who knows which kind of them. With `again` only what had no answer in the
        last round is asked.
        """
        people = tuple(policy.people.values())
        refs = {ref for of_group in elsewhere.values() for ref in of_group}
        async with asyncio.TaskGroup() as tasks:
            for surface, directory in directories.items():
                missed = self._unasked.get(surface, frozenset())
                some = tuple(p for p in people if _identity(p) in missed) if again else people
                if some:
                    tasks.create_task(self._look_up(surface, directory, some))
            for ref in refs & self._unread if again else refs:
                tasks.create_task(self._read_group(ref, groups.get(ref.kind)))
            if not again:
                tasks.create_task(self._duty.refresh(policy, schedules, at=self._clock()))
        self._forget(policy, refs)

    @property
    def missed(self) -> bool:
        """Whether the last round failed to look up a person or an external group."""
        return bool(self._unread) or any(self._unasked.values())

    def filled(self, policy: Policy, elsewhere: Elsewhere, *, longest: float = LONGEST_AGE) -> ResolvedPolicy:
        """The policy with accounts, members and who is on call, from answers younger than `longest` seconds."""
        now, at = self._seconds(), self._clock()
        oldest = now - longest
        people = {handle: self._with_accounts(person, oldest) for handle, person in policy.people.items()}
        groups = {name: dict.fromkeys(handles) for name, handles in policy.groups.items()}
        known = _Known(people, named=policy.people)
        for name, refs in elsewhere.items():
            members = (member for ref in refs for member in self._members(ref, oldest))
            taken = (known.merge(member) for member in members)
            groups[name] |= dict.fromkeys(handle for handle in taken if handle is not None)
        duty = self._duty.now(policy, people, at=at)
        members_of = {**{name: tuple(handles) for name, handles in groups.items()}, **duty.groups}
        filled = replace(
            policy,
            people=people,
            groups=members_of,
            stand_ins=duty.stand_ins,
            skipped_shifts=duty.skipped,
            unasked=self._in_doubt(oldest),
        )
        ages = [found.at for found in self._people.values()] + [age for age, _ in self._groups.values()]
        aging = [age + longest for age in (*ages, *duty.ages) if age + longest > now]
        return ResolvedPolicy(
            policy=filled,
            since=at,
            until=min(duty.changes, default=datetime.max.replace(tzinfo=UTC)),
            ages_at=min(aging, default=float("inf")),
        )

    def tell(self, filled: Policy) -> None:
        """Log and count whose schedule does not count any more, or counts again; each change once."""
        self._duty.tell(filled)

    def unread(self, elsewhere: Elsewhere) -> tuple[GroupRef, ...]:
        """The groups that could not be read: nobody counts as their member."""
        oldest = self._seconds() - LONGEST_AGE
        refs = dict.fromkeys(ref for of_group in elsewhere.values() for ref in of_group)
        return tuple(ref for ref in refs if not _younger(self._groups.get(ref, (None, ()))[0], oldest))

    async def _look_up(self, surface: Surface, directory: Directory, people: Sequence[Person]) -> None:
        at = self._seconds()
        try:
            async with asyncio.timeout(LIMIT):
                found = await directory.resolve(people)
        except (Unavailable, Forbidden, Gone, TimeoutError) as error:
            self._failed(surface, error)
            self._unasked[surface] = frozenset(_identity(person) for person in people)
            return
        by_handle = {person.handle: person for person in found}
        for asked in people:
            # A person that the answer leaves out could not be looked up: the last answer about them gets older.
            if asked.handle in by_handle:
                self._people[(surface, _identity(asked))] = _Found(person=by_handle[asked.handle], at=at)
        silent = (_identity(asked) for asked in people if asked.handle not in by_handle)
        self._unasked[surface] = frozenset(silent)

    async def _read_group(self, ref: GroupRef, keeper: GroupKeeper | None) -> None:
        at = self._seconds()
        if keeper is None:
            self._failed(str(ref), Unavailable("its directory is not set up in Nod"))
            return
        try:
            async with asyncio.timeout(LIMIT):
                members = await keeper.members(ref)
        except (Unavailable, Forbidden, TimeoutError) as error:
            self._failed(str(ref), error)
            self._unread |= {ref}
            return
        except Gone as error:
            self._failed(str(ref), error)
            self._groups.pop(ref, None)  # it said so itself: nobody is in it any more
        else:
            self._groups[ref] = (at, members)
        self._unread -= {ref}

    def _in_doubt(self, oldest: float) -> frozenset[Surface]:
        """Where a person has no recent enough answer, because none came when it was asked for."""
        doubt = {
            surface
            for surface, missed in self._unasked.items()
            if any(not self._is_known(surface, identity, oldest) for identity in missed)
        }
        unread = any(not _younger(self._groups.get(ref, (None, ()))[0], oldest) for ref in self._unread)
        return frozenset(self._unasked if unread else doubt)

    def _is_known(self, surface: Surface, identity: object, oldest: float) -> bool:
        found = self._people.get((surface, identity))
        return found is not None and _younger(found.at, oldest)

    def _failed(self, what: str, error: Exception) -> None:
        log.warning("look_up_failed", what=what, reason=str(error) or type(error).__name__)
        self._metrics.count("look_up_failed")

    def _forget(self, policy: Policy, refs: Iterable[GroupRef]) -> None:
        """What the file does not name any more."""
        known = {_identity(person) for person in policy.people.values()}
        self._people = {key: found for key, found in self._people.items() if key[1] in known}
        self._groups = {ref: found for ref, found in self._groups.items() if ref in set(refs)}
        self._unasked = {surface: missed & known for surface, missed in self._unasked.items()}
        self._unread &= set(refs)

    def _members(self, ref: GroupRef, oldest: float) -> tuple[Person, ...]:
        at, members = self._groups.get(ref, (None, ()))
        return members if _younger(at, oldest) else ()

    def _with_accounts(self, person: Person, oldest: float) -> Person:
        accounts, outside = dict(person.accounts), set(person.outside)
        name, email = person.name, person.email
        for surface in sorted({*self._unasked, *accounts}):
            found = self._people.get((surface, _identity(person)))
            account = found.person.accounts.get(surface) if found and _younger(found.at, oldest) else None
            if found and surface in found.person.outside:
                outside.add(surface)
            if found and account is not None:
                accounts[surface] = account
                name = found.person.name
                # The address of an account from outside is the word of another company.
                email = email if surface in outside else found.person.email or email
            else:
                accounts.pop(surface, None)
        return replace(person, name=name, email=email, accounts=accounts, outside=frozenset(outside))


def _younger(at: float | None, oldest: float) -> bool:
    return at is not None and at > oldest


def _identity(person: Person) -> object:
    """What a lookup goes by: when the file changes it, the earlier answer is about another person."""
    return (person.handle, person.email, tuple(sorted(person.accounts.items())))


class _Known:
    """Everybody known so far, to be found by account and by e-mail."""

    def __init__(self, people: dict[str, Person], *, named: Mapping[str, Person]) -> None:
        """`people` grows with those who are taken in; `named` is what the file itself says of them."""
        self._people, self._named = people, named
        self._by_account: dict[tuple[Surface, str], str] = {}
        self._by_email: dict[str, str] = {}
        for person in people.values():
            self._index(person)

    def merge(self, member: Person) -> str | None:
        """The handle of a group's member: of the person who is known already, or a new one.

        A member without an account can only be a person who is known by their verified e-mail. None: nobody
        known, or an e-mail that is known with another account.
        """
        for place in member.accounts.items():
            if place in self._by_account:
                return self._marked(self._by_account[place], member)
        # The address of an account from outside is the word of another company.
        trusted = member.email if not member.outside & member.accounts.keys() else None
        handle = self._by_email.get((trusted or "").casefold())
        if handle is not None:
            named = self._named.get(handle)
            own = {**self._people[handle].accounts, **(named.accounts if named else {})}
            return None if own.keys() & member.accounts.keys() else self._marked(handle, member)
        if not member.accounts:
            return None
        surface, account = next(iter(member.accounts.items()))
        person = replace(member, handle=f"{surface}:{account}")
        self._people[person.handle] = person
        self._index(person)
        return person.handle

    def _marked(self, handle: str, member: Person) -> str:
        """What the group's directory adds: more accounts, and whether they are external."""
        known = self._people[handle]
        accounts = {**member.accounts, **known.accounts}
        person = replace(known, accounts=accounts, outside=known.outside | member.outside)
        self._people[handle] = person
        self._index(person)
        return handle

    def _index(self, person: Person) -> None:
        for place in person.accounts.items():
            self._by_account.setdefault(place, person.handle)
        if person.email:
            self._by_email.setdefault(person.email.casefold(), person.handle)
