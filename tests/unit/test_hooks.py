"""An operator's own hook is foreign code: whatever it does, Nod goes on and the alert is not lost."""

from __future__ import annotations

import asyncio
import sys
import threading
from datetime import UTC, datetime
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from adapters.pagers.hooks import HookPager, UnrecoverableError, load_hook
from bot.errors import ConfigError, Unavailable
from bot.records import Alert

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from adapters.pagers.hooks import Hook

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ALERT = Alert(approval_id="r1", cause="undelivered", text="The decision could not be delivered.", raised_at=NOW)
MENDED = Alert(approval_id="r1", cause="undelivered", text="...", raised_at=NOW, resolved="delivered later")


class Calls:
    """A hook that remembers its calls, as a plain and as a coroutine function."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, Exception]] = []
        self.threads: list[threading.Thread] = []

    def plain(self, request_id: str, exception: Exception) -> None:
        self.seen.append((request_id, exception))
        self.threads.append(threading.current_thread())

    async def awaited(self, request_id: str, exception: Exception) -> None:
        await asyncio.sleep(0)
        self.plain(request_id, exception)


def pager(hook: Hook, *, limit: float = 5.0) -> HookPager:
    return HookPager("acme.alerts:on_unrecoverable_error", hook, limit=limit)


async def page(to: HookPager, alert: Alert = ALERT, ref: str | None = None) -> str | None:
    return await to.page(alert, ref=ref, attempted_at=None)


def raising(error: BaseException) -> Hook:
    def hook(_: str, __: Exception) -> None:
        raise error

    return hook


def raising_later(error: BaseException) -> Hook:
    async def hook(_: str, __: Exception) -> None:
        await asyncio.sleep(0)
        raise error

    return hook


@pytest.mark.parametrize("kind", ["plain", "awaited"])
async def test_a_hook_is_called_with_the_request_and_what_happened(kind: str) -> None:
    """The platform's own signature: the request id, and an exception with the alert's words and its cause."""
    calls = Calls()
    assert await page(pager(getattr(calls, kind))) is not None
    ((request_id, error),) = calls.seen
    assert isinstance(error, UnrecoverableError)
    assert ("r1", "The decision could not be delivered.") == (request_id, str(error))
    assert ("undelivered", None) == (error.cause, error.mended)


async def test_a_plain_hook_runs_in_a_daemon_thread() -> None:
    """One that hangs can neither block the loop nor keep the process from ending."""
    calls = Calls()
    await page(pager(calls.plain))
    assert [True] == [thread.daemon for thread in calls.threads]


async def test_a_mended_alert_is_not_told_again() -> None:
    """The hook has one meaning, unrecoverable; the ref that it was given stays."""
    calls = Calls()
    to = pager(calls.plain)
    ref = await page(to)
    assert ref == await page(to, MENDED, ref)
    assert len(calls.seen) == 1


async def test_an_alert_that_mended_before_it_was_taken_is_still_told() -> None:
    """Every alert reaches the hook at least once; this one as what it is by now."""
    calls = Calls()
    assert await page(pager(calls.plain), MENDED) is not None
    ((_, error),) = calls.seen
    assert isinstance(error, UnrecoverableError)
    assert "Resolved: delivered later. The alert was: ..." == str(error)
    assert ("undelivered", "delivered later") == (error.cause, error.mended)


@pytest.mark.parametrize("how", [raising, raising_later])
@pytest.mark.parametrize(
    "error", [ValueError("x"), SystemExit(1), KeyboardInterrupt(), asyncio.CancelledError()]
)
async def test_a_hook_that_raises_is_tried_again_later(
    how: Callable[[BaseException], Hook], error: BaseException
) -> None:
    """Whatever it raises, even an exit, becomes Unavailable; the next alert is called as usual."""
    to = pager(how(error))
    for _ in range(2):
        with pytest.raises(Unavailable, match=f"raised {type(error).__name__}"):
            await page(to)


async def test_a_hook_that_hangs_is_called_once_until_it_comes_back() -> None:
    """No second thread piles up behind a hung one; when it is back, alerts go out again."""
    go_on = threading.Event()
    begun: list[str] = []

    def hook(request_id: str, _: Exception) -> None:
        begun.append(request_id)
        go_on.wait(10)

    to = pager(hook, limit=0.05)
    with pytest.raises(Unavailable, match=r"took longer than 0.05 s"):
        await page(to)
    with pytest.raises(Unavailable, match="is still running"):
        await page(to)
    assert len(begun) == 1
    go_on.set()
    for thread in threading.enumerate():
        if thread.name == to.name:
            await asyncio.to_thread(thread.join)
    assert await page(to) is not None


async def test_an_awaited_hook_that_hangs_is_cancelled() -> None:
    """It has its ten seconds and no more."""
    ended = asyncio.Event()

    async def hook(_: str, __: Exception) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    with pytest.raises(Unavailable, match="took longer"):
        await page(pager(hook, limit=0.05))
    await asyncio.wait_for(ended.wait(), 1)


async def test_an_awaited_hook_that_will_not_end_is_not_called_again() -> None:
    """A coroutine that swallows its cancellation holds the place, as a hung thread does."""
    free = asyncio.Event()

    async def hook(_: str, __: Exception) -> None:
        while not free.is_set():
            try:
                await free.wait()
            except asyncio.CancelledError:
                continue

    to = pager(hook, limit=0.05)
    with pytest.raises(Unavailable, match="took longer"):
        await page(to)
    with pytest.raises(Unavailable, match="is still running"):
        await page(to)
    free.set()


def test_a_hook_is_named_by_what_was_configured() -> None:
    """The rows of undelivered pages find it again after a restart."""
    assert pager(print).name == "hook:acme.alerts:on_unrecoverable_error"


def test_a_hook_is_loaded_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """`module:function` is the callable itself."""
    module = ModuleType("acme_alerts")
    module.hook = print  # type: ignore[attr-defined]  # a module made for this test
    monkeypatch.setitem(sys.modules, "acme_alerts", module)
    assert print is load_hook("acme_alerts:hook")


@pytest.mark.parametrize(
    ("spec", "what"),
    [
        ("", "does not name a function"),
        ("os", "does not name a function"),
        (":path", "does not name a function"),
        (".relative:f", "does not name a function"),
        ("no_such_module_anywhere:f", "importing no_such_module_anywhere failed (ModuleNotFoundError)"),
        ("os:no_such_function", "os has no function no_such_function"),
        ("os:sep", "os has no function sep"),
        ("broken_acme_alerts:f", "importing broken_acme_alerts failed (ZeroDivisionError)"),
    ],
)
def test_a_hook_that_cannot_be_loaded_is_a_setting_to_mend(
    spec: str, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nod refuses to start, and says where, what and how to mend it."""
    (tmp_path / "broken_acme_alerts.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError) as caught:
        load_hook(spec)
    assert (f"on_unrecoverable_error: {spec}", what) == (caught.value.where, caught.value.what)
    assert caught.value.fix.endswith(".")


async def test_what_an_agent_wrote_does_not_act_where_a_hook_puts_it() -> None:
    """A hook may hand the line to a chat: no link, no mark-up and no ping of it is left."""
    calls = Calls()
    text = "*pay* <https://evil.com|click> @here"
    alert = Alert(approval_id="r1", cause="x", text=text, raised_at=NOW, resolved="see evil.com")
    await page(pager(calls.plain), alert)
    ((_, error),) = calls.seen
    assert not set("*<|@") & set(str(error))
    assert "evil.com" not in str(error)
    assert isinstance(error, UnrecoverableError)
    assert "see evil[.]com" == error.mended
