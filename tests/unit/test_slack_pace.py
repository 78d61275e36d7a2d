"""Not faster than Slack allows, the most urgent first, and a wait that Slack names is kept."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.chat.pacing import Cooldown, RateLimiter
from adapters.http.exchange import LONGEST_WAIT, retry_after
from adapters.slack.api import MOST_PASSED, counted, posts_of
from bot.errors import NotYet, Unavailable


async def turn(turns: RateLimiter, channel: str, *, before: datetime | None = None) -> None:
    """One post."""
    async with turns.turn(channel, before=before):
        pass


NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


async def test_the_earliest_deadline_goes_first() -> None:
    """Of the posts that wait for one channel the one with the least time left is next."""
    turns = posts_of(time.monotonic, interval=0.02)
    order: list[int | None] = []

    async def post(minutes: int | None) -> None:
        async with turns.turn("C1", before=None if minutes is None else NOW + timedelta(minutes=minutes)):
            pass
        order.append(minutes)

    async with turns.turn("C1"):
        pass
    await asyncio.gather(*(post(minutes) for minutes in (None, 30, 5, 60, 1)))
    assert [1, 5, 30, 60, None] == order


async def test_nobody_is_passed_over_for_ever() -> None:
    """Urgent posts that go on and on take three turns before one that waits with a later deadline."""
    turns = posts_of(time.monotonic, interval=0.02)
    order: list[str] = []

    async def urgent() -> None:
        for _ in range(8):
            async with turns.turn("C1", before=NOW):
                pass
            order.append("urgent")

    async def card(name: str, minutes: int) -> None:
        async with turns.turn("C1", before=NOW + timedelta(minutes=minutes)):
            pass
        order.append(name)

    async with turns.turn("C1"):
        pass
    await asyncio.gather(card("later", 9), card("sooner", 5), urgent())

    assert [*["urgent"] * MOST_PASSED, "sooner", "later", *["urgent"] * (8 - MOST_PASSED)] == order


async def test_a_spare_turn_is_one_that_nobody_else_wants() -> None:
    """Not while the last post is less than an interval ago, and not while another one waits."""
    now = 0.0
    turns = posts_of(lambda: now, interval=1.0)
    turns.spare("C1")
    with pytest.raises(NotYet) as early:
        turns.spare("C1")
    assert early.value.retry_after is not None
    assert early.value.retry_after >= 1.0
    turns.spare("C2")
    waiting = asyncio.create_task(turn(turns, "C1", before=NOW))
    await asyncio.sleep(0)
    now = 1.0
    with pytest.raises(NotYet):
        turns.spare("C1")
    await waiting
    now = 2.0
    turns.spare("C1")


async def test_one_post_an_interval_and_channel() -> None:
    """Two posts in one channel are an interval apart; another channel does not wait."""
    turns = posts_of(time.monotonic, interval=0.05)
    began = time.monotonic()
    async with turns.turn("C1"):
        pass
    async with turns.turn("C2"):
        pass
    assert time.monotonic() - began < 0.05
    async with turns.turn("C1"):
        pass
    assert time.monotonic() - began >= 0.05


async def test_whoever_gives_up_does_not_hold_up_the_others() -> None:
    """A cancelled post leaves the queue."""
    turns = posts_of(time.monotonic, interval=0.05)
    async with turns.turn("C1"):
        pass
    first = asyncio.create_task(turn(turns, "C1", before=NOW))
    await asyncio.sleep(0)
    first.cancel()
    async with asyncio.timeout(1):
        async with turns.turn("C1"):
            pass
    assert first.cancelled()


def test_a_named_wait_holds_for_that_method_and_channel() -> None:
    """Retry-After 30 stops this method in this channel for 30 s, and nothing else."""
    now = 100.0
    cooling = Cooldown(chat="Slack", monotonic=lambda: now)
    assert 30.0 == cooling.hold(counted("chat.postMessage", "C1"), "30")
    with pytest.raises(Unavailable) as raised:
        cooling.check(counted("chat.postMessage", "C1"))
    assert 30.0 == raised.value.retry_after
    cooling.check(counted("chat.postMessage", "C2"))
    cooling.check(counted("chat.update", "C1"))
    now = 130.0
    cooling.check(counted("chat.postMessage", "C1"))


def test_without_a_usable_wait_it_backs_off() -> None:
    """1, 2, 4… at most 60 seconds, from the beginning again after a call that went through."""
    now = 0.0
    cooling = Cooldown(chat="Slack", monotonic=lambda: now)
    waits = [cooling.hold(counted("m", "C1"), "soon") for _ in range(8)]
    assert [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0] == waits
    now = 60.0
    cooling.passed(counted("m", "C1"))
    cooling.check(counted("m", "C1"))
    assert 1.0 == cooling.hold(counted("m", "C1"), None)


def test_a_call_that_was_under_way_ends_no_wait() -> None:
    """It began before Slack refused another one; only what comes after the wait shows that it is over."""
    cooling = Cooldown(chat="Slack", monotonic=lambda: 0.0)
    cooling.hold(counted("chat.update", "C1"), "30")
    cooling.passed(counted("chat.update", "C1"))
    with pytest.raises(NotYet):
        cooling.check(counted("chat.update", "C1"))


def test_what_slack_counts_for_the_workspace_waits_in_every_channel() -> None:
    """Tiers are for a method and a workspace; only posts are counted for each channel."""
    cooling = Cooldown(chat="Slack", monotonic=lambda: 0.0)
    cooling.hold(counted("chat.update", "C1"), "30")
    with pytest.raises(NotYet):
        cooling.check(counted("chat.update", "C2"))


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("30", 30.0),
        ("1.5", 1.5),
        ("0", 1.0),
        ("1e9", LONGEST_WAIT),
        ("-1", None),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ("", None),
        (None, None),
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
