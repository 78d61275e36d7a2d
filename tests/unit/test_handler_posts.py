"""How an answer reaches the platform, or does not (the platform's guide); many at once."""

from __future__ import annotations

import asyncio
import threading
import tracemalloc
from datetime import timedelta
from typing import Any

import pytest

from bot.approval import Outcome
from bot.errors import Forbidden, Gone, NodError, Unanswered, Unavailable
from nod import HITLRequest, HITLResponse
from tests.handling import SKIP, YES, Desk, Terminal, raises


@pytest.fixture
def desk() -> Desk:
    """A fresh one per test."""
    return Desk()


GONE, BUSY, LOST = Gone("404"), Unavailable("the platform answered 503"), Unanswered("no answer came")
REFUSED = Forbidden("the platform answered 422")
OURS, ELSEWHERE, UNDELIVERABLE = Outcome.APPROVED, Outcome.ELSEWHERE, Outcome.UNDELIVERABLE


@pytest.mark.parametrize(
    ("before", "after", "pauses", "outcome"),
    [
        ([], [], [], OURS),
        ([BUSY], [], [1.0], OURS),
        ([BUSY, LOST], [], [1.0, 2.0], OURS),
        ([BUSY, LOST, BUSY], [], [1.0, 2.0], UNDELIVERABLE),
        ([Unavailable("429", retry_after=4.0)], [], [4.0], OURS),
        ([Unavailable("429", retry_after=300.0)], [], [30.0], OURS),
        ([REFUSED], [], [], UNDELIVERABLE),
        ([Forbidden("the platform answered 401")], [], [], UNDELIVERABLE),
        ([GONE], [], [], ELSEWHERE),
        ([BUSY, GONE], [], [1.0], ELSEWHERE),
        ([], [LOST], [1.0], OURS),
    ],
)
async def test_the_table_of_posts(
    desk: Desk, before: list[NodError], after: list[NodError], pauses: list[float], outcome: Outcome
) -> None:
    """Network and 5xx: three tries after 1 and 2 s; other 4xx fail at once; 404 and 409 are resolved.

    `after` fails once the platform has it: the 404 that then follows is ours, by the audit's word.
    """
    desk.platform.decide_trouble = list(before)
    desk.platform.lost_answers = list(after)

    ended = await desk.handler(lambda _: YES).handle(desk.ask())

    assert (outcome, pauses) == (ended, desk.pauses)
    assert bool(desk.lost) is (outcome is UNDELIVERABLE)
    assert len(desk.platform.decided) == (outcome is OURS)


@pytest.mark.parametrize("tries", [1, 4])
async def test_tries_are_counted_as_asked(desk: Desk, tries: int) -> None:
    """`max_retries` is the number of tries, the first one too."""
    desk.platform.decide_trouble = [BUSY] * 9

    await desk.handler(lambda _: YES, max_retries=tries).handle(desk.ask())

    assert 9 - tries == len(desk.platform.decide_trouble)
    assert [1.0, 2.0, 3.0][: tries - 1] == desk.pauses


async def test_after_a_200_the_audit_has_the_last_word(desk: Desk) -> None:
    """A 200 is no proof that ours was first: where the audit names another verdict, it ended elsewhere."""
    request = desk.ask()

    async def word_on(_: str) -> str:
        return "rejected"

    desk.platform.word_on = word_on  # type: ignore[method-assign]  # an audit that contradicts

    assert ELSEWHERE is await desk.handler(lambda _: YES).handle(request)


@pytest.mark.parametrize(
    ("callback", "trouble"),
    [
        (raises(ValueError("no budget")), [BUSY, LOST, BUSY]),
        (raises(ValueError("no budget")), [REFUSED]),
        (lambda _: None, [REFUSED]),
        (None, [REFUSED]),
    ],
)
@pytest.mark.parametrize("kind", ["plain", "coroutine", "raises", "none"])
async def test_what_cannot_be_recovered_is_told(
    desk: Desk, callback: Any, trouble: list[NodError], kind: str
) -> None:
    """The fallback rejection cannot be posted either: its caller hears so once, with id and exception."""

    def plain(one: str, error: BaseException) -> None:
        desk.lost.append((one, str(error)))

    async def coroutine(one: str, error: BaseException) -> None:
        plain(one, error)

    def failing(one: str, error: BaseException) -> None:
        plain(one, error)
        raise RuntimeError("the pager is down too")

    told = {"plain": plain, "coroutine": coroutine, "raises": failing, "none": None}[kind]
    desk.platform.decide_trouble = list(trouble)

    ended = await desk.handler(callback, on_unrecoverable_error=told).handle(desk.ask())

    assert UNDELIVERABLE is ended
    assert ([] if told is None else [("r1", str(trouble[-1]))]) == desk.lost
    assert [] == desk.platform.decided


async def test_a_persons_answer_is_tried_until_the_deadline_and_never_reworded(desk: Desk) -> None:
    """Five failures do not turn the answer into another one; 0.5 s before the deadline is the end."""
    desk.platform.decide_trouble = [BUSY] * 5
    assert Outcome.SKIPPED is await desk.handler(interactive=Terminal(SKIP)).handle(desk.ask())
    assert [1.0, 2.0, 3.0, 3.0, 3.0] == desk.pauses

    desk.platform.decide_trouble, began = [BUSY] * 99, desk.now
    assert UNDELIVERABLE is await desk.handler(interactive=Terminal(SKIP)).handle(desk.ask("r2"))

    assert began + timedelta(seconds=99.5) >= desk.now > began + timedelta(seconds=96)
    assert ["r2"] == [one for one, _ in desk.lost]
    assert [("skipped", None)] == desk.decided


async def test_a_wait_beyond_the_end_is_cut(desk: Desk) -> None:
    """A platform that asks for more time than is left is asked once more, just before the end."""
    desk.platform.decide_trouble = [Unavailable("429", retry_after=25.0)]
    request = desk.ask(timeout_at=(desk.now + timedelta(seconds=20)).isoformat())
    assert Outcome.SKIPPED is await desk.handler(interactive=Terminal(SKIP)).handle(request)
    assert [19.5] == desk.pauses

    desk.platform.decide_trouble, desk.pauses = [Unavailable("429", retry_after=25.0)] * 9, []
    request = desk.ask("r2", timeout_at=(desk.now + timedelta(seconds=20)).isoformat())
    assert UNDELIVERABLE is await desk.handler(interactive=Terminal(SKIP)).handle(request)
    assert ([19.5], 7) == (desk.pauses, len(desk.platform.decide_trouble))


async def test_nobody_at_the_terminal_is_no_answer(desk: Desk) -> None:
    """A person who gives no answer has not refused: nothing is posted, and the platform times out."""
    ended = await desk.handler(lambda _: YES, interactive=Terminal(None)).handle(desk.ask())

    assert (Outcome.TIMEOUT_SKIP, []) == (ended, desk.decided)


async def test_one_request_is_decided_once(desk: Desk) -> None:
    """Handed in twice while it is under way, it is asked about once."""
    asked: list[str] = []

    async def slow(request: HITLRequest) -> HITLResponse:
        asked.append(request.request_id)
        await asyncio.sleep(0.01)
        return YES

    handler, request = desk.handler(slow), desk.ask()

    first, second = handler.handle(request), handler.handle(request)

    assert first is second
    assert await handler.wait_for_pending_decisions(5)
    assert (["r1"], [("approved", "fine")]) == (asked, desk.decided)


async def test_waiting_for_what_is_under_way(desk: Desk) -> None:
    """It waits, but not longer than asked for; and with nothing under way not at all."""
    gate = asyncio.Event()

    async def waits(_: HITLRequest) -> HITLResponse:
        await gate.wait()
        return YES

    async with desk.handler(waits) as handler:
        assert await handler.wait_for_pending_decisions(0.001)
        handler.handle(desk.ask())
        assert not await handler.wait_for_pending_decisions(0.01)
        gate.set()
        assert await handler.wait_for_pending_decisions(5)
        with pytest.raises(ValueError, match="positive"):
            await handler.wait_for_pending_decisions(0)
    assert [("approved", "fine")] == desk.decided


async def test_waiting_covers_what_is_added_meanwhile(desk: Desk) -> None:
    """It ends when nothing is under way any more, not when the first ones are over."""

    async def slow(request: HITLRequest) -> HITLResponse:
        if request.request_id == "r1":
            handler.handle(desk.ask("r2"))
        await asyncio.sleep(0.05 if request.request_id == "r1" else 0.1)
        return YES

    handler = desk.handler(slow)
    handler.handle(desk.ask("r1"))

    assert await handler.wait_for_pending_decisions(10)
    assert ["r1", "r2"] == [one for one, _ in desk.platform.decided]


async def test_leaving_stops_and_decides_nothing(desk: Desk) -> None:
    """A caller that leaves without waiting answers nothing by that."""
    async with desk.handler(lambda _: YES) as handler:
        task = handler.handle(desk.ask())

    assert task.cancelled()
    assert [] == desk.decided


async def test_watching_handles_each_request_once(desk: Desk) -> None:
    """Whatever is listed is decided, while it is new; a platform that cannot be reached is asked again."""
    asked: list[str] = []

    async def decide(request: HITLRequest) -> HITLResponse:
        asked.append(request.request_id)
        return YES

    desk.platform.poll_trouble = [BUSY]
    desk.ask("r1")
    desk.ask("r2")
    handler = desk.handler(decide)
    watching = asyncio.create_task(handler.watch())
    async with asyncio.timeout(5):
        while len(desk.decided) < 2:
            await asyncio.sleep(0.001)
        desk.ask("r3")
        while len(desk.decided) < 3:
            await asyncio.sleep(0.001)
    watching.cancel()

    assert ["r1", "r2", "r3"] == sorted(asked)


@pytest.mark.parametrize("many", [2_000, pytest.param(10_000, marks=pytest.mark.slow)])
async def test_thousands_wait_on_one_loop(desk: Desk, many: int) -> None:
    """Thousands of requests wait at once: every one is decided, without a thread for each, in little memory."""
    gate, waiting = asyncio.Event(), []

    async def waits(request: HITLRequest) -> HITLResponse:
        waiting.append(request.request_id)
        await gate.wait()
        return YES

    handler, threads = desk.handler(waits), threading.active_count()
    requests = [desk.ask(f"r{number}") for number in range(many)]
    tracemalloc.start()
    try:
        for request in requests:
            handler.handle(request)
        while len(waiting) < many:
            await asyncio.sleep(0)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert threads == threading.active_count()
    gate.set()

    assert await handler.wait_for_pending_decisions(120)
    assert many == len(desk.decided)
    assert {f"r{number}" for number in range(many)} == {one for one, _ in desk.platform.decided}
    assert most < many * 20 * 1024


def test_the_number_of_tries_is_positive(desk: Desk) -> None:
    """No try at all would leave every request without an answer."""
    with pytest.raises(ValueError, match="max_retries"):
        desk.handler(max_retries=0)


async def test_who_waits_for_a_turn_loses_nothing(desk: Desk) -> None:
    """At most 64 answers are on their way at once; the others are sent after them, none is given up."""
    under_way, most, decide = 0, 0, desk.platform.decide

    async def counted(request: HITLRequest, response: HITLResponse) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.001)
        await decide(request, response)
        under_way -= 1

    desk.platform.decide = counted  # type: ignore[method-assign]  # the same platform, counted
    handler = desk.handler(lambda _: YES, auto_approve=True)
    for number in range(300):
        handler.handle(desk.ask(f"r{number}"))

    assert await handler.wait_for_pending_decisions(30)
    assert (64, 300, []) == (most, len(desk.decided), desk.pauses)
