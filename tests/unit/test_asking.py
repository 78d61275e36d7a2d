"""Who sits at the terminal is asked about what waits, for as long as it waits, and answers what was shown."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from bot.approval import Outcome
from bot.callbacks import UNSEEN
from bot.errors import Unanswered, Unavailable
from nod import HITLHandler, HITLRequest, HITLResponse
from tests.handling import NO, SKIP, YES, Desk

Answering = Callable[[HITLRequest], Coroutine[Any, Any, HITLResponse | None]]


@pytest.fixture
def desk() -> Desk:
    """A fresh one per test."""
    return Desk()


class Screen:
    """A terminal whose person acts as a test says; what was shown, and what is up."""

    attached = True

    def __init__(self, answer: Answering) -> None:
        self.shown: list[object] = []
        self.up = 0
        self._answer = answer

    async def ask(self, request: HITLRequest, *, deadline: datetime) -> HITLResponse | None:
        del deadline
        self.shown.append(request.arguments)
        self.up += 1
        try:
            return await self._answer(request)
        finally:
            self.up -= 1


def change(desk: Desk, **fields: Any) -> None:
    """Another call has the same id from now on."""
    fields.setdefault("arguments", {"n": 9000})
    desk.platform.waiting["r1"] = replace(desk.platform.waiting["r1"], **fields)


@pytest.mark.parametrize(
    ("word", "shown", "decided"),
    [
        (YES, [{"n": 1}, {"n": 9000}], [("approved", "fine")]),
        (NO, [{"n": 1}], [("rejected", "not today")]),
        (SKIP, [{"n": 1}], [("skipped", None)]),
    ],
)
async def test_a_call_that_changes_under_the_prompt(
    desk: Desk, word: HITLResponse, shown: list[object], decided: list[tuple[str, str | None]]
) -> None:
    """An Approve of the old call is not sent: that person is asked again. A no holds for either."""

    async def changes_meanwhile(request: HITLRequest) -> HITLResponse:
        if request.arguments == {"n": 1}:
            change(desk)
        return word

    screen = Screen(changes_meanwhile)

    await desk.handler(interactive=screen).handle(desk.ask())

    assert (shown, decided) == (screen.shown, desk.decided)


async def test_a_call_that_changes_while_her_answer_is_tried(desk: Desk) -> None:
    """Each try of an Approve looks first."""
    desk.platform.decide_trouble = [Unavailable("503")]

    async def pause(seconds: float) -> None:
        await desk.pause(seconds)
        change(desk)

    async def yes(_: HITLRequest) -> HITLResponse:
        return YES

    screen = Screen(yes)
    handler = HITLHandler(
        client=desk.platform, interactive=screen, auto_approve=False, clock=lambda: desk.now, pause=pause
    )

    assert Outcome.APPROVED is await handler.handle(desk.ask())
    assert [{"n": 1}, {"n": 9000}] == screen.shown


@pytest.mark.parametrize("fields", [{"whole": False}, {"flaw": "contains the same key twice"}])
@pytest.mark.parametrize("at_first", [True, False])
async def test_a_prompt_cannot_approve_what_cannot_be_seen(
    desk: Desk, fields: dict[str, Any], at_first: bool
) -> None:
    """As with a callback: it is rejected, with the reason; also when it became such a call meanwhile."""

    async def yes(_: HITLRequest) -> HITLResponse:
        if not at_first:
            change(desk, **fields)
        return YES

    await desk.handler(interactive=Screen(yes)).handle(desk.ask(**(fields if at_first else {})))

    ((word, note),) = desk.decided
    assert "rejected" == word
    assert UNSEEN in str(note)


async def test_an_approve_of_what_has_left(desk: Desk) -> None:
    """It ended elsewhere, and nothing is posted; unless it was this very answer that ended it."""

    async def answered_meanwhile(_: HITLRequest) -> HITLResponse:
        desk.platform.waiting.clear()
        return YES

    assert Outcome.ELSEWHERE is await desk.handler(interactive=Screen(answered_meanwhile)).handle(desk.ask())
    assert [] == desk.decided

    async def yes(_: HITLRequest) -> HITLResponse:
        return YES

    desk.platform.lost_answers = [Unanswered("reset")]
    assert Outcome.APPROVED is await desk.handler(interactive=Screen(yes)).handle(desk.ask())
    assert 1 == len(desk.decided)


async def test_a_list_that_cannot_be_had_is_waited_for(desk: Desk) -> None:
    """Without it nothing is approved, and the person's answer is not lost."""
    desk.platform.poll_trouble = [Unavailable("503")] * 5

    async def yes(_: HITLRequest) -> HITLResponse:
        return YES

    assert Outcome.APPROVED is await desk.handler(interactive=Screen(yes)).handle(desk.ask())
    assert [1.0, 2.0, 3.0, 3.0, 3.0] == desk.pauses


@pytest.mark.parametrize(
    ("away", "outcome"), [(0, Outcome.ELSEWHERE), (101, Outcome.TIMEOUT_SKIP)], ids=["in time", "too late"]
)
async def test_the_prompt_goes_down_with_its_request(desk: Desk, away: float, outcome: Outcome) -> None:
    """Once answered elsewhere, or expired, a request is not asked about any more. The others are."""
    screen = Screen(lambda _: asyncio.Event().wait())  # type: ignore[arg-type,return-value]  # for ever
    handler = desk.handler(interactive=screen)
    async with handler, asyncio.timeout(10):
        first, second = handler.handle(desk.ask("r1")), handler.handle(desk.ask("r2"))
        watching = asyncio.create_task(handler.watch(every=0))
        await up(screen, 2)
        await desk.pause(away)

        del desk.platform.waiting["r1"]

        assert outcome is await first
        await up(screen, 1)
        assert not second.done()
        watching.cancel()
    assert 0 == screen.up
    assert [] == desk.decided


async def test_the_prompt_shows_the_call_that_waits(desk: Desk) -> None:
    """A poll that finds another call under the id takes the old one down, and shows the new one."""

    async def only_new(request: HITLRequest) -> HITLResponse:
        if request.arguments == {"n": 1}:
            await asyncio.Event().wait()
        return YES

    screen = Screen(only_new)
    handler = desk.handler(interactive=screen)
    async with handler, asyncio.timeout(10):
        ended = handler.handle(desk.ask())
        watching = asyncio.create_task(handler.watch(every=0))
        await up(screen, 1)
        change(desk)
        assert Outcome.APPROVED is await ended
        watching.cancel()
    assert [{"n": 1}, {"n": 9000}] == screen.shown


async def test_a_poll_that_began_before_the_question_says_nothing_about_it(desk: Desk) -> None:
    """A request that came in while a poll was under way is not on its list, and still waits."""
    gate, polled, pending = asyncio.Event(), asyncio.Event(), desk.platform.pending

    async def slow() -> Any:
        listing = await pending()
        polled.set()
        await gate.wait()
        return listing

    desk.platform.pending = slow  # type: ignore[method-assign]  # the same platform, slower
    screen = Screen(lambda _: asyncio.Event().wait())  # type: ignore[arg-type,return-value]  # for ever
    handler = desk.handler(interactive=screen)
    async with handler, asyncio.timeout(10):
        watching = asyncio.create_task(handler.watch(every=1000))
        await polled.wait()
        task = handler.handle(desk.ask())
        await up(screen, 1)
        gate.set()
        await asyncio.sleep(0.05)
        assert not task.done()
        watching.cancel()


@pytest.mark.parametrize("error", [ValueError("no window"), SystemExit(3), asyncio.CancelledError()])
async def test_a_prompt_that_raises_rejects_with_the_reason(desk: Desk, error: BaseException) -> None:
    """Whatever it raises, nothing is approved, and the loop goes on."""

    async def broken(_: HITLRequest) -> HITLResponse:
        raise error

    await desk.handler(lambda _: YES, interactive=Screen(broken)).handle(desk.ask())

    ((word, note),) = desk.decided
    assert "rejected" == word
    assert str(note).startswith("Prompt error: ")


@pytest.mark.parametrize("nothing", [None, False])
async def test_no_prompt_is_off(desk: Desk, nothing: None) -> None:
    """The callback is asked then."""
    await desk.handler(lambda _: NO, interactive=nothing).handle(desk.ask())

    assert [("rejected", "not today")] == desk.decided


@pytest.mark.parametrize("given", [True, 1, "yes", lambda _: YES])
def test_what_cannot_ask_is_no_prompt(desk: Desk, given: Any) -> None:
    """Said at once, with what to give instead; not when the first request waits."""
    with pytest.raises(TypeError, match=r"adapters\.terminal\.TerminalPrompt\(\)"):
        desk.handler(interactive=given)


async def up(screen: Screen, count: int) -> None:
    while screen.up != count:
        await asyncio.sleep(0.001)
