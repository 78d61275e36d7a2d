"""What is decided, by the tables of the platform's guide, row by row."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from bot import callbacks as calling
from bot.approval import Outcome
from bot.errors import Unavailable
from nod import HITLDecision, HITLRequest, HITLResponse
from tests.handling import NO, NOON, SKIP, YES, Desk, Terminal, Unreadable, raises, raises_later


@pytest.fixture
def desk() -> Desk:
    """A fresh one per test."""
    return Desk()


AUTO, NOBODY = ("approved", "auto-approved"), ("rejected", "No approval handler configured")


@pytest.mark.parametrize(
    ("auto", "terminal", "callback", "expected"),
    [
        (True, None, None, AUTO),
        (True, Terminal(NO), None, AUTO),
        (True, Terminal(NO), lambda _: NO, AUTO),
        (False, Terminal(SKIP), lambda _: NO, ("skipped", None)),
        (False, Terminal(SKIP), None, ("skipped", None)),
        (False, Terminal(SKIP, attached=False), lambda _: NO, ("rejected", "not today")),
        (False, Terminal(SKIP, attached=False), None, NOBODY),
        (False, None, lambda _: NO, ("rejected", "not today")),
        (False, None, None, NOBODY),
    ],
)
async def test_precedence(
    desk: Desk, auto: bool, terminal: Terminal | None, callback: Any, expected: tuple[str, str | None]
) -> None:
    """Auto-approval before the terminal, that before the callback, and where nothing applies a rejection."""
    outcome = await desk.handler(callback, auto_approve=auto, interactive=terminal).handle(desk.ask())

    assert [expected] == desk.decided
    assert Outcome(expected[0]) is outcome


@pytest.mark.parametrize(
    ("said", "given", "expected"),
    [
        ("true", None, AUTO),
        ("TRUE", None, AUTO),
        ("1", None, NOBODY),
        ("", None, NOBODY),
        ("true", False, NOBODY),
    ],
)
async def test_the_environment_approves_when_nothing_else_is_said(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, said: str, given: bool | None, expected: tuple[str, str]
) -> None:
    """GLAIP_HITL_AUTO_APPROVE counts as `true` in any case, and not against what the program says itself."""
    monkeypatch.setenv("GLAIP_HITL_AUTO_APPROVE", said)

    await desk.handler(auto_approve=given).handle(desk.ask())

    assert [expected] == desk.decided


@pytest.mark.parametrize(("response", "word"), [(YES, "approved"), (NO, "rejected"), (SKIP, "skipped")])
@pytest.mark.parametrize("kind", ["plain", "coroutine", "plain that returns an awaitable", "object"])
async def test_decision_codes(desk: Desk, response: HITLResponse, word: str, kind: str) -> None:
    """Each of the three decisions is posted with its word and note, from whatever kind of callback."""

    async def coroutine(_: HITLRequest) -> HITLResponse:
        return response

    class Called:
        async def __call__(self, request: HITLRequest) -> HITLResponse:
            return await coroutine(request)

    callbacks: dict[str, Any] = {
        "plain": lambda _: response,
        "coroutine": coroutine,
        "plain that returns an awaitable": lambda request: coroutine(request),
        "object": Called(),
    }

    outcome = await desk.handler(callbacks[kind]).handle(desk.ask())

    assert [(word, response.operator_input)] == desk.decided
    assert word == outcome.value


WRONG = "Callback returned invalid response type"


@pytest.mark.parametrize(
    ("callback", "reason"),
    [
        (raises(ValueError("no budget")), "Callback error: no budget"),
        (raises_later(ValueError("no budget")), "Callback error: no budget"),
        (raises(ValueError("x" * 200)), "Callback error: " + "x" * 100),
        (raises(KeyError()), "Callback error: KeyError"),
        (raises(Unreadable()), "Callback error: Unreadable"),
        (raises(SystemExit(3)), "Callback error: 3"),
        (raises_later(SystemExit(3)), "Callback error: 3"),
        (raises(asyncio.CancelledError()), "Callback error: CancelledError"),
        (raises_later(asyncio.CancelledError()), "Callback error: the callback was cancelled"),
        (lambda _: None, WRONG),
        (lambda _: "approved", WRONG),
        (lambda _: True, WRONG),
        (lambda _: HITLDecision.APPROVED, WRONG),
        (lambda _: HITLResponse(decision="approved"), WRONG),  # type: ignore[arg-type]  # on purpose
        (lambda _: HITLResponse(decision=HITLDecision.APPROVED, operator_input=7), WRONG),  # type: ignore[arg-type]  # likewise
        (lambda: YES, "Callback error: "),
    ],
)
async def test_a_callback_that_fails_rejects_with_the_reason(desk: Desk, callback: Any, reason: str) -> None:
    """Whatever a callback raises, and whatever else it returns, is a rejection that says why."""
    await desk.handler(callback).handle(desk.ask())

    ((word, note),) = desk.decided
    assert "rejected" == word
    assert str(note).startswith(reason)
    assert [] == desk.lost


@pytest.mark.parametrize(
    ("seconds", "within"),
    [(100, 80.0), (10, 8.0), (7, 5.6), (6, 5.0), (1, 5.0)],
)
async def test_a_callback_has_four_fifths_of_what_is_left(desk: Desk, seconds: float, within: float) -> None:
    """80 % until `timeout_at`, whatever `timeout_seconds` was at the start, and at least 5 s."""
    clock = Patience(desk)

    await clock.given(desk.ask(timeout_at=(NOON + timedelta(seconds=seconds)).isoformat(), timeout_seconds=180))

    assert within == pytest.approx(clock.within, abs=0.05)


@pytest.mark.parametrize(
    ("fields", "within"),
    [
        ({"timeout_at": None, "timeout_seconds": 50}, 40.0),
        ({"timeout_at": "soon", "timeout_seconds": 50}, 40.0),
        ({"timeout_at": (NOON + timedelta(hours=7)).isoformat(), "timeout_seconds": 50}, 40.0),
        ({"timeout_at": None}, 144.0),
    ],
)
async def test_where_timeout_at_cannot_be_believed(desk: Desk, fields: dict[str, Any], within: float) -> None:
    """Then `timeout_seconds` counts from now, or the guide's usual three minutes."""
    clock = Patience(desk)

    await clock.given(desk.ask(**fields))

    assert within == pytest.approx(clock.within, abs=0.05)


class Patience:
    """How long the handler waits for a callback, read from the timer of the loop that it sets."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.within = 0.0

    async def given(self, request: HITLRequest) -> None:
        loop = asyncio.get_running_loop()
        asked = asyncio.Event()

        async def never(_: HITLRequest) -> HITLResponse:
            asked.set()
            return await loop.create_future()

        before = {id(timer) for timer in loop._scheduled}  # type: ignore[attr-defined]  # the loop's own timers
        task = self._desk.handler(never).handle(request)
        await asked.wait()
        now = loop.time()
        fresh = [t for t in loop._scheduled if id(t) not in before]  # type: ignore[attr-defined]  # likewise
        self.within = max(timer.when() for timer in fresh) - now
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("fields", [{"whole": False}, {"flaw": "contains the same key twice"}])
async def test_a_callback_cannot_approve_what_it_cannot_see(desk: Desk, fields: dict[str, Any]) -> None:
    """A cut call, or one that can be read in two ways, is approved by nobody; no and skip count."""
    await desk.handler(lambda _: YES).handle(desk.ask(**fields))
    await desk.handler(lambda _: SKIP).handle(desk.ask("r2", **fields))

    assert ["rejected", "skipped"] == [word for word, _ in desk.decided]


async def test_a_callback_cannot_change_what_is_decided(desk: Desk) -> None:
    """It is given a copy of the call."""
    request = desk.ask(arguments={"to": ["ann"]})

    def greedy(given: HITLRequest) -> HITLResponse:
        given.arguments["to"].append("eve")  # type: ignore[index,call-overload,union-attr]  # a JSON object
        return YES

    await desk.handler(greedy).handle(request)

    assert {"to": ["ann"]} == request.arguments
    assert [("approved", "fine")] == desk.decided


@pytest.mark.parametrize("kind", ["coroutine", "refuses to stop", "plain"])
async def test_a_callback_that_runs_out_of_time(desk: Desk, kind: str) -> None:
    """The handler rejects with the reason when its 5 s are over, and alarms nobody."""
    release, stop = threading.Event(), asyncio.Event()

    def plain(_: HITLRequest) -> HITLResponse:
        release.wait(30)
        return YES

    async def coroutine(_: HITLRequest) -> HITLResponse:
        try:
            await stop.wait()
        except asyncio.CancelledError:
            if kind == "refuses to stop":
                await stop.wait()
            raise
        return YES

    request = desk.ask(timeout_at=(desk.now + timedelta(seconds=1)).isoformat())
    try:
        outcome = await asyncio.wait_for(
            desk.handler(plain if kind == "plain" else coroutine).handle(request), 20
        )
    finally:
        release.set()
        stop.set()

    assert (Outcome.REJECTED, [("rejected", "Callback timeout")]) == (outcome, desk.decided)
    assert [] == desk.lost


@pytest.mark.parametrize(
    ("callback", "said"),
    [
        (lambda request: YES if request.tool_args == {"n": 1} else NO, "approved"),
        (lambda request: YES if request.tool_metadata["args"] == {"n": 1} else NO, "approved"),
        (lambda request: YES if request.hitl_metadata["timeout_seconds"] == 7 else NO, "approved"),
        (lambda request: YES if "timeout_at" in request.hitl_metadata else NO, "approved"),
    ],
)
async def test_callbacks_of_the_guide_read_their_fields(desk: Desk, callback: Any, said: str) -> None:
    """Where its request names something differently, the guide's name is there too."""
    await desk.handler(callback).handle(desk.ask(timeout_seconds=7))

    assert [said] == [word for word, _ in desk.decided]


@pytest.mark.parametrize(
    ("auto", "terminal", "callback", "by"),
    [
        (True, None, None, "auto-approval"),
        (False, Terminal(SKIP), None, "terminal"),
        (False, None, lambda _: NO, "callback"),
        (False, None, None, "nobody"),
    ],
)
async def test_each_decision_is_logged_once(
    desk: Desk, auto: bool, terminal: Terminal | None, callback: Any, by: str
) -> None:
    """Its id, how it ended and who answered; nothing of the call."""
    with capture_logs() as logs:
        outcome = await desk.handler(callback, auto_approve=auto, interactive=terminal).handle(desk.ask())

    (said,) = [line for line in logs if line["event"] == "request_ended"]
    assert said == {
        "event": "request_ended",
        "log_level": "info",
        "approval_id": "r1",
        "outcome": outcome.value,
        "by": by,
    }


async def test_a_late_callback_is_answered_for(desk: Desk) -> None:
    """When its time is up the rejection goes out, and a plain function that hangs holds up nobody else."""
    release = threading.Event()

    def hangs(request: HITLRequest) -> HITLResponse:
        if request.request_id == "slow":
            release.wait(30)
        return YES

    async def quick(callback: Any, request: HITLRequest, **more: Any) -> HITLResponse:
        return await calling.answer_of(callback, request, **(more | {"within": 0.2}))

    handler = desk.handler(hangs)
    try:
        with pytest.raises(Unavailable, match="Callback timeout"):
            await quick(hangs, desk.ask("slow"), threads=handler._threads)
        await handler.handle(desk.ask("other"))
    finally:
        release.set()

    assert [("approved", "fine")] == desk.decided
