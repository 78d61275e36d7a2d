"""Not faster than a chat allows, the most urgent first, and a wait that a chat names is kept. Both chats."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.chat.pacing import Cooldown, RateLimiter
from adapters.http.exchange import LONGEST_WAIT, retry_after
from adapters.slack.api import MOST_PASSED, counted, posts_of
from adapters.teams.api import JITTER, MARGIN, PATIENCE, cooldown_of, turns_of
from bot.errors import NotYet, Unavailable
from bot.retry import TOO_FAST

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
Limiter = Callable[[float], RateLimiter]

BOTH = pytest.mark.parametrize(
    "limiter",
    [
        lambda seconds: posts_of(time.monotonic, interval=seconds),
        lambda seconds: turns_of(time.monotonic, windows=((1, seconds),)),
    ],
    ids=["slack", "teams"],
)


class Wall:
    """Seconds that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        """What the clock says."""
        return self.now


async def say(turns: RateLimiter, channel: str = "C1", *, before: datetime | None = None) -> None:
    """One message."""
    async with turns.turn(channel, before=before):
        pass


@BOTH
async def test_the_earliest_deadline_goes_first(limiter: Limiter) -> None:
    """Of the messages that wait for one channel the one with the least time left is next."""
    turns, order = limiter(0.02), list[int | None]()

    async def post(minutes: int | None) -> None:
        await say(turns, before=None if minutes is None else NOON + timedelta(minutes=minutes))
        order.append(minutes)

    await say(turns)
    await asyncio.gather(*(post(minutes) for minutes in (None, 30, 5, 60, 1)))
    assert [1, 5, 30, 60, None] == order


@BOTH
async def test_one_message_an_interval_and_channel(limiter: Limiter) -> None:
    """Two messages in one channel are an interval apart; another channel does not wait."""
    turns, began = limiter(0.2), time.monotonic()
    await say(turns, "C1")
    await say(turns, "C2")
    assert time.monotonic() - began < 0.2
    await say(turns, "C1")
    assert time.monotonic() - began >= 0.2


@BOTH
async def test_whoever_gives_up_does_not_hold_up_the_others(limiter: Limiter) -> None:
    """A cancelled message leaves the queue."""
    turns = limiter(0.05)
    await say(turns)
    first = asyncio.create_task(say(turns, before=NOON))
    await asyncio.sleep(0)
    first.cancel()
    async with asyncio.timeout(2):
        await say(turns)
    assert first.cancelled()


async def test_in_slack_nobody_is_passed_over_for_ever() -> None:
    """Urgent posts that go on and on take three turns before one that waits with a later deadline."""
    turns = posts_of(time.monotonic, interval=0.02)
    order: list[str] = []

    async def urgent() -> None:
        for _ in range(8):
            await say(turns, before=NOON)
            order.append("urgent")

    async def card(name: str, minutes: int) -> None:
        await say(turns, before=NOON + timedelta(minutes=minutes))
        order.append(name)

    await say(turns)
    await asyncio.gather(card("later", 9), card("sooner", 5), urgent())

    assert [*["urgent"] * MOST_PASSED, "sooner", "later", *["urgent"] * (8 - MOST_PASSED)] == order


async def test_a_spare_turn_is_one_that_nobody_else_wants() -> None:
    """Not while the last post is less than an interval ago, and not while another one waits."""
    wall = Wall()
    turns = posts_of(wall, interval=1.0)
    turns.spare("C1")
    with pytest.raises(NotYet) as early:
        turns.spare("C1")
    assert early.value.retry_after is not None
    assert early.value.retry_after >= 1.0
    turns.spare("C2")
    waiting = asyncio.create_task(say(turns, before=NOON))
    await asyncio.sleep(0)
    wall.now = 1.0
    with pytest.raises(NotYet):
        turns.spare("C1")
    await waiting
    wall.now = 2.0
    turns.spare("C1")


async def test_in_teams_no_window_is_ever_overfull() -> None:
    """In any stretch of a window's length, not more messages than it allows; and no longer than that takes."""
    windows = ((3, 0.05), (5, 0.2))
    turns, moments = turns_of(time.monotonic, windows=windows), list[float]()

    async def one() -> None:
        async with turns.turn("19:x"):
            moments.append(time.monotonic())

    async with asyncio.timeout(5):
        await asyncio.gather(*(one() for _ in range(11)))
    for most, seconds in windows:
        assert all(later - first >= seconds for first, later in zip(moments, moments[most:], strict=False))
    assert moments[-1] - moments[0] >= 2 * (0.2 + MARGIN)


async def test_in_teams_a_turn_that_is_far_away_is_put_off() -> None:
    """Nobody holds a place of the crew for longer than PATIENCE: it is told how long until there is room."""
    wall = Wall()
    turns = turns_of(wall, windows=((2, 1.0), (3, 30.0)))
    for _ in range(3):
        await say(turns)
        wall.now += 2
    with pytest.raises(NotYet) as put_off:
        async with asyncio.timeout(1):
            await say(turns, before=NOON)
    assert 30 + MARGIN - 6 == pytest.approx(put_off.value.retry_after)
    wall.now += put_off.value.retry_after or 0
    async with asyncio.timeout(1):
        await say(turns, before=NOON)


async def test_in_teams_those_that_wait_longest_are_put_off_behind_the_others() -> None:
    """Of a crowd at once, those whose turn comes within PATIENCE wait; the rest come again behind those."""
    turns = turns_of(time.monotonic, windows=((1, 0.4),))

    async def one() -> float | None:
        try:
            await say(turns)
        except Unavailable as put_off:
            return put_off.retry_after
        return None

    async with asyncio.timeout(PATIENCE + 1):
        waits = await asyncio.gather(*(one() for _ in range(6)))
    assert [None] * 3 == waits[:3]
    assert [3 * (0.4 + MARGIN)] * 3 == pytest.approx(waits[3:], abs=0.1)


async def test_in_teams_a_message_counts_from_when_it_arrived() -> None:
    """One that took long on its way holds up the next for the whole window, from its answer on."""
    turns = turns_of(time.monotonic, windows=((1, 0.1),))
    async with turns.turn("19:x"):
        await asyncio.sleep(0.2)
    answered = time.monotonic()
    async with turns.turn("19:x"):
        assert time.monotonic() - answered >= 0.1


def test_a_named_wait_holds_for_what_it_was_named_for() -> None:
    """Retry-After 30 stops posts in this channel for 30 s, and nothing else."""
    wall = Wall()
    cooling = Cooldown(chat="Slack", monotonic=wall)
    assert 30.0 == cooling.hold(counted("chat.postMessage", "C1"), "30")
    with pytest.raises(NotYet) as raised:
        cooling.check(counted("chat.postMessage", "C1"))
    assert 30.0 == raised.value.retry_after
    cooling.check(counted("chat.postMessage", "C2"))
    cooling.check(counted("chat.update", "C1"))
    wall.now = 30.0
    cooling.check(counted("chat.postMessage", "C1"))


def test_what_slack_counts_for_the_workspace_waits_in_every_channel() -> None:
    """Tiers are for a method and a workspace; only posts are counted for each channel."""
    cooling = Cooldown(chat="Slack", monotonic=Wall())
    cooling.hold(counted("chat.update", "C1"), "30")
    with pytest.raises(NotYet):
        cooling.check(counted("chat.update", "C2"))


@pytest.mark.parametrize("jitter", [0.0, JITTER], ids=["slack", "teams"])
def test_without_a_usable_wait_it_backs_off(jitter: float) -> None:
    """1, 2, 4… at most a minute, and a share more in Teams; from 1 again after a call that passed."""
    wall = Wall()
    cooling = cooldown_of(wall) if jitter else Cooldown(chat="Slack", monotonic=wall)
    waits = [cooling.hold("m", "soon") for _ in range(8)]
    for least, wait in zip([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, TOO_FAST.last, TOO_FAST.last], waits, strict=True):
        assert least <= wait <= least * (1 + jitter)
    wall.now = waits[-1]
    cooling.passed("m")
    cooling.check("m")
    assert 1.0 <= cooling.hold("m", None) <= 1 + jitter


def test_a_call_that_was_under_way_ends_no_wait() -> None:
    """It began before another one was refused; only what comes after the wait shows that it is over."""
    cooling = Cooldown(chat="Slack", monotonic=Wall())
    cooling.hold("chat.update", "30")
    cooling.passed("chat.update")
    with pytest.raises(NotYet):
        cooling.check("chat.update")


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("30", 30.0),
        ("1.5", 1.5),
        ("0", 1.0),
        ("1e9", LONGEST_WAIT),
        *((asked, None) for asked in ("-1", "soon", "nan", "inf", "", None)),
    ],
)
def test_a_wait_is_believed_within_reason(asked: str | None, expected: float | None) -> None:
    """Numbers are kept between a second and five minutes; everything else names no wait."""
    assert expected == retry_after(asked)


@given(st.text(max_size=20))
def test_no_header_makes_it_crash(asked: str) -> None:
    """Whatever Retry-After says, the wait is none or between 1 and LONGEST_WAIT seconds."""
    wait = retry_after(asked)
    assert wait is None or 1.0 <= wait <= LONGEST_WAIT
