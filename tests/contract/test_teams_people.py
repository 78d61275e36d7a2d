"""Who is found in Teams when the bot has many conversations: what is read, how much at once, how long."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

from adapters.teams import ConversationRef, Scope
from adapters.teams.api import TeamsApi, cooldown_of, turns_of
from adapters.teams.conversations import Identity
from adapters.teams.directory import BATCH, TeamsDirectory
from adapters.teams.places import Places
from adapters.teams.rosters import AT_ONCE, Rosters
from bot.policy import Person
from bot.surface import Surface
from tests.contract.teams_rig import Kept

HOME = "11111111-1111-4111-8111-111111111111"


class System:
    """A Connector of many rosters, each of which takes `seconds`; a channel has everybody of `crowd`."""

    def __init__(self, *, seconds: float, crowd: Sequence[str] = ()) -> None:
        self.seconds, self.crowd = seconds, crowd
        self.asked: Counter[str] = Counter()
        self.now = self.most = 0

    async def members(self, url: str, conversation: str, *, after: str | None = None) -> tuple[list[Any], None]:
        """One page, as the Connector has it."""
        self.asked[conversation] += 1
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(self.seconds)
        finally:
            self.now -= 1
        names = [conversation.removeprefix("a:")] if conversation.startswith("a:") else self.crowd
        return [
            {"id": f"29:{name}", "aadObjectId": name, "email": f"{name}@acme.example", "tenantId": HOME}
            for name in names
        ], None


async def directory_of(
    system: Any, *, personal: int, channels: int = 1, in_time: float = 20.0, seconds: list[float] | None = None
) -> TeamsDirectory:
    """A directory of so many personal chats, `a:u0` and on, and channels."""
    clock = seconds or [0.0]
    kept = Kept()
    for number in range(personal + channels):
        shared = number >= personal
        ref = ConversationRef(
            tenant=HOME,
            service_url="https://smba.trafficmanager.net/",
            id=f"19:c{number}" if shared else f"a:u{number}",
            scope=Scope.TEAM if shared else Scope.PERSONAL,
            person=None if shared else f"u{number}",
        )
        await kept.put(ref)
    api = TeamsApi(wire=system, turns=turns_of(lambda: clock[0]), cooling=cooldown_of(lambda: clock[0]))
    places = Places(kept=kept)
    await places.load()
    rosters = Rosters(api=api, seconds=lambda: clock[0])
    identity = Identity(app_id="app", tenants=frozenset({HOME}))
    return TeamsDirectory(rosters=rosters, places=places, identity=identity, in_time=in_time)


def by_address(name: str) -> Person:
    """A person named in nod.yaml by e-mail."""
    return Person(handle=name, name=name, email=f"{name}@acme.example")


async def test_personal_chats_of_others_are_not_read() -> None:
    """A person who is in a channel, or named by account, is found without reading anyone else's chat."""
    system = System(seconds=0, crowd=["ann"])
    directory = await directory_of(system, personal=500)
    bob = Person(handle="bob", name="bob", accounts={Surface.TEAMS: f"{HOME}/u7"})
    found = await directory.resolve([by_address("ann"), bob])
    assert [f"{HOME}/ann", f"{HOME}/u7"] == [person.accounts[Surface.TEAMS] for person in found]
    assert {"a:u7", "19:c500"} == set(system.asked)


async def test_somebody_in_her_own_chat_alone_is_looked_for_once() -> None:
    """The chats are read until this one is found, and from then on it alone; the others only once."""
    system, clock = System(seconds=0), [0.0]
    directory = await directory_of(system, personal=3 * BATCH, seconds=clock)
    for _ in range(3):
        (found,) = await directory.resolve([by_address(f"u{BATCH + 1}")])
        assert f"{HOME}/u{BATCH + 1}" == found.accounts[Surface.TEAMS]
        clock[0] += 400
    chats = {name: times for name, times in system.asked.items() if name.startswith("a:")}
    assert 2 * BATCH == len(chats)
    assert 3 == chats.pop(f"a:u{BATCH + 1}")
    assert {1} == set(chats.values())


async def test_rosters_are_read_several_at_a_time() -> None:
    """As many as AT_ONCE says, and no more."""
    system = System(seconds=0.01, crowd=["ann"])
    await (await directory_of(system, personal=0, channels=20)).resolve([by_address("ann")])
    assert AT_ONCE == system.most


async def test_what_was_read_in_time_counts() -> None:
    """When time is up, those who were met may decide; the others are left out, and read later."""
    system = System(seconds=0.02, crowd=["ann"])
    directory = await directory_of(system, personal=200, in_time=0.2)
    people = [by_address("ann"), by_address("u150")]
    assert ["ann"] == [person.handle for person in await directory.resolve(people)]
    async with asyncio.timeout(10):
        while len(found := await directory.resolve(people)) < 2:
            pass
    assert f"{HOME}/u150" == found[1].accounts[Surface.TEAMS]
