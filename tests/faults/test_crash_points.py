"""Killed at each point between two effects and started again, the bot ends where it would have ended.

Each test has the sandbox in its own process and the bot in a child, which dies there with exit code 137.
"""

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from sandbox.servers import open_sandbox
from sandbox.slack.errors import CannotDo
from sandbox.slack.messages import Message
from tests.faults.child import open_child
from tests.faults.launcher import KILLED
from tests.sampling import sampled
from tests.servers.notifications import alone, check_each_once, in_threads, notices
from tests.servers.shell import warmed
from tests.servers.system import ANN, OLU, System, buttons, said, until

#: The rung is due early in a long window, so that a slow machine has time to be killed and to come back.
POLICY = """
poll_every: 200ms
people:
  ann: {email: ann@acme.example}
  olu: {email: olu@acme.example}
routes:
  - name: default
    match: {}
    cards: [slack:C0APPROVALS]
    approvers: [ann]
    ladder: [{at: 2%, do: ping, who: [olu]}]
alerts: [slack:C0ALERTS]
"""
WINDOW = 90.0  #: seconds
WITHIN = 30.0  #: seconds until the end of a story; all but a slow start is a matter of two

#: What is on the way of every approval that a person approves.
ANSWERED = [
    "platform.pending after",  # 1
    "approvals.insert before",
    "approvals.insert after",  # 2
    "placements.attempt before",
    "placements.attempt after",
    "chat.post before",
    "chat.post after",  # 3
    "placements.posted before",
    "placements.posted after",
    "approvals.vote before",  # 5
    "approvals.vote after",  # 6
    "approvals.confirm after",
    "approvals.begin_delivery before",  # 7
    "approvals.begin_delivery after",
    "platform.decide before",
    "platform.decide after",  # 8
    "approvals.settle_all before",
    "approvals.settle_all after",  # 9
    "chat.update before",
    "chat.update after",
    "approvals.close before",
    "approvals.close after",
]
#: What is on the way of a rung.
ESCALATED = [
    "rungs.trigger before",
    "rungs.trigger after",
    "notices.attempt before",
    "notices.attempt after",
    "chat.say before",
    "chat.say after",  # 11
    "notices.sent before",
    "notices.sent after",
]
#: What is on the way of an alert, when the platform fails three times and then works again.
ALERTED = [
    "approvals.postpone after",
    "alerts.raise_ before",
    "alerts.raise_ after",
    "alerts.attempt after",
    "pager.page before",
    "pager.page after",  # 12
    "alerts.taken before",
    "alerts.taken after",
    "approvals.settle_all after",
    "alerts.resolve before",
    "alerts.resolve after",
]
#: What is on the way of a decision that cannot be delivered before its deadline.
GIVEN_UP = ["alerts.raise_ before", "alerts.raise_ after", "approvals.settle before", "approvals.settle after"]


class Ann:
    """A person who presses Approve until Slack shows that it went through, as people do."""

    def __init__(self, system: System, *, only_once: Callable[[Message], bool] = lambda card: True) -> None:
        self._system, self._ready = system, only_once
        self.acknowledged = False

    async def watch(self) -> None:
        """Press whatever can be pressed, for ever."""
        while True:
            await asyncio.sleep(0.05)
            for card in self._system.cards():
                if not self.acknowledged and "nod_approve" in buttons(card) and self._ready(card):
                    with contextlib.suppress(CannotDo):
                        self.acknowledged |= (await self._system.press(ANN, card, "approve")).ok


@pytest.mark.parametrize("point", sampled(ANSWERED, quick=(2, 6, 10, 12, 15, 17)))
async def test_an_answer_survives(point: str, tmp_path: Path) -> None:
    """One card, one decision, Ann's, and one effect; an acknowledged click is never lost."""
    async with open_sandbox() as sandbox:
        system = System(sandbox=sandbox, folder=tmp_path)
        request_id = system.ask(timeout_seconds=WINDOW)

        await killed_and_back(
            system, tmp_path, point, Ann(system), lambda: approved(system, request_id, tmp_path)
        )

        # The card shows how it ended, and so does a ping: nobody gets a message more.
        assert [] == notices(system, ".outcome")


@pytest.mark.parametrize("point", sampled(ESCALATED, quick=(1, 5)))
async def test_a_rung_survives(point: str, tmp_path: Path) -> None:
    """The people on call are pinged exactly once, and the approval goes on as if nothing had happened."""
    async with open_sandbox() as sandbox:
        system = System(sandbox=sandbox, folder=tmp_path)
        request_id = system.ask(timeout_seconds=WINDOW)

        def called(card: Message) -> bool:
            """Olu is called in the thread and alone, and the card says so."""
            pings = notices(system, ".rung0")
            (ping,) = in_threads(pings) or (card,)
            return len(pings) == 2 and f"<@{OLU}>" in said(ping) and "Escalated" in said(card)

        ann = Ann(system, only_once=called)

        def over() -> bool:
            ended = all("Approved" in said(ping) for ping in notices(system, ".rung0"))
            return ended and approved(system, request_id, tmp_path)

        await killed_and_back(system, tmp_path, point, ann, over)

        pings = notices(system, ".rung0")
        assert (1, 1) == (len(in_threads(pings)), len(alone(pings, OLU)))
        assert [] == notices(system, ".outcome")
        check_each_once(system)


@pytest.mark.parametrize("point", sampled(ALERTED, quick=(2, 5, 10)))
async def test_an_alert_survives(point: str, tmp_path: Path) -> None:
    """What was to be alerted is: in one message, which says in the end that the decision got through.

    Only where the crash came before it was written, and all was well afterwards, no alert is needed.
    """
    async with open_sandbox() as sandbox:
        system = System(sandbox=sandbox, folder=tmp_path)
        request_id = system.ask(timeout_seconds=WINDOW)
        sandbox.faults.add(method="POST", path="/agents/hitl/decision", times=3, status=503)
        owed = 0 if point == "alerts.raise_ before" else 1

        def over() -> bool:
            resolved = [alert for alert in system.alerts() if "Resolved: " in alert]
            return approved(system, request_id, tmp_path) and owed == len(resolved)

        await killed_and_back(system, tmp_path, point, Ann(system), over)

        assert owed == len(system.alerts())


@pytest.mark.parametrize("point", sampled(GIVEN_UP, quick=(1,)))
async def test_giving_up_is_alerted_all_the_same(point: str, tmp_path: Path) -> None:
    """The deadline passes undelivered and the bot dies on the way: the alert goes out, the card tells."""
    async with open_sandbox() as sandbox:
        system = System(sandbox=sandbox, folder=tmp_path)
        sandbox.faults.add(
            method="POST", path="/agents/hitl/decision", status=503, headers={"Retry-After": "300"}
        )
        await warmed()
        request_id = system.ask(timeout_seconds=8)

        def given_up() -> list[str]:
            return [text for text in system.alerts() if "Not delivered: " in text]

        def over() -> bool:
            told = "Not delivered: send_email" in said(system.cards()[0])
            return told and bool(given_up()) and "closed" == stage_of(request_id, tmp_path)

        await killed_and_back(system, tmp_path, point, Ann(system), over)

        assert 1 == len(system.cards())
        assert 1 == len(given_up())
        assert [] == sandbox.platform.executed


@pytest.mark.parametrize(
    ("point", "title", "effects"),
    [
        ("platform.decide after", "Approved: send_email", ["approved"]),
        ("approvals.begin_delivery before", "Not delivered: send_email", []),
    ],
)
async def test_back_only_after_the_deadline(point: str, title: str, effects: list[str], tmp_path: Path) -> None:
    """Down until it was too late: the card tells what became of the answer, by the platform's own record."""
    async with open_sandbox() as sandbox:
        system = System(sandbox=sandbox, folder=tmp_path)
        await warmed()
        request_id, too_late = system.ask(timeout_seconds=8), time.monotonic() + 8.5

        def over() -> bool:
            told = title in said(system.cards()[0]) and "closed" == stage_of(request_id, tmp_path)
            return told and bool(effects) != bool(system.alerts())

        await killed_and_back(system, tmp_path, point, Ann(system), over, not_before=too_late)

        assert effects == system.effects(request_id)


async def killed_and_back(
    system: System, folder: Path, point: str, ann: Ann, over: Callable[[], bool], *, not_before: float = 0
) -> None:
    """Run the bot until it dies at `point`; again until it is `over`; then stop it.

    The second life begins `not_before` this moment of the monotonic clock.
    """
    watching = asyncio.create_task(ann.watch())
    try:
        async with open_child(system, folder, policy=POLICY, crash_at=point) as child:
            assert KILLED == await child.ended()
        await asyncio.sleep(not_before - time.monotonic())  # at once where that is past
        async with open_child(system, folder, policy=POLICY) as child:
            await until(over, within=WITHIN, what=f"the end; see {child.log}")
            await child.stop()
    finally:
        watching.cancel()


def approved(system: System, request_id: str, folder: Path) -> bool:
    """Whether all of it has come to its end: on the platform, on the one card, and in the record."""
    cards = system.cards()
    assert len(cards) <= 1
    assert system.effects(request_id) in ([], ["approved"])
    return (
        ["approved"] == system.effects(request_id)
        and [request_id] == system.sandbox.platform.executed
        and "Approved: send_email" in said(cards[0])
        and "by Ann Albers" in said(cards[0])
        and "closed" == stage_of(request_id, folder)
    )


def stage_of(request_id: str, folder: Path) -> str | None:
    """What is in the database, read beside the bot."""
    with closing(sqlite3.connect(f"file:{folder / 'nod.db'}?mode=ro", uri=True)) as database:
        row = database.execute("SELECT stage FROM approvals WHERE id = ?", (request_id,)).fetchone()
    return row[0] if row else None
