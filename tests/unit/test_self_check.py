"""The auditor's judgement: what is a breach, when it is over, and when the dead man's switch hears nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from bot.alerts import LATE_TICK, LEFT_OUT, MISSED, NO_CARD, NOBODY, STORE, STORE_DOWN, STUCK, SURFACE_DEAD
from bot.approval import Approval
from bot.errors import Unavailable
from bot.flow import Liveness
from bot.flow.self_check import MISSED_AFTER, STUCK_AFTER, TOUCHED_WITHIN, SelfCheck
from bot.ladder import Action
from bot.policy import Policy
from bot.ports import NO_METRICS
from bot.records import Alert, DueRung, Placement, Step, Unseen
from bot.surface import Destination, Surface

NOW = datetime(2026, 3, 2, 12, 1, tzinfo=UTC)
LONG_AGO = NOW - timedelta(seconds=30)
GONE = Unavailable("the disk is full")

MakeApproval = Callable[..., Approval]


@dataclass
class Rig:
    """A store that tells what a test says, alerts that are kept, and a switch that counts."""

    overdue: list[tuple[DueRung, Approval]] = field(default_factory=list)
    unseen: list[Approval] = field(default_factory=list)
    placed: list[Placement] = field(default_factory=list)
    unread: Unavailable | None = None  #: the database cannot be read
    unwritten: Unavailable | None = None  #: it takes no write; what is raised goes another way then
    hangs: bool = False
    chats: Mapping[Surface, Any] = field(default_factory=dict)
    late: str | None = None
    seconds: float = 0.0
    now: datetime = NOW
    open: dict[tuple[str, str], str] = field(default_factory=dict)
    resolved: list[tuple[str, str]] = field(default_factory=list)
    how: list[str] = field(default_factory=list)  #: what is said of each that was resolved
    liveness: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)
    elsewhere: Mapping[str, int] = field(default_factory=dict)  #: what waits of sources that were removed

    def __post_init__(self) -> None:
        async def seen(_: datetime, *, share: float, after: object) -> tuple[list[Unseen], None]:
            if self.unread:
                raise self.unread
            return [Unseen(id=one.id, route=one.route) for one in self.unseen], None

        async def get(approval_id: str) -> Approval:
            return next(one for one in self.unseen if one.id == approval_id)

        async def due(before: datetime, *, most: int) -> list[tuple[DueRung, Approval]]:
            return [(rung, approval) for rung, approval in self.overdue if rung.due_at <= before]

        async def none(*_: object, **__: object) -> Any:
            return {}

        async def elsewhere(_: object, *, now: datetime) -> Mapping[str, int]:
            return self.elsewhere

        async def of(*_: str) -> list[Placement]:
            return self.placed

        async def repair(**_: object) -> tuple[int, str]:
            return 0, ""

        async def unacknowledged(_: datetime) -> int:
            return 0

        store = SimpleNamespace(
            approvals=SimpleNamespace(
                unseen=seen,
                get=get,
                open_by_route=none,
                repair_due=none,
                waiting_elsewhere=elsewhere,
            ),
            rungs=SimpleNamespace(due=due),
            placements=SimpleNamespace(of=of, repair=repair),
            alerts=SimpleNamespace(unacknowledged=unacknowledged, open_of=none),
            probe=SimpleNamespace(write=self._write),
            due_columns=SimpleNamespace(repair=self._repair),
        )
        self.steps = Liveness(seconds=lambda: self.seconds)
        self.self_check = SelfCheck(
            store=store, alerts=self, chats=self.chats, policy=lambda: Policy(people={}, groups={}, routes=()),
            liveness=self.steps, late_tick=lambda: self.late, blind=lambda: None, all_well=self._all_well,
            clock=lambda: self.now, metrics=NO_METRICS,
        )  # fmt: skip

    async def raise_(self, alert: Alert) -> bool:
        self.open.setdefault((alert.approval_id, alert.cause), alert.text)
        return True

    async def _write(self) -> None:
        if self.hangs:
            await asyncio.Event().wait()
        if self.unwritten:
            raise self.unwritten

    async def resolve(self, approval_id: str, *, cause: str, how: str) -> None:
        if self.open.pop((approval_id, cause), None):
            self.resolved.append((approval_id, cause))
            self.how.append(how)

    async def open_of(self, *, cause: Collection[str]) -> list[Alert]:
        return [
            Alert(approval_id=about, cause=what, text="", raised_at=NOW)
            for about, what in self.open
            if what in ([cause] if isinstance(cause, str) else cause)
        ]

    async def _repair(self) -> Mapping[str, int]:
        found, self.left_out = self.left_out, {}
        return found

    async def _all_well(self) -> None:
        self.liveness += 1

    async def looked(self) -> tuple[set[str], int]:
        """The causes that are open after a look, and how often the switch has heard that all is well."""
        await self.self_check.round()
        return {cause for _, cause in self.open}, self.liveness


def ping(due: datetime) -> DueRung:
    return DueRung(approval_id="r1", number=0, due_at=due, action=Action.PING, who=("olu",))


async def test_all_is_well_where_nothing_is_found() -> None:
    """The switch hears it at each look."""
    rig = Rig()
    assert [(set(), 1), (set(), 2)] == [await rig.looked(), await rig.looked()]


async def test_a_rung_that_nobody_attempted_is_missed_until_it_is(make_approval: MakeApproval) -> None:
    """Said of the request with the number of its rung; and over when no look finds it."""
    rig = Rig(overdue=[(ping(NOW - MISSED_AFTER), make_approval())])
    assert ({MISSED}, 0) == await rig.looked()
    assert "escalation step 1 was due and did not run" in str(rig.open.values())
    rig.overdue = []
    assert (set(), 1) == await rig.looked()
    assert [MISSED] == [cause for _, cause in rig.resolved]


@pytest.mark.parametrize(
    ("due", "fields", "missed"),
    [
        (NOW - MISSED_AFTER + timedelta(seconds=1), {}, False),
        (LONG_AGO, {}, True),
        (LONG_AGO, {"over": True}, False),
    ],
    ids=["not so late", "late", "over"],
)
async def test_what_is_overdue_for_a_reason_is_not_missed(
    make_approval: MakeApproval, due: datetime, fields: dict[str, Any], missed: bool
) -> None:
    """It is not so late, or its time is over anyway. What a rule answers or a claim holds back is not due."""
    approval = make_approval(**{name: value for name, value in fields.items() if name != "over"})
    rig = Rig(overdue=[(ping(due), approval)], now=approval.deadline.at if "over" in fields else NOW)
    assert ({MISSED} if missed else set()) == (await rig.looked())[0]


async def test_what_no_step_would_have_found_is_told_once() -> None:
    """It is repaired by then, so the next look resolves it."""
    rig = Rig(left_out={"pings": 3})
    assert ({LEFT_OUT}, 0) == await rig.looked()
    assert "3 due pings were missing" in str(rig.open.values())
    assert (set(), 1) == await rig.looked()


async def test_a_step_that_ends_no_round_is_stuck_until_it_does() -> None:
    """Not the one that polls: it pages by itself when it is blind."""
    rig = Rig()
    rig.seconds = STUCK_AFTER.total_seconds() + 1
    for step in Step:
        if step not in (Step.INGEST, Step.NOTIFY):
            rig.steps.beat(step)
    assert ({STUCK}, 0) == await rig.looked()
    assert [("step:say", STUCK)] == list(rig.open)
    rig.steps.beat(Step.NOTIFY)
    assert (set(), 1) == await rig.looked()


async def test_polls_that_cannot_be_taken_in_are_stuck_however_rare_they_are() -> None:
    """`admit` tried and failed for a minute, or hangs in one round; an interval of an hour is no trouble."""
    rig = Rig()

    def pass_time(seconds: float) -> None:
        rig.seconds += seconds
        for step in set(Step) - {Step.INGEST}:
            rig.steps.beat(step)

    rig.steps.begin(Step.INGEST)
    rig.steps.beat(Step.INGEST)
    pass_time(3600)
    assert (set(), 1) == await rig.looked()
    rig.steps.begin(Step.INGEST)
    pass_time(STUCK_AFTER.total_seconds() / 2)
    rig.steps.begin(Step.INGEST)
    pass_time(STUCK_AFTER.total_seconds() / 2 + 1)
    assert ({STUCK}, 1) == await rig.looked()
    assert [("step:admit", STUCK)] == list(rig.open)
    rig.steps.beat(Step.INGEST)
    assert (set(), 2) == await rig.looked()


async def test_without_a_store_no_step_is_stuck_besides() -> None:
    """None of them can end a round then: one alert says so."""
    rig = Rig(unwritten=GONE)
    rig.seconds = STUCK_AFTER.total_seconds() + 1
    assert ({STORE_DOWN}, 0) == await rig.looked()


async def test_a_ticker_that_is_late_is_felt_between_two_looks() -> None:
    """The process may end before the next one; when it ticks again the look says that it is over."""
    rig = Rig()
    await rig.self_check.check_scheduler()
    assert {} == rig.open
    rig.late = "The scheduler has not run for 9 s"
    await rig.self_check.check_scheduler()
    assert {("scheduler", LATE_TICK): "The scheduler has not run for 9 s; Nod will exit soon."} == rig.open
    rig.late = None
    assert (set(), 1) == await rig.looked()


async def test_a_chat_is_knocked_at_between_two_looks() -> None:
    """One that refuses us is told of before the next look, which alone can find that it is well again."""
    ails = {"": "token_revoked"}

    async def problems(_: object) -> dict[str, str]:
        return ails

    rig = Rig(chats={Surface.SLACK: SimpleNamespace(problems=problems)})
    await rig.self_check.ping_chats()
    assert [("surface:slack", SURFACE_DEAD)] == list(rig.open)
    ails.clear()
    await rig.self_check.ping_chats()
    assert [("surface:slack", SURFACE_DEAD)] == list(rig.open)

    assert (set(), 1) == await rig.looked()


async def test_a_database_that_cannot_be_read_is_down_and_nothing_is_over(make_approval: MakeApproval) -> None:
    """What it had found before stays, for nobody knows."""
    rig = Rig(overdue=[(ping(LONG_AGO), make_approval())])
    await rig.looked()
    rig.unread = GONE
    assert ({MISSED, STORE_DOWN}, 0) == await rig.looked()
    assert "the disk is full" in rig.open[STORE, STORE_DOWN]
    assert [] == rig.resolved
    rig.unread, rig.overdue = None, []
    assert (set(), 1) == await rig.looked()


async def test_a_database_that_takes_no_write_is_down() -> None:
    """It can be read, and nothing in it is wrong: the write by which that would be over is what finds it."""
    rig = Rig(unwritten=GONE)
    assert ({STORE_DOWN}, 0) == await rig.looked()
    rig.unwritten = None
    assert (set(), 1) == await rig.looked()
    assert [(STORE, STORE_DOWN)] == rig.resolved


async def test_a_store_that_takes_writes_and_cannot_be_read_is_down_all_along() -> None:
    """No write between two looks mends that: a damaged database would go up and down forever."""
    rig = Rig(unread=GONE)
    assert ({STORE_DOWN}, 0) == await rig.looked()
    await rig.self_check.check_db_writable()
    assert [(STORE, STORE_DOWN)] == list(rig.open)
    rig.unread = None
    assert (set(), 1) == await rig.looked()


async def test_a_write_is_tried_between_two_looks() -> None:
    """One that fails is told at once, and its end too."""
    rig = Rig(unwritten=GONE)
    await rig.self_check.check_db_writable()
    assert [(STORE, STORE_DOWN)] == list(rig.open)
    rig.unwritten = None
    await rig.self_check.check_db_writable()
    assert {} == rig.open


async def test_a_write_that_hangs_is_given_up() -> None:
    """It is treated as one that failed."""
    rig = Rig(hangs=True)
    async with asyncio.timeout(TOUCHED_WITHIN + 10):
        await rig.self_check.check_db_writable()
    assert "it does not answer" in rig.open[STORE, STORE_DOWN]


async def test_a_request_that_nobody_can_see_is_told_of(make_approval: MakeApproval) -> None:
    """Its card mends that, and no look of the auditor does."""
    one = make_approval()
    where = Destination(surface=Surface.SLACK, channel="C1")
    tried = Placement(card_id="c1", approval_id=one.id, destination=where, attempted_at=LONG_AGO)
    rig = Rig(unseen=[one], placed=[tried])
    assert ({NO_CARD}, 0) == await rig.looked()
    rig.unseen = []
    assert ({NO_CARD}, 1) == await rig.looked()


async def test_requests_of_a_removed_source_are_told_of_until_they_end() -> None:
    """Nobody can decide them, and no poll finds that they ended."""
    rig = Rig(elsewhere={"eu": 2})
    assert ({NOBODY}, 0) == await rig.looked()
    assert ["source:eu"] == [about for about, _ in rig.open]
    rig.elsewhere = {}
    assert (set(), 1) == await rig.looked()
    assert "enough people can decide requests of eu, or none is pending" == rig.how[-1]
