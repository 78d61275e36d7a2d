"""An operator's callback is foreign code: whatever it does, the answer is on time and nobody else is harmed."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import pytest

from bot.approval import LONGEST_NOTE
from bot.callbacks import MOST_AT_ONCE, FunctionCallbacks, callbacks_of, load_callback
from bot.errors import ConfigError, Unavailable
from bot.matching import Match
from bot.policy import Policy
from bot.protocol import HITLDecision, HITLRequest, HITLResponse
from bot.routing import Rule, Rules

MODULE = "acme_callbacks"
YES = HITLResponse(decision=HITLDecision.APPROVED, operator_input="fine")
REQUEST = HITLRequest(request_id="r1", tool_name="pay", agent_id="a", arguments={"to": ["ann"]})


@pytest.fixture
def acme() -> Iterator[ModuleType]:
    """The operator's module; its functions are set by the tests."""
    module = sys.modules[MODULE] = ModuleType(MODULE)
    yield module
    del sys.modules[MODULE]


def callbacks(module: ModuleType, **functions: Any) -> FunctionCallbacks:
    made = FunctionCallbacks()
    for name, function in functions.items():
        setattr(module, name, function)
        made.load([f"{MODULE}:{name}"])
    return made


async def call(module: ModuleType, function: Any, *, within: float = 5.0) -> HITLResponse:
    return await callbacks(module, judge=function).call(f"{MODULE}:judge", REQUEST, within=within)


async def trouble(module: ModuleType, function: Any, *, within: float = 5.0) -> str:
    with pytest.raises(Unavailable) as caught:
        await call(module, function, within=within)
    return str(caught.value)


async def later(value: Any) -> Any:
    await asyncio.sleep(0)
    return value


class Awaitable:
    """No coroutine, but to be awaited all the same."""

    def __await__(self) -> Any:
        return later(YES).__await__()


async def coroutine(_: HITLRequest) -> HITLResponse:
    await asyncio.sleep(0.001)
    return YES


@pytest.mark.parametrize("function", [lambda _: YES, coroutine, lambda _: Awaitable()])
async def test_a_callback_answers(acme: ModuleType, function: Any) -> None:
    """Plain or a coroutine function, it is given the request and its answer counts."""
    assert YES == await call(acme, function)


async def test_it_sees_the_request_and_cannot_change_it(acme: ModuleType) -> None:
    """What it does to the arguments is done to its own copy."""
    seen: list[HITLRequest] = []

    def judge(request: HITLRequest) -> HITLResponse:
        seen.append(request)
        request.arguments["to"].append("mallory")  # type: ignore[index,call-overload,union-attr]  # rude on purpose
        return YES

    await call(acme, judge)

    assert REQUEST.digest == seen[0].digest
    assert {"to": ["ann"]} == REQUEST.arguments


def raising(error: BaseException) -> Callable[[HITLRequest], HITLResponse]:
    def judge(_: HITLRequest) -> HITLResponse:
        raise error

    return judge


def raising_later(error: BaseException) -> Callable[[HITLRequest], Any]:
    async def judge(_: HITLRequest) -> HITLResponse:
        await asyncio.sleep(0)
        raise error

    return judge


class Mute(Exception):
    """Even its text is a trap."""

    def __str__(self) -> str:
        raise RuntimeError("no text for you")


@pytest.mark.parametrize("how", [raising, raising_later])
@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("no budget\nleft"), "Callback error: no budget left"),
        (ValueError("x" * 500), f"Callback error: {'x' * 100}"),
        (ValueError(), "Callback error: ValueError"),
        (Mute(), "Callback error: Mute"),
        (TimeoutError(), "Callback error: TimeoutError"),
        (SystemExit(1), "Callback error: 1"),
        (KeyboardInterrupt(), "Callback error: KeyboardInterrupt"),
        (asyncio.CancelledError(), "Callback error: CancelledError"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
async def test_one_that_raises_is_said_to_have(
    acme: ModuleType, how: Any, error: BaseException, said: str
) -> None:
    """In one short line for the agent, whatever it raised, an exit too."""
    assert said == await trouble(acme, how(error))


@dataclass
class HITLResponseOfAnotherPackage:
    """As the platform's client has it."""

    decision: str = "approved"
    operator_input: str = ""


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        "approved",
        HITLDecision.APPROVED,
        {"decision": "approved"},
        HITLResponseOfAnotherPackage(),
        HITLResponse(decision="approved"),  # type: ignore[arg-type]  # what the test is about
        HITLResponse(decision=HITLDecision.APPROVED, operator_input=7),  # type: ignore[arg-type]  # the same
    ],
    ids=repr,
)
async def test_anything_but_a_response_is_no_answer(acme: ModuleType, value: Any) -> None:
    """A value that merely looks like yes is not taken for one."""
    assert "Callback returned invalid response type" == await trouble(acme, lambda _: value)
    assert "Callback returned invalid response type" == await trouble(acme, lambda _: later(value))


async def test_a_long_note_is_cut(acme: ModuleType) -> None:
    """No longer than a person's may be."""
    answer = HITLResponse(decision=HITLDecision.REJECTED, operator_input="x" * 100_000)

    assert "x" * LONGEST_NOTE == (await call(acme, lambda _: answer)).operator_input


@pytest.fixture
async def hung() -> AsyncIterator[threading.Event]:
    """Ends what hangs once the test is over."""
    release = threading.Event()
    yield release
    release.set()


async def test_one_that_hangs_is_left_behind_on_time(acme: ModuleType, hung: threading.Event) -> None:
    """Blocking its thread, or a loop; the loop of the bot goes on meanwhile."""

    async def blocks(_: HITLRequest) -> HITLResponse:
        hung.wait()
        return YES

    async def sleeps(_: HITLRequest) -> HITLResponse:
        await asyncio.to_thread(hung.wait)
        return YES

    for function in (lambda _: hung.wait(), blocks, sleeps):
        begun = time.monotonic()
        assert "Callback timeout" == await trouble(acme, function, within=0.05)
        assert time.monotonic() - begun < 1


@pytest.mark.parametrize("within", [0.0, -3.0])
async def test_without_time_it_is_not_called(acme: ModuleType, within: float) -> None:
    """A deadline that has passed leaves nothing to ask for."""
    called: list[HITLRequest] = []

    assert "Callback timeout" == await trouble(acme, called.append, within=within)
    assert [] == called


async def test_those_that_hang_do_not_pile_up_nor_keep_others_waiting(
    acme: ModuleType, hung: threading.Event
) -> None:
    """So many threads and no more; another function has its own, and this one's come back."""
    both = callbacks(acme, hangs=lambda _: hung.wait(), judge=lambda _: YES)
    late = [both.call(f"{MODULE}:hangs", REQUEST, within=0.05) for _ in range(MOST_AT_ONCE)]
    assert ["Callback timeout"] * MOST_AT_ONCE == [
        str(e) for e in await asyncio.gather(*late, return_exceptions=True)
    ]

    with pytest.raises(Unavailable, match="are still running"):
        await both.call(f"{MODULE}:hangs", REQUEST, within=0.05)
    assert YES == await both.call(f"{MODULE}:judge", REQUEST, within=5)

    hung.set()
    for thread in threading.enumerate():
        if thread.name.startswith("callback:"):
            await asyncio.to_thread(thread.join, 5)
    with pytest.raises(Unavailable, match="invalid response type"):
        await both.call(f"{MODULE}:hangs", REQUEST, within=5)


async def test_its_thread_cannot_keep_the_process_from_ending(acme: ModuleType) -> None:
    """A daemon thread."""
    daemons: list[bool] = []

    def judge(_: HITLRequest) -> HITLResponse:
        daemons.append(threading.current_thread().daemon)
        return YES

    await call(acme, judge)

    assert [True] == daemons


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("judge", "does not name a function"),
        ("acme:", "does not name a function"),
        (":judge", "does not name a function"),
        (".acme:judge", "does not name a function"),
        ("acme_that_is_not_there:judge", "importing acme_that_is_not_there failed"),
        (f"{MODULE}:absent", "has no function absent"),
        (f"{MODULE}:NUMBER", "has no function NUMBER"),
    ],
)
def test_a_name_that_leads_nowhere_is_refused_at_start(acme: ModuleType, name: str, what: str) -> None:
    """Not at the first request that it should answer."""
    acme.NUMBER = 7  # type: ignore[attr-defined]  # a module takes any attribute
    with pytest.raises(ConfigError) as caught:
        load_callback(name)

    assert what in caught.value.what
    assert caught.value.fix


async def test_what_was_never_loaded_is_not_called() -> None:
    """No import on the way of a request."""
    with pytest.raises(Unavailable, match="not loaded"):
        await FunctionCallbacks().call("os:abort", REQUEST, within=1)


def test_the_functions_that_a_policy_names() -> None:
    """Each once, for loading."""
    rules = [
        Rule(name=str(number), match=Match(), callback=one) for number, one in enumerate(["a:b", "c:d", "a:b"])
    ]
    policy = Policy(people={}, groups={}, routes=(), rules=Rules(automatic=tuple(rules)))

    assert ("a:b", "c:d") == callbacks_of(policy)
