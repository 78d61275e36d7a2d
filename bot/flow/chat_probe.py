"""Checks whether cards can be posted where they should be: each chat, and some of its channels at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from bot.alerts import CHANNEL_DEAD, SURFACE_DEAD, alert_of
from bot.errors import Unavailable
from bot.notifications import dead_place
from bot.policy import Policy
from bot.ports import Chat, Clock
from bot.records import Alert
from bot.store import Store
from bot.surface import Destination, Surface

#: Before the name of a chat that an alert is about.
_CHAT = "surface:"
#: Dead channels and other channels that are checked in one round; the rest follow in the next.
DEAD_A_ROUND, CHANNELS_A_ROUND = 3, 5
#: A chat that does not answer is asked once more after this many seconds before it is considered dead.
SECOND_LOOK = 1.0
#: Seconds for all questions to one chat; one that hangs is treated as dead.
LOOKED_WITHIN = 4.0
#: A check that took this many times as long was not the chat's fault: the process was suspended in it.
STOOD_STILL = 1.5


class ChatProbe:
    """Checks chats and channels. What it did not check is neither dead nor healthy."""

    def __init__(
        self,
        *,
        store: Store,
        chats: Mapping[Surface, Chat],
        policy: Callable[[], Policy],
        clock: Clock,
        within: float = LOOKED_WITHIN,
    ) -> None:
        """`within` is for each chat, in seconds."""
        self._store, self._chats, self._policy, self._clock = store, chats, policy, clock
        self._within = within
        self._next_dead = self._next_channel = 0
        self._well: set[str] = set()

    async def look(self) -> list[Alert]:
        """An alert for each chat and channel that is dead. Asks the chats, and updates what `is_well` knows."""
        self._well = set()
        some = await self._some()
        looks = await asyncio.gather(*(self._look_at(surface, some) for surface in self._chats))
        found = [alert for alerts in looks for alert in alerts]
        self._well -= {alert.approval_id for alert in found}
        return found

    async def ping_chats(self) -> list[Alert]:
        """An alert for each chat that does not answer, or refuses Nod; channels are not checked."""
        answers = await asyncio.gather(*(self._ping_chat(surface) for surface in self._chats))
        return [alert for alert in answers if alert is not None]

    async def _ping_chat(self, surface: Surface) -> Alert | None:
        try:
            troubles = await _asked(self._chats[surface], [], within=self._within)
        except Unavailable as error:
            return self._unreachable(surface, error)
        return dead_place(Destination(surface=surface, channel=""), troubles, at=self._clock())

    async def _look_at(self, surface: Surface, some: Sequence[Destination]) -> list[Alert]:
        channels = [place.channel for place in some if place.surface == surface]
        try:
            troubles = await _asked(self._chats[surface], channels, within=self._within)
        except Unavailable as error:
            return [self._unreachable(surface, error)]
        self._well.add(f"{_CHAT}{surface}")
        found: list[Alert] = []
        for channel in channels or [""]:
            where = Destination(surface=surface, channel=channel)
            dead = dead_place(where, troubles, at=self._clock())
            if dead is None:
                self._well.add(str(where))
            elif dead not in found:
                found.append(dead)
        return found

    def is_well(self, alert: Alert) -> bool:
        """Whether the last check covered the subject of this alert and found nothing.

        A chat that left the settings is not asked any more, and nothing is wrong with it.
        """
        surface = alert.approval_id.removeprefix(_CHAT)
        return alert.approval_id in self._well or (alert.cause == SURFACE_DEAD and surface not in self._chats)

    async def _some(self) -> list[Destination]:
        """The next few of the dead ones that still matter, and of the others."""
        places = _places(self._policy())
        dead = [_place_of(alert) for alert in await self._open_alerts()]
        gone = [place for place in dead if place not in places]
        if gone:  # it left nod.yaml; it matters while cards must be posted there
            owed = frozenset((await self._store.placements.backlog(self._clock())).lines)
            self._well |= {str(place) for place in gone if place not in owed}
            dead = [place for place in dead if place in places or place in owed]
        again, self._next_dead = _turn(dead, self._next_dead, DEAD_A_ROUND)
        others, self._next_channel = _turn(sorted(places - set(dead)), self._next_channel, CHANNELS_A_ROUND)
        return [*again, *others]

    async def _open_alerts(self) -> Iterable[Alert]:
        try:
            return await self._store.alerts.open_of(cause=CHANNEL_DEAD)
        except Unavailable:  # others report trouble with the database; the chats are checked all the same
            return ()

    def _unreachable(self, surface: Surface, error: Unavailable) -> Alert:
        facts = {"chat": surface.title(), "why": error}
        about = f"{_CHAT}{surface}"
        return alert_of(SURFACE_DEAD, about, facts, at=self._clock(), variant="away")


async def _asked(chat: Chat, channels: list[str], *, within: float) -> Mapping[str, str]:
    began = time.monotonic()
    try:
        return await _asked_once(chat, channels, within=within)
    except Unavailable:
        if time.monotonic() - began < STOOD_STILL * within:
            raise
    return await _asked_once(chat, channels, within=within)


async def _asked_once(chat: Chat, channels: list[str], *, within: float) -> Mapping[str, str]:
    try:
        async with asyncio.timeout(within):
            try:
                return await chat.problems(channels)
            except Unavailable:
                await asyncio.sleep(SECOND_LOOK)
                return await chat.problems(channels)
    except TimeoutError:
        raise Unavailable(f"no answer within {within:g} s") from None


def _turn(places: list[Destination], first: int, most: int) -> tuple[list[Destination], int]:
    """The next few, and where the next round continues."""
    first %= max(1, len(places))
    some = (places[first:] + places[:first])[:most]
    return some, first + len(some)


def _place_of(alert: Alert) -> Destination:
    surface, _, channel = alert.approval_id.partition(":")
    return Destination(surface=Surface(surface), channel=channel)


def _places(policy: Policy) -> set[Destination]:
    rungs = (place for route in policy.routes for rung in route.ladder for place in rung.cards)
    return {*(place for route in policy.routes for place in route.cards), *rungs, *policy.alerts}
