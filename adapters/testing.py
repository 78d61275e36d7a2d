"""Fixtures for pytest, so that a team can test its own approval flow without any account.

    pytest_plugins = ["adapters.testing"]  # in the conftest.py at the root of the tests

    def test_nothing_is_paid_without_a_yes(nod_platform):
        request_id = nod_platform.ask(tool="pay", arguments={"amount": 12})
        run_my_own_bot(nod_platform.environment)
        assert nod_platform.decisions[0].decision == "rejected"

Everything runs in a thread of its own, with its own event loop, on loopback: a test may be plain or a coroutine, and
the code under test may block.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from adapters.app import open_nod
from adapters.sandbox.town import API_KEY, Sandbox, open_sandbox
from adapters.settings import Environment

if TYPE_CHECKING:
    from adapters.sandbox.faults import Rule
    from adapters.sandbox.platform import DecisionPost
    from adapters.sandbox.slack.delivery import DeliveryResult
    from adapters.sandbox.slack.messages import Message

T = TypeVar("T")

#: Seconds until something that ought to happen at once is given up.
PATIENCE = 30.0
#: Seals the buttons of a bot under test. Not a secret: it opens nothing but the sandbox.
_SEAL = "0123456789abcdef" * 4


class Backstage:
    """A thread with an event loop, in which everything of a test's is opened and called."""

    def __init__(self) -> None:
        """Starts it; `backstage` closes it."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="nod-testing", daemon=True)
        self._thread.start()
        self._open: list[tuple[asyncio.Event, asyncio.Future[None]]] = []

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of a coroutine that runs there. Raises TimeoutError after `PATIENCE`."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)

    def call(self, work: Callable[[], T]) -> T:
        """The result of a function that runs there."""

        async def called() -> T:
            return work()

        return self.wait(called())

    def open(self, made: AbstractAsyncContextManager[T]) -> T:
        """Open something that is closed at the end of the test."""

        async def keep(opened: asyncio.Future[T], close: asyncio.Event) -> None:
            try:
                async with made as value:
                    opened.set_result(value)
                    await close.wait()
            except BaseException as error:
                if opened.done():
                    raise
                opened.set_exception(error)

        async def begin() -> T:
            opened: asyncio.Future[T] = asyncio.get_running_loop().create_future()
            close = asyncio.Event()
            task = asyncio.ensure_future(keep(opened, close))
            value = await opened
            self._open.append((close, task))
            return value

        return self.wait(begin())

    def close(self) -> None:
        """Close everything, the last one first, and end the thread."""

        async def end(close: asyncio.Event, task: asyncio.Future[None]) -> None:
            close.set()
            await task

        try:
            while self._open:
                self.wait(end(*self._open.pop()))
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(PATIENCE)
            self._loop.close()


@contextmanager
def backstage() -> Iterator[Backstage]:
    """A `Backstage` for as long as the block runs."""
    made = Backstage()
    try:
        yield made
    finally:
        made.close()


class TestPlatform:
    """A GL AIP platform in memory, over HTTP: what agents ask, what was decided, and faults on request."""

    __test__ = False  # a fixture's value, no class of tests

    def __init__(self, stage: Backstage, sandbox: Sandbox) -> None:
        """Of this sandbox."""
        self._stage, self._sandbox = stage, sandbox
        self.url, self.api_key = sandbox.url, API_KEY

    @property
    def environment(self) -> dict[str, str]:
        """What a client of the platform reads: AIP_API_URL and AIP_API_KEY."""
        return {"AIP_API_URL": self.url, "AIP_API_KEY": self.api_key}

    @property
    def decisions(self) -> tuple[DecisionPost, ...]:
        """Every decision that was posted, oldest first, with the status that it was answered with."""
        return self._stage.call(lambda: tuple(self._sandbox.platform.decisions))

    @property
    def executed(self) -> tuple[str, ...]:
        """The requests whose tools really ran, in that order."""
        return self._stage.call(lambda: tuple(self._sandbox.platform.executed))

    def ask(self, **request: Any) -> str:
        """An agent waits; returns the request's id. Fields as `sandbox.platform.Platform.ask` has them."""
        request.setdefault("arguments", {})
        return self._stage.call(lambda: self._sandbox.platform.ask(**request))

    def decide(self, request_id: str, decision: str, operator_input: str | None = None) -> int:
        """Somebody decides on the platform itself; the HTTP status that it earns: 200, 404 or 409."""
        return self._stage.call(lambda: self._sandbox.platform.decide(request_id, decision, operator_input))

    def fault(self, **rule: Any) -> Rule:
        """Something goes wrong from now on: the fields of `adapters.sandbox.faults.Rule`."""
        return self._stage.call(lambda: self._sandbox.faults.add(**rule))

    def mend(self) -> None:
        """Nothing goes wrong any more."""
        self._stage.call(self._sandbox.faults.clear)


class TestSlack:
    """A local Slack beside the platform: what stands in its channels, and people who click there."""

    __test__ = False  # a fixture's value, no class of tests

    def __init__(self, stage: Backstage, sandbox: Sandbox) -> None:
        """Of this sandbox."""
        self._stage, self._sandbox = stage, sandbox

    @property
    def environment(self) -> dict[str, str]:
        """What a Slack app reads here: address, token and signing secret; those of the platform too."""
        return self._sandbox.environment()

    def messages(self, channel: str) -> list[Message]:
        """All messages of a channel, oldest first."""
        return self._stage.call(lambda: self._sandbox.workspace.messages(channel))

    def click(self, **press: Any) -> DeliveryResult:
        """A person presses a button: the arguments of `sandbox.slack.workspace.Workspace.click`."""
        return self._stage.wait(self._sandbox.workspace.click(**press))

    def sends_clicks_to(self, url: str) -> None:
        """Where the app under test takes them, as in a Slack app's settings."""
        self._sandbox.workspace.request_url = url


class TestClock:
    """A clock that a test moves: `HITLHandler(…, clock=nod_clock, pause=nod_clock.pause)`."""

    __test__ = False  # a fixture's value, no class of tests

    def __init__(self) -> None:
        """At a Monday's noon."""
        self.now = datetime(2026, 3, 2, 12, tzinfo=UTC)
        self.pauses: list[float] = []  #: in seconds, as they were asked for

    def __call__(self) -> datetime:
        """The time, aware, in UTC."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Let so many seconds go by."""
        self.now += timedelta(seconds=seconds)

    async def pause(self, seconds: float) -> None:
        """What a sleep is under this clock: the time goes by at once."""
        self.pauses.append(seconds)
        self.advance(seconds)
        await asyncio.sleep(0)
