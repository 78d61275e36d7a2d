"""Who can be reached, as far as that is known, and what a policy's findings look like. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bot.policy import Person, Policy
from bot.ports import GroupRef
from bot.rotation import OnCall


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One finding: an error keeps requests from being decided, a warning may be meant."""

    error: bool
    what: str
    fix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What is known of who can be reached. Offline, an e-mail or an id is taken for an account."""

    policy: Policy  #: with accounts and members, where they were looked up
    elsewhere: Mapping[str, tuple[GroupRef, ...]]
    unread: tuple[GroupRef, ...] = ()  #: groups that were asked for in vain
    offline: bool
    alerts: bool  #: whether anybody is told of alerts

    def reaches(self, person: Person, *, outsiders: tuple[str, ...] | None = None) -> bool:
        """Whether she could be asked; with `outsiders`, whether she could decide where they may."""
        if self.offline:
            return bool(person.accounts or person.email)
        surfaces = set(person.accounts)
        if outsiders is not None and person.handle not in outsiders:
            surfaces -= person.outside
        return bool(surfaces)

    def unknown(self, names: tuple[str, ...]) -> bool:
        """Offline, a group or a schedule that is kept elsewhere may name anybody."""
        oncall = self.policy.oncall
        away = (name in self.elsewhere or (name in oncall and oncall[name].schedule) for name in names)
        return self.offline and any(away)

    def ever(self, names: tuple[str, ...]) -> tuple[Person, ...]:
        """Everybody whom names may stand for: the members now, and who takes turns or stands in."""
        oncall = self.policy.oncall
        turns = [handle for name in names if name in oncall for handle in ever(oncall[name])]
        return self.policy.members((*names, *turns))


def ever(one: OnCall) -> tuple[str, ...]:
    """The people of the file whom a name may stand for some day; a schedule may name others, too."""
    if one.rotation is None:
        return (one.otherwise,)
    return tuple(dict.fromkeys((*one.rotation.people, *(over.who for over in one.rotation.overrides))))
