"""Who is on call by an iCalendar, from a file and over real HTTP; what a hostile calendar can do: nothing."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage

import pytest
from starlette.responses import RedirectResponse, Response

from adapters.oncall import ICAL, Schedules
from adapters.oncall.open import open_schedules
from bot.errors import Forbidden, Gone, NodError, Unavailable
from bot.rotation import ScheduleRef
from tests.servers.schedules import CalendarHost, calendar, open_service

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
#: Seconds for one unfolding; a good one takes a hundredth of that, where nothing else runs.
PLENTY = 60.0
#: And where it shall not end in time.
LIMIT = 3.0
ANN = """
    DTSTART:20260302T110000Z
    DTEND:20260302T130000Z
    ATTENDEE;CN=Ann;PARTSTAT=ACCEPTED:MAILTO:ann@acme.example
    ATTENDEE:mailto:bob@acme.example
    SUMMARY:Pager duty of Ann
"""


class Rig:
    """A file and a host of calendars, and a connection that is kept, as it is while the bot runs."""

    def __init__(self, folder: Path, host: CalendarHost, address: str, kept: Schedules) -> None:
        self.file, self.host, self.kept = folder / "rota.ics", host, kept
        self.url = f"{address}/private-3f9a/basic.ics"

    async def by_file(self, content: bytes, at: datetime = NOW) -> tuple[str, ...]:
        self.file.write_bytes(content)
        return await self.asked(str(self.file), at)

    async def by_host(self, content: bytes, at: datetime = NOW) -> tuple[str, ...]:
        self.host.calendar = content
        return await self.asked(self.url, at)

    async def asked(self, place: str, at: datetime = NOW) -> tuple[str, ...]:
        return await self.kept.on_call(ScheduleRef(kind=ICAL, id=place), at)


def unfolding() -> list[Path]:
    """The processes of ours that unfold a calendar now, as proc(5) shows them."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            command, status = (process / "cmdline").read_bytes(), (process / "stat").read_text()
            if b"adapters.oncall.unfold" in command and status.rpartition(")")[2].split()[1] == str(
                os.getpid()
            ):
                found.append(process)
    return found


@pytest.fixture
def limit() -> float:
    """Seconds for one unfolding."""
    return PLENTY


@pytest.fixture
async def rig(tmp_path: Path, limit: float) -> AsyncIterator[Rig]:
    host = CalendarHost()
    keys = {"pagerduty_key": None, "opsgenie_key": None}
    async with (
        open_service(host) as address,
        open_schedules([], **keys, hosts=["127.0.0.1", "calendar.acme.example"], limit=limit) as kinds,
    ):
        yield Rig(tmp_path, host, address, kinds[ICAL])


async def test_the_event_that_is_under_way_counts(rig: Rig) -> None:
    """Its first attendee; half-open, so at the moment of the hand-over the next person is on call."""
    bob = ANN.replace("T110000", "T999999").replace("T130000", "T150000").replace("T999999", "T130000")
    rota = calendar(ANN, bob.replace("MAILTO:ann", "mailto:cat"))
    hand_over = NOW + timedelta(hours=1)

    assert ("ann@acme.example",) == await rig.by_file(rota)
    assert ("ann@acme.example",) == await rig.by_host(rota, hand_over - timedelta(seconds=1))
    assert ("cat@acme.example",) == await rig.by_host(rota, hand_over)
    assert () == await rig.by_host(rota, hand_over + timedelta(hours=2))


async def test_days_without_a_zone_are_the_calendars(rig: Rig) -> None:
    """X-WR-TIMEZONE, which calendars that are published carry; UTC without."""
    day = "DTSTART;VALUE=DATE:20260302\nSUMMARY:ann"
    late = datetime(2026, 3, 2, 23, 30, tzinfo=UTC)

    assert ("ann",) == await rig.by_file(calendar(day), late)
    assert () == await rig.by_file(calendar(day, head="X-WR-TIMEZONE:Europe/Berlin"), late)

    assert () == await rig.by_file(calendar(day, head="X-WR-TIMEZONE:W. Europe Standard Time"), late)


async def test_what_cannot_be_read_is_named(rig: Rig) -> None:
    """The rest of the calendar is used (tests/unit/test_unfold.py has what is skipped and why)."""
    assert ("ann@acme.example",) == await rig.by_file(calendar(ANN, "SUMMARY:bob"))
    assert ("bob: it has no DTSTART",) == rig.kept.skipped(ScheduleRef(kind=ICAL, id=str(rig.file)))
    assert () == rig.kept.skipped(ScheduleRef(kind=ICAL, id="elsewhere.ics"))


async def test_a_hand_over_keeps_to_the_wall_clock(rig: Rig) -> None:
    """Nine in Berlin is eight in UTC before the change of clocks, and seven after it."""
    shift = "DTSTART;TZID=Europe/Berlin:20260301T090000\nDURATION:PT1H\nRRULE:FREQ=DAILY\nSUMMARY:ann"

    for day, hour in ((28, 8), (29, 7)):
        at = datetime(2026, 3, day, hour, tzinfo=UTC)
        assert ("ann",) == await rig.by_file(calendar(shift), at)
        assert () == await rig.by_file(calendar(shift), at - timedelta(minutes=1))


async def test_another_content_counts_at_once(rig: Rig) -> None:
    """The calendar is read with each look-up, whatever was kept of it."""
    assert ("ann@acme.example",) == await rig.by_host(calendar(ANN))
    assert ("eve@acme.example",) == await rig.by_host(calendar(ANN.replace("MAILTO:ann", "mailto:eve")))
    assert 2 == rig.host.asked


async def test_the_same_content_is_unfolded_once_a_day(rig: Rig) -> None:
    """Later the next days are unfolded."""
    daily = calendar("DTSTART:20260201T110000Z\nDURATION:PT2H\nRRULE:FREQ=DAILY\nSUMMARY:ann")
    await rig.by_file(daily)
    before = getrusage(RUSAGE_CHILDREN)

    assert ("ann",) == await rig.by_file(daily, NOW + timedelta(minutes=30))
    assert before == getrusage(RUSAGE_CHILDREN)
    assert ("ann",) == await rig.by_file(daily, NOW + timedelta(days=40))


HOSTILE = [
    ("every second", "DTSTART:19700101T000000Z\nDURATION:PT1S\nRRULE:FREQ=SECONDLY\nSUMMARY:ann"),
    ("never", "DTSTART:19700101T000000Z\nRRULE:FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30\nSUMMARY:ann"),
    ("no step", "DTSTART:20260101T000000Z\nRRULE:FREQ=MONTHLY;INTERVAL=0;BYDAY=MO;BYMONTHDAY=1\nSUMMARY:ann"),
]


@pytest.mark.parametrize("limit", [LIMIT])
@pytest.mark.parametrize("event", [row[1] for row in HOSTILE], ids=[row[0] for row in HOSTILE])
async def test_a_calendar_that_never_ends_is_refused_in_time(rig: Rig, event: str) -> None:
    """Its process is ended, the bot goes on meanwhile, and the same content is not tried again soon."""
    began = time.monotonic()
    with pytest.raises(Unavailable, match="takes longer than 3 s"):
        await rig.by_file(calendar(event))
    took = time.monotonic() - began

    assert took < 2 * LIMIT
    assert [] == unfolding()
    with pytest.raises(Unavailable, match="takes longer"):
        await rig.by_file(calendar(event))
    assert time.monotonic() - began - took < LIMIT / 2


async def test_a_large_calendar_is_not_read(rig: Rig) -> None:
    """More than a megabyte, from a file or over the network, though it be a good one."""
    large = calendar(ANN + "DESCRIPTION:" + "x" * 1_000_000)

    with pytest.raises(Unavailable, match="larger than a megabyte"):
        await rig.by_file(large)
    with pytest.raises(Unavailable, match="larger than 1,000,000 bytes"):
        await rig.by_host(large)


GARBAGE = [
    b"",
    b"<html>Sign in</html>",
    b"BEGIN:VCALENDAR\r\n",
    calendar(ANN)[:-40],
    b"\xff\xfe\x00",
]


@pytest.mark.parametrize("content", GARBAGE, ids=lambda content: repr(content[:20]))
async def test_what_is_no_calendar_is_no_answer(rig: Rig, content: bytes) -> None:
    """Also a half of one, which is being written, and a page that asks to sign in."""
    with pytest.raises(Unavailable):
        await rig.by_file(content)
    with pytest.raises(Unavailable):
        await rig.by_host(content)


async def test_a_file_that_is_not_there(rig: Rig) -> None:
    """Nor is a folder a file."""
    with pytest.raises(Gone):
        await rig.asked(str(rig.file))
    with pytest.raises(Gone):
        await rig.asked(str(rig.file.parent))


async def test_a_file_that_nobody_writes_is_not_waited_for(rig: Rig) -> None:
    """A pipe would be read forever."""
    os.mkfifo(rig.file)

    with pytest.raises(Gone):
        await rig.asked(str(rig.file))


TROUBLE: list[tuple[str, Response, type[NodError]]] = [
    ("500", Response("", 500), Unavailable),
    ("403", Response("", 403), Forbidden),
    ("404", Response("", 404), Gone),
    ("redirect", RedirectResponse("https://calendar.acme.example/x.ics"), Forbidden),
]


@pytest.mark.parametrize(("answer", "error"), [row[1:] for row in TROUBLE], ids=[row[0] for row in TROUBLE])
async def test_trouble_has_a_name(rig: Rig, answer: Response, error: type[NodError]) -> None:
    """No redirect is followed, and the address, which is a key, is in no message."""
    rig.host.instead = answer

    with pytest.raises(error) as caught:
        await rig.asked(rig.url)

    assert error is type(caught.value)
    assert "private" not in str(caught.value)


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("https://elsewhere.example/rota.ics", "is not under calendar_hosts"),
        ("https://calendar.acme.example@elsewhere.example/rota.ics", "is not under calendar_hosts"),
        ("https://calendar.acme.example.elsewhere.example/rota.ics", "is not under calendar_hosts"),
        ("http://calendar.acme.example/rota.ics", "is not https"),
        ("file://127.0.0.1/etc/passwd", "is not https"),
        ("http://[::1/rota.ics", "cannot be used"),
        ("http://localhost/rota.ics", "is not under calendar_hosts"),
    ],
)
async def test_only_allowed_hosts_are_asked_and_only_by_https(rig: Rig, place: str, why: str) -> None:
    """Plain http goes to this machine only; nothing else than http is an address at all."""
    with pytest.raises(Forbidden, match=why):
        await rig.asked(place)


@pytest.mark.parametrize("limit", [LIMIT])
async def test_silence_ends(rig: Rig) -> None:
    """A host that does not answer is waited for no longer than the limit."""
    rig.host.hangs = True

    with pytest.raises(Unavailable, match="did not answer within 3 s"):
        await rig.asked(rig.url)


async def test_the_unfolding_process_gets_no_secret(rig: Rig) -> None:
    """An attacker who breaks the library that reads calendars could read the environment."""
    endless = asyncio.create_task(rig.by_file(calendar(HOSTILE[0][1])))
    end = time.monotonic() + LIMIT
    while not unfolding():
        assert time.monotonic() < end
        await asyncio.sleep(0.005)

    (process,) = unfolding()

    assert b"" == (process / "environ").read_bytes()
    endless.cancel()
    with pytest.raises(asyncio.CancelledError):
        await endless
    assert [] == unfolding()
