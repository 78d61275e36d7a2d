"""What happens after an ack can fail in any way without anybody but the log noticing."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine
from types import SimpleNamespace
from typing import Any

import pytest
from slack_bolt.context.ack.async_ack import AsyncAck
from structlog.testing import capture_logs

from adapters import runtime as life
from adapters.chat.background import LAST_CALL, BackgroundTasks, open_background_tasks
from adapters.slack.clicks import Clicks
from adapters.slack.identity import Identity
from adapters.store.sqlite import CLOSES_WITHIN
from adapters.watch.watchdog import ENDS_WITHIN, LAST_WORD
from adapters.web import GRACE
from bot.errors import Refusal, Refused, Unavailable
from tests.contract.slack_rig import FakeDesk
from tests.fakes import Counting
from tests.render.cards import not_counted


async def fail(error: Exception) -> None:
    """An errand that goes wrong."""
    raise error


async def test_a_failed_errand_is_logged_and_no_more() -> None:
    """Trouble with Slack and bugs of our own alike end in the log, told apart by the event."""
    with capture_logs() as logs:
        async with open_background_tasks() as background:
            background.send(fail(Unavailable("Slack is away")), name="whisper")
            background.send(fail(KeyError("bug")), name="open_form")
    assert {"errand_failed": "whisper", "errand_crashed": "open_form"} == {
        e["event"]: e["errand"] for e in logs
    }


async def test_errands_under_way_end_before_slack_closes() -> None:
    """A whisper that was begun is still said when Nod stops."""
    said = []

    async def say() -> None:
        await asyncio.sleep(0.02)
        said.append("expired")

    async with open_background_tasks() as background:
        background.send(say(), name="whisper")
    assert ["expired"] == said


def test_errands_that_hang_in_both_chats_leave_time_to_close_the_database() -> None:
    """What waits for a rate limit is no reason to end a stop as a crash does."""
    assert GRACE + life.GRACE + 2 * LAST_CALL + CLOSES_WITHIN < ENDS_WITHIN - LAST_WORD


class BrokenErrands(BackgroundTasks):
    """Errands with a bug."""

    def send(self, errand: Coroutine[Any, Any, object], *, name: str) -> None:
        """Fail."""
        errand.close()
        raise RuntimeError(name)


PRESS = {
    "type": "block_actions",
    "user": {"id": "U0ANN", "team_id": "T1"},
    "channel": {"id": "C1"},
    "container": {"message_ts": "1.0"},
    "trigger_id": "t",
    "actions": [{"action_id": "nod_approve", "value": f"v1.card.{'0' * 64}"}],
}


@pytest.mark.parametrize(
    "refusal", [None, not_counted(Refusal.EXPIRED, "It expired.")], ids=["taken", "refused"]
)
async def test_no_bug_after_the_ack_takes_it_back(refusal: Refused | None) -> None:
    """slack-bolt forgets an ack after which the listener raises; so the listener never raises."""
    counted = Counter[str]()
    clicks = Clicks(
        desk=FakeDesk(refusal=refusal),
        api=None,  # type: ignore[arg-type]  # nothing is sent
        identity=Identity(team_id="T1", bot_user_id="U1", bot_id=None, app_id=None, scopes=frozenset()),
        background=BrokenErrands(),
        urls=SimpleNamespace(keep=lambda *_: None),  # type: ignore[arg-type]  # nothing is changed
        metrics=Counting(lambda name: counted.update([name])),
    )
    ack = AsyncAck()
    with capture_logs():
        await clicks.pressed(ack, PRESS)
    assert ack.response is not None
    assert 200 == ack.response.status
    assert {"click_failed": 1 if refusal else 0} == {"click_failed": counted["click_failed"]}


@pytest.mark.parametrize("times", [1, 3, 9])
async def test_what_a_chat_cannot_take_yet_is_tried_again(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """A refusal that meets 429 or 500 is told a moment later, three tries behind the first at most."""
    waited: list[float] = []

    async def wait(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr("adapters.chat.background.asyncio.sleep", wait)
    tries = 0

    async def whisper() -> None:
        nonlocal tries
        tries += 1
        if tries <= times:
            raise Unavailable("busy", retry_after=3.0 if tries == 1 else 900.0)

    async with open_background_tasks() as background:
        background.repeat(whisper, name="whisper")
    assert min(times + 1, 4) == tries
    assert [3.0, 30.0, 30.0][: min(times, 3)] == waited
