"""What one Approve costs before it is acknowledged: one check, one reading of its record, and no card drawn.

Counted by a profiler in the whole bot, with both chats over HTTP and SQLite: the calls that a press leads to,
from the chat's adapter down. What waits until the press is answered is not part of it.
"""

from __future__ import annotations

import contextvars
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from adapters.slack.clicks import Clicks as SlackClicks
from adapters.store.database import Database
from adapters.teams.clicks import Clicks as TeamsClicks
from bot.card import card_of
from bot.flow.check import Check
from bot.redaction import Redaction
from tests.servers.town import ANN, open_town, until
from tests.story.test_teams import POLICY, card_in_teams, teams_of

COUNTED: dict[CodeType, str] = {
    Check.judge.__code__: "checks",
    Database.fetch.__code__: "reads",
    Database.write.__code__: "commits",
    card_of.__code__: "cards drawn",
    Redaction.redact.__code__: "redactions",
    Redaction.text.__code__: "redactions",
}


@contextmanager
def eligible(entry: Callable[..., Any]) -> Iterator[Counter[str]]:
    """Counts what runs on behalf of a call of `entry`, in its task and in those that it begins."""
    within: contextvars.ContextVar[bool] = contextvars.ContextVar("within", default=False)
    counted: Counter[str] = Counter()
    begun: set[FrameType] = set()  #: a coroutine is called again each time that it goes on

    def look(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code is entry.__code__:
            within.set(True)
        counts = event == "call" and frame.f_code in COUNTED and within.get()
        if counts and frame not in begun:
            begun.add(frame)
            counted[COUNTED[frame.f_code]] += 1

    sys.setprofile(look)
    try:
        yield counted
    finally:
        sys.setprofile(None)


def check(counted: Counter[str]) -> None:
    """One check, one reading, one commit; what is shown was made when the card went up."""
    assert (1, 1) == (counted["checks"], counted["commits"])
    assert 1 <= counted["reads"] <= 3
    assert 0 == counted["cards drawn"]
    assert counted["redactions"] <= 2


async def test_one_approve_in_each_chat(tmp_path: Path) -> None:
    """Ann approves one request in Slack, Bob another in Teams; both reach the platform."""
    async with open_town(tmp_path, with_teams=True, policy=POLICY) as town:
        first = town.ask()
        card = await town.shown()
        with eligible(SlackClicks.pressed) as counted:
            assert (await town.press(ANN, card, "approve")).ok
        check(counted)
        await until(lambda: ["approved"] == town.effects(first))

        second = town.ask()
        message = await card_in_teams(town, number=2)
        with eligible(TeamsClicks.pressed) as counted:
            assert (await teams_of(town).press("bob", message, "nod_approve")).ok
        check(counted)
        await until(lambda: ["approved"] == town.effects(second))
