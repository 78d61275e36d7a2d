"""Directories and schedules that answer as told, for what `nod policy` says of reachable people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from bot.errors import Gone, Unavailable
from bot.policy import Person
from bot.ports import GroupRef
from bot.rotation import ScheduleRef
from bot.surface import Surface

SLACK = Surface.SLACK


class FakeDirectory:
    """A `bot.ports.Directory` that finds these people by handle, and these accounts in every group."""

    def __init__(self, *handles: str, group: Sequence[str] | None = (), guests: Sequence[str] = ()) -> None:
        self.handles, self.group, self.guests = handles, group, guests

    async def resolve(self, people: Sequence[Person]) -> tuple[Person, ...]:
        return tuple(
            replace(
                one,
                accounts={SLACK: f"U0{one.handle}"} if one.handle in self.handles else {},
                outside=frozenset({SLACK} if one.handle in self.guests else ()),
            )
            for one in people
        )

    async def members(self, group: GroupRef) -> tuple[Person, ...]:
        if self.group is None:
            raise Gone("no such group")
        return tuple(Person(handle=account, name=account, accounts={SLACK: account}) for account in self.group)


class FakeSchedules:
    """An `adapters.oncall.Schedules` that always says the same, or cannot be reached."""

    def __init__(self, *names: str, silent: bool = False) -> None:
        self.names, self.silent = names, silent

    async def on_call(self, ref: ScheduleRef, at: datetime) -> tuple[str, ...]:
        if self.silent:
            raise Unavailable("PagerDuty does not answer")
        return self.names

    def skipped(self, ref: ScheduleRef) -> tuple[str, ...]:
        return ()
