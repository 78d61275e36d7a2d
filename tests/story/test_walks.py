"""Three walks through Nod, counted by a profiler in the whole bot, with both chats over HTTP and SQLite.

A card goes up, a press becomes a decision on the platform, an escalation step becomes a ping. Counted is what
runs on behalf of the steps that begin a walk: the files of the product that are entered, how deep its own
functions call one another, and what one Approve costs before it is acknowledged. Work in threads is not
counted, nor are comprehensions as functions of their own (from Python 3.12 on they are none).
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from adapters.slack.clicks import Clicks as SlackClicks
from adapters.store.database import Database
from adapters.teams.clicks import Clicks as TeamsClicks
from bot.card import card_of
from bot.flow.check import Check
from bot.flow.deliver import Deliver
from bot.flow.escalate import Escalate
from bot.flow.ingest import Ingest
from bot.flow.notify import Notify
from bot.flow.show import Show
from bot.redaction import Redaction
from tests.servers.system import ANN, OLU, System, open_system, said, until
from tests.story.test_teams import POLICY, card_in_teams, teams_of, text_of

ROOT = f"{Path(__file__).parents[2]}/"
#: Files entered at most, and the goal that is still to be reached. The first poll also ends old alerts.
#: Names are masked as arguments are, in six files of `bot/secrets`; a press passes the group commit, and a
#: delivery asks which way it takes (`bot/flow/ways.py`). A look at the alerts, in three files, comes with a
#: card once a second: it is counted whether this walk met it or not.
POLL_TO_CARD_IN_SLACK, POLL_TO_CARD_IN_TEAMS, POLL_TO_CARD_GOAL = 62, 67, 36
CLICK_TO_POST_IN_SLACK, CLICK_TO_POST_IN_TEAMS, CLICK_TO_POST_GOAL = 40, 45, 38
STEP_TO_PING, STEP_TO_PING_GOAL = 37, 30
#: The deepest stack of Nod's own functions at most, and the goal.
DEEPEST_TO_CARD, DEEPEST_FROM_SLACK, DEEPEST_FROM_TEAMS, DEEPEST_TO_PING, DEEPEST_GOAL = 17, 18, 15, 12, 13

COUNTED: dict[CodeType, str] = {
    Check.judge.__code__: "checks",
    Database.fetch.__code__: "reads",
    Database.write.__code__: "commits",
    card_of.__code__: "cards drawn",
    Redaction.redact.__code__: "redactions",
    Redaction.text.__code__: "redactions",
}
NO_FUNCTIONS = ("<module>", "<listcomp>", "<dictcomp>", "<setcomp>")

WALKED = POLICY.replace(
    "routes:\n",
    """routes:
  - name: teams
    match: {tool: "teams_*"}
    cards: [teams:approvals]
    approvers: [ann, bob]
  - name: step
    match: {tool: "step_*"}
    cards: [slack:C0APPROVALS]
    approvers: [ann, bob]
    ladder: [{at: 1%, do: ping, who: [olu]}]
  - name: slack
    match: {tool: "slack_*"}
    cards: [slack:C0APPROVALS]
    approvers: [ann, bob]
""",
)


@dataclass(kw_only=True)
class Walk:
    """What was entered on behalf of the functions that it begins with."""

    counted: Counter[str] = field(default_factory=Counter)  #: on behalf of the first of them
    files: dict[str, set[str]] = field(default_factory=dict)  #: with the functions that were entered
    stack: list[str] = field(default_factory=list)  #: the deepest, from the function that began it
    over: bool = False  #: what comes now is not part of it any more

    def check(self, *, files: int, deepest: int) -> None:
        """What was walked is said where it is more than this."""
        entered = "\n".join(f"{file}: {sorted(functions)}" for file, functions in sorted(self.files.items()))
        assert len(self.files) <= files, f"{len(self.files)} files, {files} at most:\n{entered}"
        stack = "\n".join(self.stack)
        assert len(self.stack) <= deepest, f"{len(self.stack)} deep, {deepest} at most:\n{stack}"


@contextmanager
def walked(*entries: Callable[..., Any], until: Callable[..., Any] | None = None) -> Iterator[Walk]:
    """Counts what runs below calls of `entries`, in their tasks and in those that they begin.

    A call of `until` on their behalf ends the walk.
    """
    codes = [entry.__code__ for entry in entries]
    begun: ContextVar[tuple[CodeType, object] | None] = ContextVar("begun", default=None)
    walk, resumed = Walk(), set[FrameType]()  #: a coroutine is called again each time that it goes on

    def look(frame: FrameType, event: str, _: object) -> None:
        if event != "call" or (place := _place_of(frame.f_code)) is None:
            return
        if until is not None and frame.f_code is until.__code__ and begun.get():
            walk.over = True
        if walk.over:
            return
        if frame.f_code in codes:
            begun.set((frame.f_code, asyncio.current_task()))
        if (beginning := begun.get()) is None:
            return
        stack, above = [place], frame
        while above.f_code not in codes and above.f_back is not None:
            above = above.f_back
            stack += [place] if (place := _place_of(above.f_code)) is not None else []
        entry, task = beginning
        if above.f_code not in codes and asyncio.current_task() is task:
            return  # the step waits for its next round
        if frame.f_code in COUNTED and frame not in resumed and entry is codes[0]:
            resumed.add(frame)
            walk.counted[COUNTED[frame.f_code]] += 1
        file, _, function = stack[0].partition(":")
        walk.files.setdefault(file, set()).add(function)
        if len(stack) > len(walk.stack):
            walk.stack = stack[::-1]

    sys.setprofile(look)
    try:
        yield walk
    finally:
        sys.setprofile(None)


@cache
def _place_of(code: CodeType) -> str | None:
    """`file:function` of the product; None for others."""
    file = code.co_filename.removeprefix(ROOT)
    ours = file != code.co_filename and file.startswith(("bot/", "adapters/", "nod/"))
    return f"{file}:{code.co_name}" if ours and code.co_name not in NO_FUNCTIONS else None


def check_cost(counted: Counter[str]) -> None:
    """One check, one reading, one commit; what is shown was made when the card went up."""
    assert (1, 1) == (counted["checks"], counted["commits"])
    assert 1 <= counted["reads"] <= 3
    assert 0 == counted["cards drawn"]
    assert counted["redactions"] <= 2


async def closed(system: System, request_id: str) -> None:
    """Return when nothing is left to deliver: its last redraw would count into the walk of another."""

    def stage() -> str:
        with closing(sqlite3.connect(f"file:{system.folder / 'nod.db'}?mode=ro", uri=True)) as database:
            (found,) = database.execute("SELECT stage FROM approvals WHERE id = ?", [request_id]).fetchone()
        return str(found)

    await until(lambda: stage() == "closed", within=20, what="the approval to be closed")


async def test_the_three_walks(tmp_path: Path) -> None:
    """One request goes up in Slack, one in Teams; both are approved; the step of a third one pings Olu."""
    async with open_system(tmp_path, with_teams=True, policy=WALKED) as system:
        with walked(Ingest.round, Show.round) as to_slack:
            first = system.ask(tool="slack_mail")
            card = await system.shown(within=20)
        with walked(SlackClicks.pressed, Deliver.round, until=Deliver._settle) as from_slack:
            assert (await system.press(ANN, card, "approve")).ok
            check_cost(from_slack.counted)
            await system.says(card, "Approved", within=20)  # which it may say before the platform took it
            await until(lambda: ["approved"] == system.effects(first), within=20)
        await closed(system, first)

        with walked(Ingest.round, Show.round) as to_teams:
            second = system.ask(tool="teams_mail")
            message = await card_in_teams(system)
        with walked(TeamsClicks.pressed, Deliver.round, until=Deliver._settle) as from_teams:
            assert (await teams_of(system).press("bob", message, "nod_approve")).ok
            check_cost(from_teams.counted)
            await until(lambda: "Approved" in text_of(system, message), within=20)
            await until(lambda: ["approved"] == system.effects(second), within=20)
        await closed(system, second)

        with walked(Escalate.round, Notify.round) as to_ping:
            system.ask(tool="step_mail", timeout_seconds=30)
            card = await system.shown(count=2, within=20)
            await until(lambda: any(OLU in said(reply) for reply in system.replies(card)), within=20)

    to_slack.check(files=POLL_TO_CARD_IN_SLACK, deepest=DEEPEST_TO_CARD)
    to_teams.check(files=POLL_TO_CARD_IN_TEAMS, deepest=DEEPEST_TO_CARD)
    from_slack.check(files=CLICK_TO_POST_IN_SLACK, deepest=DEEPEST_FROM_SLACK)
    from_teams.check(files=CLICK_TO_POST_IN_TEAMS, deepest=DEEPEST_FROM_TEAMS)
    to_ping.check(files=STEP_TO_PING, deepest=DEEPEST_TO_PING)
