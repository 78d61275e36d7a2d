"""Who is on call by PagerDuty and by Opsgenie, over real HTTP, and what is said when they do not tell."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import pytest
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse

from adapters.oncall import OPSGENIE, PAGERDUTY
from adapters.oncall.open import open_schedules
from bot.errors import ConfigError, Forbidden, Gone, NodError, Unavailable
from bot.rotation import ScheduleRef
from tests.servers.schedules import (
    OPSGENIE_KEY,
    PAGERDUTY_KEY,
    SCHEDULE,
    SCHEDULE_ID,
    SCHEDULE_NAME,
    Opsgenie,
    PagerDuty,
    oncall,
    open_service,
)

NOW = datetime(2026, 3, 2, 12, 0, 0, 250_000, tzinfo=UTC)
REF = {
    PAGERDUTY: ScheduleRef(kind=PAGERDUTY, id=SCHEDULE),
    OPSGENIE: ScheduleRef(kind=OPSGENIE, id=SCHEDULE_ID),
}
#: Seconds for a service that hangs; the others have ten, since a machine may be busy.
LIMIT = 0.3


class Rig:
    """Both services, and a connection to them."""

    def __init__(self) -> None:
        self.pagerduty, self.opsgenie = PagerDuty(), Opsgenie()
        self.keys = {"pagerduty_key": PAGERDUTY_KEY, "opsgenie_key": OPSGENIE_KEY}
        self.addresses: dict[str, str] = {}
        self.limit = 10.0

    async def on_call(self, ref: ScheduleRef, at: datetime = NOW) -> tuple[str, ...]:
        schedules = open_schedules([ref], **self.keys, **self.addresses, hosts=(), limit=self.limit)
        async with schedules as kinds:
            return await kinds[ref.kind].on_call(ref, at)

    def service(self, kind: str) -> PagerDuty | Opsgenie:
        return self.pagerduty if kind == PAGERDUTY else self.opsgenie


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    made = Rig()
    async with AsyncExitStack() as stack:
        made.addresses["pagerduty_url"] = await stack.enter_async_context(open_service(made.pagerduty))
        made.addresses["opsgenie_url"] = await stack.enter_async_context(open_service(made.opsgenie))
        yield made


async def test_pagerduty_names_whose_shift_it_is(rig: Rig) -> None:
    """By e-mail address, half-open at both ends, whatever the offset is that the times come in."""
    rig.pagerduty.entries = [
        oncall("ann", start="2026-03-02T09:00:00Z", end="2026-03-02T13:30:00+01:00"),
        oncall("bob", start="2026-03-02T13:30:00+01:00", end="2026-03-02T21:00:00Z"),
    ]
    hand_over = datetime(2026, 3, 2, 12, 30, tzinfo=UTC)

    before = await rig.on_call(REF[PAGERDUTY], hand_over - timedelta(milliseconds=1))
    then = await rig.on_call(REF[PAGERDUTY], hand_over)

    assert ("ann@acme.example",) == before
    assert ("bob@acme.example",) == then


async def test_pagerduty_lists_a_schedule_per_policy_and_level(rig: Rig) -> None:
    """The lowest level counts, each person once; another schedule's people do not."""
    rig.pagerduty.entries = [
        oncall("cat", level=2),
        oncall("ann"),
        oncall("ann"),
        oncall("bob"),
        oncall("eve", schedule="POTHER"),
        oncall("eve") | {"schedule": None},
    ]

    assert ("ann@acme.example", "bob@acme.example") == await rig.on_call(REF[PAGERDUTY])


async def test_what_was_not_asked_for_does_not_count(rig: Rig) -> None:
    """Also where the filter by schedule does nothing: the people of the whole account would be asked."""
    others = [oncall("eve", schedule="POTHER"), oncall("eve") | {"schedule": None}]
    rig.pagerduty.instead = JSONResponse({"oncalls": [*others, oncall("ann", level=3)]})

    assert ("ann@acme.example",) == await rig.on_call(REF[PAGERDUTY])


async def test_somebody_without_an_address_is_named(rig: Rig) -> None:
    """A user who is only a reference has a name."""
    rig.pagerduty.entries = [oncall("ann")]
    del rig.pagerduty.entries[0]["user"]["email"]

    assert ("Ann",) == await rig.on_call(REF[PAGERDUTY])


@pytest.mark.parametrize(("kind", "line"), [(PAGERDUTY, "entry 1 is null"), (OPSGENIE, "recipient 1 is null")])
async def test_a_null_entry_is_skipped_and_named(rig: Rig, kind: str, line: str) -> None:
    """It holds nothing, so it leaves nobody out; the people of the other entries are on call."""
    answer = {"oncalls": [None, oncall("ann")], "data": {"onCallRecipients": [None, "ann@acme.example"]}}
    rig.service(kind).instead = JSONResponse(answer)
    schedules = open_schedules([REF[kind]], **rig.keys, **rig.addresses, hosts=(), limit=rig.limit)

    async with schedules as kinds:
        assert ("ann@acme.example",) == await kinds[kind].on_call(REF[kind], NOW)
        assert (line,) == kinds[kind].skipped(REF[kind])


@pytest.mark.parametrize("identifier", [SCHEDULE_ID, SCHEDULE_NAME])
async def test_opsgenie_names_whose_shift_it_is(rig: Rig, identifier: str) -> None:
    """By the schedule's id or by its name, for the moment that was asked about."""
    rig.opsgenie.recipients = ["ann@acme.example", "bob@acme.example", "ann@acme.example"]

    found = await rig.on_call(ScheduleRef(kind=OPSGENIE, id=identifier))

    assert ("ann@acme.example", "bob@acme.example") == found
    assert [NOW.replace(microsecond=0)] == rig.opsgenie.dates


@pytest.mark.parametrize("kind", [PAGERDUTY, OPSGENIE])
async def test_nobody_is_on_call(rig: Rig, kind: str) -> None:
    """A good answer without people is one, too."""
    assert () == await rig.on_call(REF[kind])


TROUBLE: list[tuple[str, Response, type[NodError]]] = [
    ("500", Response("<html>", 500), Unavailable),
    ("429", Response("slow down", 429), Unavailable),
    ("401", JSONResponse({"message": "no"}, 401), Forbidden),
    ("403", JSONResponse({"message": "no"}, 403), Forbidden),
    ("422", JSONResponse({"message": "no"}, 422), Forbidden),
    ("404", JSONResponse({"message": "no"}, 404), Gone),
    ("redirect", RedirectResponse("/oncalls?again"), Forbidden),
    ("no JSON", Response("<html>Sign in</html>"), Unavailable),
    ("deep JSON", Response("[" * 100_000), Unavailable),
    ("no object", JSONResponse([]), Unavailable),
    ("empty object", JSONResponse({}), Unavailable),
    ("list of numbers", JSONResponse({"oncalls": [1], "data": {"onCallRecipients": [1]}}), Unavailable),
    ("no data", JSONResponse({"oncalls": {}, "data": []}), Unavailable),
    (
        "too large",
        Response(b'{"oncalls": [], "data": {"onCallRecipients": []}}' + b" " * 1_000_000),
        Unavailable,
    ),
]


@pytest.mark.parametrize("kind", [PAGERDUTY, OPSGENIE])
@pytest.mark.parametrize(("answer", "error"), [row[1:] for row in TROUBLE], ids=[row[0] for row in TROUBLE])
async def test_trouble_has_a_name(rig: Rig, kind: str, answer: Response, error: type[NodError]) -> None:
    """Each answer that is none is an error of ours, without the other side's words, key or address."""
    rig.service(kind).instead = answer

    with pytest.raises(error) as caught:
        await rig.on_call(REF[kind])

    assert isinstance(caught.value, error)
    assert not any(word in str(caught.value) for word in (PAGERDUTY_KEY, OPSGENIE_KEY, "127.0.0.1", "Sign in"))
    assert 1 == rig.service(kind).asked


BAD_ENTRIES = [
    {"user": None},
    {"escalation_level": "1"},
    {"start": "yesterday"},
    {"end": 17},
]


@pytest.mark.parametrize("change", BAD_ENTRIES, ids=str)
async def test_an_entry_of_another_shape_is_no_answer(rig: Rig, change: dict[str, object]) -> None:
    """Leaving it out could leave out the person on call."""
    rig.pagerduty.instead = JSONResponse({"oncalls": [oncall("ann"), oncall("bob") | change]})

    with pytest.raises(Unavailable):
        await rig.on_call(REF[PAGERDUTY])


@pytest.mark.parametrize("kind", [PAGERDUTY, OPSGENIE])
async def test_silence_ends(rig: Rig, kind: str) -> None:
    """A service that does not answer is waited for no longer than the limit."""
    rig.service(kind).hangs, rig.limit = True, LIMIT
    began = time.monotonic()

    with pytest.raises(Unavailable, match="did not answer within"):
        await rig.on_call(REF[kind])

    assert time.monotonic() - began < 10 * LIMIT


async def test_an_answer_that_trickles_ends(rig: Rig) -> None:
    """The limit is for the whole answer, not for each of its pieces."""

    async def drops() -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await asyncio.sleep(LIMIT / 10)

    rig.pagerduty.instead, rig.limit = StreamingResponse(drops()), LIMIT

    with pytest.raises(Unavailable, match="did not answer within"):
        await rig.on_call(REF[PAGERDUTY])


@pytest.mark.parametrize("kind", [PAGERDUTY, OPSGENIE])
async def test_nobody_listens(rig: Rig, kind: str) -> None:
    """A refused connection is trouble like any other."""
    rig.addresses = {"pagerduty_url": "http://127.0.0.1:9", "opsgenie_url": "http://127.0.0.1:9"}

    with pytest.raises(Unavailable):
        await rig.on_call(REF[kind])


@pytest.mark.parametrize(
    ("kind", "variable"), [(PAGERDUTY, "PAGERDUTY_API_KEY"), (OPSGENIE, "OPSGENIE_API_KEY")]
)
async def test_a_schedule_needs_its_key(kind: str, variable: str) -> None:
    """The variable is named at start; without such a schedule it may be missing."""
    async with open_schedules([], pagerduty_key=None, opsgenie_key=None, hosts=()) as kinds:
        assert kind not in kinds

    with pytest.raises(ConfigError) as caught:
        async with open_schedules([REF[kind]], pagerduty_key=None, opsgenie_key=None, hosts=()):
            pass
    assert variable == caught.value.where
