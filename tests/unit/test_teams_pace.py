"""Teams' rates, kept without asking: who waits, how long, and what a refusal costs."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from adapters.chat.pacing import LONGEST_BACKOFF
from adapters.http.exchange import LONGEST_WAIT, retry_after
from adapters.teams.api import JITTER, MARGIN, PATIENCE, cooldown_of, turns_of
from bot.errors import NotYet, Unavailable

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


class Wall:
    """Seconds that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        """What the clock says."""
        return self.now


async def test_no_window_is_ever_overfull() -> None:
    """In any stretch of a window's length, not more messages than it allows; and no longer than that takes."""
    time = asyncio.get_running_loop().time
    windows = ((3, 0.05), (5, 0.2))
    turns, moments = turns_of(time, windows=windows), list[float]()

    async def one() -> None:
        async with turns.turn("19:x"):
            moments.append(time())

    async with asyncio.timeout(5):
        await asyncio.gather(*(one() for _ in range(11)))
    for most, seconds in windows:
        assert all(later - first >= seconds for first, later in zip(moments, moments[most:], strict=False))
    assert moments[-1] - moments[0] >= 2 * (0.2 + MARGIN)


async def test_conversations_do_not_wait_for_one_another() -> None:
    """A full one holds up nobody elsewhere."""
    wall = Wall()
    turns = turns_of(wall, windows=((1, 60.0),))
    async with turns.turn("19:x"), asyncio.timeout(1), turns.turn("19:y"):
        pass


async def test_a_turn_that_is_far_away_is_put_off() -> None:
    """Nobody holds a place of the crew for longer than PATIENCE: it is told how long until there is room."""
    wall = Wall()
    turns = turns_of(wall, windows=((2, 1.0), (3, 30.0)))
    for _ in range(3):
        async with turns.turn("19:x"):
            pass
        wall.now += 2
    with pytest.raises(NotYet) as put_off:
        async with asyncio.timeout(1), turns.turn("19:x", before=NOON):
            pass
    assert 30 + MARGIN - 6 == pytest.approx(put_off.value.retry_after)
    wall.now += put_off.value.retry_after or 0
    async with asyncio.timeout(1), turns.turn("19:x", before=NOON):
        pass


async def test_those_that_wait_longest_are_put_off_behind_the_others() -> None:
    """Of a crowd at once, whoever's turn comes within PATIENCE waits; the rest come again behind those."""
    turns = turns_of(asyncio.get_running_loop().time, windows=((1, 0.4),))

    async def one() -> float | None:
        try:
            async with turns.turn("19:x"):
                return None
        except Unavailable as put_off:
            return put_off.retry_after

    async with asyncio.timeout(PATIENCE + 1):
        waits = await asyncio.gather(*(one() for _ in range(6)))
    assert [None] * 3 == waits[:3]
    assert [3 * (0.4 + MARGIN)] * 3 == pytest.approx(waits[3:], abs=0.1)


async def test_the_earliest_deadline_goes_first() -> None:
    """Of those that wait; what has no deadline comes last."""
    turns = turns_of(asyncio.get_running_loop().time, windows=((1, 0.02),))
    async with turns.turn("19:x"):
        pass
    order: list[str] = []

    async def one(name: str, before: datetime | None) -> None:
        async with turns.turn("19:x", before=before):
            order.append(name)

    names = {"late": NOON + timedelta(hours=1), "never": None, "soon": NOON}
    await asyncio.gather(*(one(name, before) for name, before in names.items()))
    assert ["soon", "late", "never"] == order


async def test_one_that_gives_up_leaves_its_place() -> None:
    """Whoever is cancelled while waiting stops nobody."""
    turns = turns_of(asyncio.get_running_loop().time, windows=((1, 0.05),))

    async def one() -> None:
        async with turns.turn("19:x", before=NOON):
            pass

    await one()
    first = asyncio.create_task(one())
    await asyncio.sleep(0)
    first.cancel()
    async with asyncio.timeout(2):
        await one()


async def test_a_message_counts_from_when_it_arrived() -> None:
    """One that took long on its way holds up the next for the whole window, from its answer on."""
    time = asyncio.get_running_loop().time
    turns = turns_of(time, windows=((1, 0.1),))
    async with turns.turn("19:x"):
        await asyncio.sleep(0.2)
    answered = time()
    async with turns.turn("19:x"):
        assert time() - answered >= 0.1


def test_a_wait_that_was_asked_for_is_kept() -> None:
    """Until then nothing is sent there; after a success the next refusal begins anew."""
    wall = Wall()
    cooling = cooldown_of(wall)
    wait = cooling.hold("19:x", "7")
    assert 7 <= wait <= 7 * (1 + JITTER)
    with pytest.raises(Unavailable) as left:
        cooling.check("19:x")
    assert left.value.retry_after == wait
    cooling.check("19:y")
    wall.now += wait
    cooling.check("19:x")
    again = cooling.hold("19:x", None)
    assert again >= 2
    wall.now += again
    cooling.passed("19:x")
    assert cooling.hold("19:x", None) <= 1 + JITTER


def test_waits_grow_and_end_at_a_minute() -> None:
    """Without a usable Retry-After the waits double."""
    cooling = cooldown_of(Wall())
    waits = [cooling.hold("19:x", "soon") for _ in range(12)]
    assert all(2.0**n <= wait <= 2.0**n * (1 + JITTER) for n, wait in enumerate(waits[:6]))
    assert waits[-1] <= LONGEST_BACKOFF * (1 + JITTER)


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ("7", 7.0),
        ("0", 1.0),
        ("1e9", LONGEST_WAIT),
        ("-1", None),
        ("nan", None),
        ("inf", None),
        ("", None),
        (None, None),
    ],
)
def test_a_retry_after_is_believed_within_reason(asked: str | None, seconds: float | None) -> None:
    """A number of seconds, neither endless nor none."""
    assert seconds == retry_after(asked)
