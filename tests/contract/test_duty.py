"""Who is on call in the policy in force: by rotations, by schedules over real HTTP, or by the stand-in."""

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
from tests.fakes import Counting
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


class Rig:
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
            metrics=Counting(self.counted.append),
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
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    service = PagerDuty()
    service.entries = [oncall("ann")]
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(open_service(service))
        refs = [one.schedule for one in POLICY.oncall.values() if one.schedule]
        schedules = open_schedules(
            refs, pagerduty_key=PAGERDUTY_KEY, opsgenie_key=None, hosts=(), pagerduty_url=url, limit=1
        )
        yield Rig(service, await stack.enter_async_context(schedules), tmp_path / "nod.yaml")


async def test_a_rotation_needs_no_look_up(rig: Rig) -> None:
    """It is valid before the first lookup, and it is no stand-in."""
    assert ("bob",) == rig.on_call("day")
    assert "day" not in rig.policy_in_force.policy().stand_ins


async def test_a_hand_over_counts_from_its_moment(rig: Rig) -> None:
    """By the wall clock, without any round: the policy that was filled before does not outlive it."""
    await rig.refresh()
    rig.at = HAND_OVER - timedelta(microseconds=1)
    assert ("bob",) == rig.on_call("day")

    rig.at = HAND_OVER
    assert ("ann",) == rig.on_call("day")

    rig.at = NOW
    assert ("bob",) == rig.on_call("day")


async def test_the_policy_is_filled_once_between_two_changes(rig: Rig) -> None:
    """A click reads what was filled before it."""
    await rig.refresh()
    before = rig.policy_in_force.policy()

    rig.pass_time(LONGEST_AGE - 1)

    assert before is rig.policy_in_force.policy()


async def test_an_override_counts_from_its_moment(rig: Rig) -> None:
    """And ends at its end."""
    start = NOW + timedelta(minutes=5)
    swap = Override(who="cat", start=start, end=start + timedelta(minutes=10))
    day = OnCall(name="day", otherwise="cat", rotation=replace(ROTATION, overrides=(swap,)))
    rig.file = File(replace(POLICY, oncall={"day": day}, version="2"))
    async with rig.policy_in_force.kept(directories={}, groups={}, schedules={}, look_every=0.01):
        rig.path.write_text("another policy")
        await in_force(rig, "2")

    seen = []
    for minutes in (0, 5, 14, 15):
        rig.at = NOW + timedelta(minutes=minutes)
        seen.append(rig.on_call("day"))

    assert [("bob",), ("cat",), ("cat",), ("bob",)] == seen


async def in_force(rig: Rig, version: str) -> None:
    end = time.monotonic() + 5
    while rig.policy_in_force.policy().version != version:
        assert time.monotonic() < end
        await asyncio.sleep(0.005)


async def test_a_schedule_is_looked_up(rig: Rig) -> None:
    """Before that the named person is asked; other groups are what the file says."""
    assert (("bob",), NOT_YET) == rig.night()

    await rig.refresh()

    assert (("ann",), None) == rig.night()
    assert ("ann", "cat") == rig.on_call("finance")
    assert [] == rig.counted


async def test_what_of_a_schedule_cannot_be_read_is_told_once(rig: Rig) -> None:
    """The rest of it is used; each change is counted, and `nod policy lint` names the lines."""
    rig.service.instead = JSONResponse({"oncalls": [oncall("ann"), None]})
    await rig.refresh()
    await rig.refresh()

    assert (("ann",), None) == rig.night()
    assert {"night": ("entry 2 is null",)} == rig.policy_in_force.policy().skipped_shifts
    assert ["shifts_skipped"] == rig.counted

    rig.service.instead = None
    await rig.refresh()
    assert {} == rig.policy_in_force.policy().skipped_shifts


async def test_who_is_on_call_now_is_asked_for(rig: Rig) -> None:
    """The moment of the wall clock is what the service is asked about."""
    edge = HAND_OVER.isoformat()
    rig.service.entries = [oncall("ann", end=edge), oncall("cat", start=edge)]

    await rig.refresh()
    assert (("ann",), None) == rig.night()
    rig.pass_time(3600)
    await rig.refresh()
    assert (("cat",), None) == rig.night()


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
    rig: Rig, named: str, handles: tuple[str, ...] | None
) -> None:
    """E-mail address, handle or name, whole and whatever the case; what two are called is nobody's name."""
    entry = oncall("x")
    rig.service.entries = [entry | {"user": entry["user"] | {"email": named}}]

    await rig.refresh()

    assert ((handles, None) if handles else (("bob",), NOBODY_KNOWN)) == rig.night()


async def test_strangers_beside_somebody_known_do_no_harm(rig: Rig) -> None:
    """Who is known is asked."""
    rig.service.entries = [oncall("eve"), oncall("cat"), oncall("ann")]

    await rig.refresh()

    assert (("cat", "ann"), None) == rig.night()


FAILURES = [
    ("500", Response("", 500), "PagerDuty answered 500"),
    ("401", JSONResponse({}, 401), "PagerDuty denies access (401)"),
    ("404", JSONResponse({}, 404), "PagerDuty has no such schedule (404)"),
    ("garbage", Response("<html>"), "PagerDuty's answer is not JSON"),
    ("nobody", JSONResponse({"oncalls": []}), NOBODY),
    ("a stranger", JSONResponse({"oncalls": [oncall("eve")]}), NOBODY_KNOWN),
    ("silence", None, "PagerDuty did not answer within 1 s"),
]


@pytest.mark.parametrize(("answer", "why"), [row[1:] for row in FAILURES], ids=[row[0] for row in FAILURES])
async def test_a_failure_falls_to_the_named_person_and_says_so(
    rig: Rig, answer: Response | None, why: str
) -> None:
    """With the reason in plain words, counted once; once the failure ends, the schedule is read again."""
    rig.service.instead, rig.service.hangs = answer, answer is None

    await rig.refresh()
    await rig.refresh()

    assert (("bob",), why) == rig.night()
    assert ["on_call_not_read"] == rig.counted

    rig.service.instead, rig.service.hangs = None, False
    await rig.refresh()
    assert (("ann",), None) == rig.night()
    rig.service.instead, rig.service.hangs = answer, answer is None
    rig.pass_time(LONGEST_AGE)
    await rig.refresh()
    assert (("bob",), why) == rig.night()
    assert ["on_call_not_read"] * 2 == rig.counted


async def test_an_outage_is_felt_after_a_minute(rig: Rig) -> None:
    """Until then the last answer is used; a loop that hangs does not make it younger."""
    await rig.refresh()
    rig.service.instead = Response("", 503)

    rig.pass_time(LONGEST_AGE - 1)
    await rig.refresh()
    assert (("ann",), None) == rig.night()
    rig.pass_time(1)
    assert (("bob",), "PagerDuty answered 503") == rig.night()


async def test_an_answer_grows_old_without_any_trouble(rig: Rig) -> None:
    """Nobody asked again, so nobody knows; what went wrong before that is no reason any more."""
    rig.service.instead = Response("", 500)
    await rig.refresh()
    rig.service.instead = None
    await rig.refresh()

    rig.pass_time(LONGEST_AGE)

    assert (("bob",), TOO_OLD) == rig.night()


async def test_a_schedule_that_is_gone_counts_at_once(rig: Rig) -> None:
    """The service said so itself; there is nothing to wait for."""
    await rig.refresh()
    rig.service.instead = JSONResponse({}, 404)

    await rig.refresh()

    assert (("bob",), "PagerDuty has no such schedule (404)") == rig.night()


async def test_a_new_reason_is_told_too(rig: Rig) -> None:
    """Each change of it once: the operator mends one thing after the other."""
    for answer in (Response("", 500), Response("", 500), JSONResponse({}, 401)):
        rig.service.instead = answer
        await rig.refresh()

    assert ["on_call_not_read"] * 2 == rig.counted


async def test_a_schedule_of_a_new_file_is_asked_at_once(rig: Rig) -> None:
    """No restart is needed; a kind without a connection falls back to the named person."""
    kinds = {"night": PAGERDUTY, "weekend": "opsgenie"}
    rig.file = File(
        replace(
            POLICY,
            oncall={
                name: OnCall(name=name, otherwise="bob", schedule=ScheduleRef(kind=kind, id="PNEW"))
                for name, kind in kinds.items()
            },
            version="2",
        )
    )
    rig.service.entries = [oncall("cat", schedule="PNEW")]
    async with rig.policy_in_force.kept(directories={}, groups={}, schedules=rig.schedules, look_every=0.01):
        assert (("bob",), NOBODY) == rig.night()
        rig.path.write_text("another policy")
        await in_force(rig, "2")
        end = time.monotonic() + 5
        while rig.night() != (("cat",), None):
            assert time.monotonic() < end
            await asyncio.sleep(0.005)

    assert ("bob",) == rig.on_call("weekend")
    assert "Nod has no connection to opsgenie" == rig.policy_in_force.policy().stand_ins["weekend"]
