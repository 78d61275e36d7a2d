"""The auditor's look at chats and channels: which are asked about, what counts as dead, and what as well."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from bot.alerts import CHANNEL_DEAD, SURFACE_DEAD
from bot.errors import Unavailable
from bot.flow.chat_probe import CHANNELS_A_ROUND, DEAD_A_ROUND, ChatProbe
from bot.ladder import Action, Rung
from bot.matching import Match
from bot.policy import Policy
from bot.records import Alert, Backlog
from bot.routing import Route
from bot.surface import Destination, Surface

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
HERE, THERE, ROOM = (
    Destination(surface=surface, channel=channel)
    for surface, channel in ((Surface.SLACK, "C1"), (Surface.SLACK, "C2"), (Surface.TEAMS, "room"))
)


@dataclass
class Chat:
    """A chat that is asked what ails it; `fails` of its answers fail."""

    ails: Mapping[str, str] = field(default_factory=dict)
    fails: int = 0
    asked: list[list[str]] = field(default_factory=list)

    async def problems(self, channels: Sequence[str]) -> Mapping[str, str]:
        self.asked.append(list(channels))
        if self.fails:
            self.fails -= 1
            raise Unavailable("it does not answer")
        return {name: why for name, why in self.ails.items() if name in ("", *channels)}


@dataclass
class Rig:
    """The open requests in the store, the cards to deliver, the policy, and two chats."""

    slack: Chat = field(default_factory=Chat)
    teams: Chat = field(default_factory=Chat)
    dead: list[Destination] = field(default_factory=list)
    owed: list[Destination] = field(default_factory=list)
    database: Unavailable | None = None
    places: Sequence[Destination] = (HERE,)
    ladder: tuple[Rung, ...] = ()
    alerts: tuple[Destination, ...] = ()

    def __post_init__(self) -> None:
        store = SimpleNamespace(
            alerts=SimpleNamespace(open_of=self._open_of), placements=SimpleNamespace(backlog=self._backlog)
        )
        chats = {Surface.SLACK: self.slack, Surface.TEAMS: self.teams}
        self.around = ChatProbe(store=store, chats=chats, policy=self._policy, clock=lambda: NOW)

    async def found(self) -> list[tuple[str, str]]:
        return [(alert.cause, alert.approval_id) for alert in await self.around.look()]

    def well(self, about: object, *, cause: str = CHANNEL_DEAD) -> bool:
        return self.around.is_well(Alert(approval_id=str(about), cause=cause, text="", raised_at=NOW))

    async def _open_of(self, *, cause: str) -> tuple[Alert, ...]:
        if self.database:
            raise self.database
        return tuple(Alert(approval_id=str(p), cause=cause, text="", raised_at=NOW) for p in self.dead)

    async def _backlog(self, now: datetime) -> Backlog:
        return Backlog(lines=tuple(self.owed), outdated=False, next_try=None)

    def _policy(self) -> Policy:
        route = Route(
            name="default", match=Match(), cards=tuple(self.places), approvers=("ann",), ladder=self.ladder
        )
        return Policy(people={}, groups={}, routes=(route,), alerts=self.alerts)


def many(count: int) -> list[Destination]:
    return [Destination(surface=Surface.SLACK, channel=f"C{number:02}") for number in range(count)]


async def test_every_place_of_the_file_is_looked_at() -> None:
    """Of routes, of rungs and of alerts."""
    rung = Rung(action=Action.FALLBACK, share=0.5, cards=(ROOM,))
    rig = Rig(places=[HERE], ladder=(rung,), alerts=(THERE,))
    assert [] == await rig.found()
    assert ([["C1", "C2"]], [["room"]]) == (rig.slack.asked, rig.teams.asked)


async def test_a_surface_without_a_channel_in_the_round_is_asked_too() -> None:
    """Its token may be revoked all the same; and it is not well for having answered."""
    rig = Rig(teams=Chat(ails={"": "the secret ran out"}))
    assert [(SURFACE_DEAD, "surface:teams")] == await rig.found()
    assert not rig.well("surface:teams", cause=SURFACE_DEAD)
    assert rig.well("surface:slack", cause=SURFACE_DEAD)


async def test_what_ails_a_surface_is_one_alert() -> None:
    """However many of its channels were asked about; of them nothing is known."""
    rig = Rig(places=[HERE, THERE], slack=Chat(ails={"": "revoked"}))
    assert [(SURFACE_DEAD, "surface:slack")] == await rig.found()
    assert not rig.well(HERE)


@pytest.mark.parametrize(("fails", "found"), [(1, []), (2, [(SURFACE_DEAD, "surface:slack")])])
async def test_one_answer_that_is_lost_is_no_dead_surface(fails: int, found: list[tuple[str, str]]) -> None:
    """It is asked once more, a moment later."""
    rig = Rig(slack=Chat(fails=fails))
    assert found == await rig.found()
    assert (not found, 2) == (rig.well("surface:slack", cause=SURFACE_DEAD), len(rig.slack.asked))


async def test_a_knock_asks_each_surface_and_after_no_channel() -> None:
    """Who refuses us or does not answer is found; which channels are well is not for a knock to say."""
    rig = Rig(places=(HERE, ROOM))
    assert [] == await rig.around.ping_chats()
    assert ([[]], [[]]) == (rig.slack.asked, rig.teams.asked)

    rig.slack.ails, rig.teams.fails = {"": "token_revoked", HERE.channel: "archived"}, 2

    assert [(SURFACE_DEAD, "surface:slack"), (SURFACE_DEAD, "surface:teams")] == [
        (alert.cause, alert.approval_id) for alert in await rig.around.ping_chats()
    ]
    assert not rig.well(HERE)
    assert not rig.well("surface:slack", cause=SURFACE_DEAD)


async def test_each_round_looks_at_some_and_the_next_at_the_rest() -> None:
    """Dead ones in a turn of their own and not a second time; what was not looked at now is not well now."""
    places = many(12)
    rig = Rig(places=places, dead=places[:2], slack=Chat(ails={"C00": "is archived"}))
    assert [(CHANNEL_DEAD, "slack:C00")] == await rig.found()
    assert [True, False] == [rig.well(places[1]), rig.well(places[0])]
    assert rig.well(places[2])
    await rig.found()
    assert not rig.well(places[2])
    await rig.found()
    await rig.found()

    first, second, *again = rig.slack.asked
    assert [first, second] == again
    assert ["C00", "C01"] == first[:2] == second[:2]
    assert CHANNELS_A_ROUND == len(first[2:]) == len(second[2:])
    assert [place.channel for place in places[2:]] == [*first[2:], *second[2:]]


async def test_no_round_asks_about_more_dead_ones_than_it_has_time_for() -> None:
    """All of them have their turn."""
    places = many(5)
    rig = Rig(places=places, dead=list(places))
    await rig.found()
    await rig.found()
    first, second = rig.slack.asked
    assert [DEAD_A_ROUND] * 2 == [len(first), len(second)]
    assert {place.channel for place in places} == {*first, *second}


async def test_a_dead_channel_that_left_the_file_matters_while_cards_are_owed_there() -> None:
    """It is still checked, and does not resolve by itself; once nothing is left to deliver it resolves."""
    rig = Rig(dead=[THERE], owed=[THERE], slack=Chat(ails={"C2": "is archived"}))
    assert [(CHANNEL_DEAD, "slack:C2")] == await rig.found()
    assert not rig.well(THERE)
    rig.owed = []
    assert [] == await rig.found()
    assert rig.well(THERE)
    assert ["C1"] == rig.slack.asked[-1]

    places = many(DEAD_A_ROUND + 1)
    crowd = Rig(dead=places, owed=places)
    assert [] == await crowd.found()
    assert [True] * DEAD_A_ROUND + [False] == [crowd.well(place) for place in places]


async def test_chats_are_looked_at_also_without_a_database() -> None:
    """Which of them were dead before is not known then; what is found now is told."""
    rig = Rig(database=Unavailable("locked"), slack=Chat(ails={"C1": "is archived"}))
    assert [(CHANNEL_DEAD, "slack:C1")] == await rig.found()
