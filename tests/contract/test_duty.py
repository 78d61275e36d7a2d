"""Who is on call in the policy in force: by rotations and by schedules over real HTTP, or who stands in."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from datetime import time as wall
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from starlette.responses import JSONResponse, Response

from adapters.directory_cache import LONGEST_AGE
from adapters.on_call_resolver import NOBODY, NOBODY_KNOWN, NOT_YET, TOO_OLD
from adapters.oncall import PAGERDUTY, Schedules
from adapters.oncall.open import open_schedules
from adapters.policy_in_force import PolicyInForce
from bot.audit import Fact
from bot.errors import ConfigError
from bot.policy import Person, Policy
from bot.ports import GroupRef
from bot.rotation import Cadence, OnCall, Override, Rotation, ScheduleRef
from tests.servers.schedules import PAGERDUTY_KEY, SCHEDULE, PagerDuty, oncall, open_service

NOW = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
HAND_OVER = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
ROTATION = Rotation(
    people=("ann", "bob"),
    zone=ZoneInfo("Europe/Berlin"),
    cadence=Cadence.DAILY,
    at=wall(9),
    begins=date(2026, 2, 28),
)
PEOPLE = {
    "ann": Person(handle="ann", name="Ann Lee", email="ann@acme.example"),
    "bob": Person(handle="bob", name="Bob Ray"),
    "cat": Person(handle="cat", name="Cat Day", email="Cat@Acme.example"),
    "dan": Person(handle="dan", name="Dan Fox"),
    "dana": Person(handle="dana", name="Dan Fox"),
}
POLICY = Policy(
    people=PEOPLE,
    groups={"finance": ("ann", "cat")},
    routes=(),
    oncall={
        "day": OnCall(name="day", otherwise="cat", rotation=ROTATION),
        "night": OnCall(name="night", otherwise="bob", schedule=ScheduleRef(kind=PAGERDUTY, id=SCHEDULE)),
    },
    version="1",
)


@dataclass(frozen=True)
class File:
    """An `adapters.policy_in_force.Reviewed`."""

    policy: Policy = POLICY
    elsewhere: Mapping[str, tuple[GroupRef, ...]] = field(default_factory=dict)


class SilentJournal:
    """A `bot.store.Journal` that forgets."""

    async def note(self, fact: Fact) -> None: ...

    async def policy_in_force(self) -> str | None:
        return None


class World:
    """A book with both its clocks and PagerDuty in the test's hands."""

    def __init__(self, service: PagerDuty, schedules: Mapping[str, Schedules], path: Path) -> None:
        self.service, self.schedules = service, schedules
        self.at, self.seconds = NOW, 1_000.0
        self.counted: list[str] = []
        self.file, self.path = File(), path
        path.write_text("a policy")
        self.policy_in_force = PolicyInForce(
            self.file,
            path=path,
            read=lambda: self.file,
            journal=SilentJournal(),
            clock=lambda: self.at,
            count=self.counted.append,
            refused=self.refused,
            seconds=lambda: self.seconds,
        )

    async def refused(self, error: ConfigError) -> None:
        raise AssertionError(error)

    async def refresh(self) -> None:
        await self.policy_in_force.refresh(directories={}, groups={}, schedules=self.schedules)

    def on_call(self, name: str) -> tuple[str, ...]:
        return self.policy_in_force.policy().handles((name,))

    def night(self) -> tuple[tuple[str, ...], str | None]:
        """Who is asked at night, and why it is a stand-in if it is one."""
        return self.on_call("night"), self.policy_in_force.policy().stand_ins.get("night")

    def pass_time(self, seconds: float) -> None:
        self.at, self.seconds = self.at + timedelta(seconds=seconds), self.seconds + seconds


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    service = PagerDuty()
    service.entries = [oncall("ann")]
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(open_service(service))
        refs = [one.schedule for one in POLICY.oncall.values() if one.schedule]
        schedules = open_schedules(
            refs, pagerduty_key=PAGERDUTY_KEY, opsgenie_key=None, hosts=(), pagerduty_url=url, limit=1
        )
        yield World(service, await stack.enter_async_context(schedules), tmp_path / "nod.yaml")


async def test_a_rotation_needs_no_look_up(world: World) -> None:
    """It counts before anybody was asked, and is no stand-in."""
    assert ("bob",) == world.on_call("day")
    assert "day" not in world.policy_in_force.policy().stand_ins


async def test_a_hand_over_counts_from_its_moment(world: World) -> None:
    """By the wall clock, without any round: the policy that was filled before does not outlive it."""
    await world.refresh()
    world.at = HAND_OVER - timedelta(microseconds=1)
    assert ("bob",) == world.on_call("day")

    world.at = HAND_OVER
    assert ("ann",) == world.on_call("day")

    world.at = NOW
    assert ("bob",) == world.on_call("day")


async def test_the_policy_is_filled_once_between_two_changes(world: World) -> None:
    """A click reads what was filled before it."""
    await world.refresh()
    before = world.policy_in_force.policy()

    world.pass_time(LONGEST_AGE - 1)

    assert before is world.policy_in_force.policy()


async def test_an_override_counts_from_its_moment(world: World) -> None:
    """And ends at its end."""
    start = NOW + timedelta(minutes=5)
    swap = Override(who="cat", start=start, end=start + timedelta(minutes=10))
    day = OnCall(name="day", otherwise="cat", rotation=replace(ROTATION, overrides=(swap,)))
    world.file = File(replace(POLICY, oncall={"day": day}, version="2"))
    async with world.policy_in_force.kept(directories={}, groups={}, schedules={}, look_every=0.01):
        world.path.write_text("another policy")
        await in_force(world, "2")

    seen = []
    for minutes in (0, 5, 14, 15):
        world.at = NOW + timedelta(minutes=minutes)
        seen.append(world.on_call("day"))

    assert [("bob",), ("cat",), ("cat",), ("bob",)] == seen


async def in_force(world: World, version: str) -> None:
    end = time.monotonic() + 5
    while world.policy_in_force.policy().version != version:
        assert time.monotonic() < end
        await asyncio.sleep(0.005)


async def test_a_schedule_is_looked_up(world: World) -> None:
    """Before that the named person is asked; other groups are what the file says."""
    assert (("bob",), NOT_YET) == world.night()

    await world.refresh()

    assert (("ann",), None) == world.night()
    assert ("ann", "cat") == world.on_call("finance")
    assert [] == world.counted


async def test_what_of_a_schedule_cannot_be_read_is_told_once(world: World) -> None:
    """The rest of it counts; each change is counted, and a policy tells `nod policy lint` which lines."""
    world.service.instead = JSONResponse({"oncalls": [oncall("ann"), None]})
    await world.refresh()
    await world.refresh()

    assert (("ann",), None) == world.night()
    assert {"night": ("entry 2 is null",)} == world.policy_in_force.policy().skipped_shifts
    assert ["shifts_skipped"] == world.counted

    world.service.instead = None
    await world.refresh()
    assert {} == world.policy_in_force.policy().skipped_shifts


async def test_who_is_on_call_now_is_asked_for(world: World) -> None:
    """The moment of the wall clock is what the service is asked about."""
    edge = HAND_OVER.isoformat()
    world.service.entries = [oncall("ann", end=edge), oncall("cat", start=edge)]

    await world.refresh()
    assert (("ann",), None) == world.night()
    world.pass_time(3600)
    await world.refresh()
    assert (("cat",), None) == world.night()


NAMES = [
    ("an address in other capitals", "CAT@acme.EXAMPLE", ("cat",)),
    ("a handle", "Bob", ("bob",)),
    ("a name", "bob ray", ("bob",)),
    ("a name of two people", "Dan Fox", None),
    ("a stranger", "eve@acme.example", None),
    ("a part of a name", "Ray", None),
    ("nearly an address", "cat@acme.example.evil.example", None),
]


@pytest.mark.parametrize(("named", "handles"), [row[1:] for row in NAMES], ids=[row[0] for row in NAMES])
async def test_people_are_known_by_what_the_file_says(
    world: World, named: str, handles: tuple[str, ...] | None
) -> None:
    """E-mail address, handle or name, whole and whatever the case; what two are called is nobody's name."""
    entry = oncall("x")
    world.service.entries = [entry | {"user": entry["user"] | {"email": named}}]

    await world.refresh()

    assert ((handles, None) if handles else (("bob",), NOBODY_KNOWN)) == world.night()


async def test_strangers_beside_somebody_known_do_no_harm(world: World) -> None:
    """Who is known is asked."""
    world.service.entries = [oncall("eve"), oncall("cat"), oncall("ann")]

    await world.refresh()

    assert (("cat", "ann"), None) == world.night()


FAILURES = [
    ("500", Response("", 500), "PagerDuty answered 500"),
    ("401", JSONResponse({}, 401), "PagerDuty refuses us (401)"),
    ("404", JSONResponse({}, 404), "PagerDuty knows no such schedule (404)"),
    ("garbage", Response("<html>"), "PagerDuty's answer is no JSON"),
    ("nobody", JSONResponse({"oncalls": []}), NOBODY),
    ("a stranger", JSONResponse({"oncalls": [oncall("eve")]}), NOBODY_KNOWN),
    ("silence", None, "PagerDuty did not answer within 1 s"),
]


@pytest.mark.parametrize(("answer", "why"), [row[1:] for row in FAILURES], ids=[row[0] for row in FAILURES])
async def test_a_failure_falls_to_the_named_person_and_says_so(
    world: World, answer: Response | None, why: str
) -> None:
    """With the reason in plain words, counted once; when it is over, whoever is on call is asked again."""
    world.service.instead, world.service.hangs = answer, answer is None

    await world.refresh()
    await world.refresh()

    assert (("bob",), why) == world.night()
    assert ["on_call_not_read"] == world.counted

    world.service.instead, world.service.hangs = None, False
    await world.refresh()
    assert (("ann",), None) == world.night()
    world.service.instead, world.service.hangs = answer, answer is None
    world.pass_time(LONGEST_AGE)
    await world.refresh()
    assert (("bob",), why) == world.night()
    assert ["on_call_not_read"] * 2 == world.counted


async def test_an_outage_is_felt_after_a_minute(world: World) -> None:
    """Until then the last answer counts; a loop that stands still does not make it younger."""
    await world.refresh()
    world.service.instead = Response("", 503)

    world.pass_time(LONGEST_AGE - 1)
    await world.refresh()
    assert (("ann",), None) == world.night()
    world.pass_time(1)
    assert (("bob",), "PagerDuty answered 503") == world.night()


async def test_an_answer_grows_old_without_any_trouble(world: World) -> None:
    """Nobody asked again, so nobody knows; what went wrong before that is no reason any more."""
    world.service.instead = Response("", 500)
    await world.refresh()
    world.service.instead = None
    await world.refresh()

    world.pass_time(LONGEST_AGE)

    assert (("bob",), TOO_OLD) == world.night()


async def test_a_schedule_that_is_gone_counts_at_once(world: World) -> None:
    """The service said so itself; there is nothing to wait for."""
    await world.refresh()
    world.service.instead = JSONResponse({}, 404)

    await world.refresh()

    assert (("bob",), "PagerDuty knows no such schedule (404)") == world.night()


async def test_a_new_reason_is_told_too(world: World) -> None:
    """Each change of it once: the operator mends one thing after the other."""
    for answer in (Response("", 500), Response("", 500), JSONResponse({}, 401)):
        world.service.instead = answer
        await world.refresh()

    assert ["on_call_not_read"] * 2 == world.counted


async def test_a_schedule_of_a_new_file_is_asked_at_once(world: World) -> None:
    """Nobody starts anew for it; a kind without a connection falls to the named person."""
    kinds = {"night": PAGERDUTY, "weekend": "opsgenie"}
    world.file = File(
        replace(
            POLICY,
            oncall={
                name: OnCall(name=name, otherwise="bob", schedule=ScheduleRef(kind=kind, id="PNEW"))
                for name, kind in kinds.items()
            },
            version="2",
        )
    )
    world.service.entries = [oncall("cat", schedule="PNEW")]
    async with world.policy_in_force.kept(
        directories={}, groups={}, schedules=world.schedules, look_every=0.01
    ):
        assert (("bob",), NOBODY) == world.night()
        world.path.write_text("another policy")
        await in_force(world, "2")
        end = time.monotonic() + 5
        while world.night() != (("cat",), None):
            assert time.monotonic() < end
            await asyncio.sleep(0.005)

    assert ("bob",) == world.on_call("weekend")
    assert "no connection to opsgenie is set up" == world.policy_in_force.policy().stand_ins["weekend"]
