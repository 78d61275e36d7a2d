"""People who click at random, and a record of what each of them was told: the history that a check reads."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass

from sandbox.slack.errors import CannotDo
from sandbox.slack.messages import Message
from tests.servers.system import ANN, APPROVALS, BOB, FINANCE, OLU, System, buttons, said

VERDICTS = {"approve": "approved", "reject": "rejected", "skip": "skipped"}
NAMES = {ANN: "Ann Albers", BOB: "Bob Brandt", OLU: "Olu Obi"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressed:
    """One click as its person saw it."""

    user: str
    verdict: str
    began: float  #: seconds of the monotonic clock
    ended: float
    acknowledged: bool  #: Slack showed no warning: it was accepted, or another person had been first


class Question:
    """One request, and everything that people did about it."""

    def __init__(self, request_id: str, *, mark: str, answerable: bool) -> None:
        self.request_id = request_id
        self.mark = mark  #: is on its card, in every look of it
        self.answerable = answerable  #: sooner or later a person answers it; the others are left to expire
        self.history: list[Pressed] = []

    def winners(self) -> set[tuple[str, str]]:
        """Who may have won, with what: a register in which the first write stays, read by its history.

        A click without an ack may be valid or not. But once one person read that their click was taken
        or came too late, the winner is among the clicks that had begun by then.
        """
        first = min((p.ended for p in self.history if p.acknowledged), default=float("inf"))
        return {(p.user, p.verdict) for p in self.history if p.began <= first}


#: Seconds of a window in which everybody gets round to every request, and every card goes up in time.
LONG = 3_000


class Crowd:
    """Asks a few requests a second, and lets three people answer what they see."""

    def __init__(self, system: System, *, chance: random.Random) -> None:
        self._system, self._chance = system, chance
        self.questions: list[Question] = []

    def all_cards(self) -> list[Message]:
        """Cards of one request each: neither digests nor what several threads are told together."""
        top = [message for channel in (APPROVALS, FINANCE) for message in self._system.cards(channel)]
        return [message for message in top if _is_card(message)]

    def cards(self, question: Question) -> list[Message]:
        return [card for card in self.all_cards() if question.mark in said(card)]

    async def ask_now_and_then(self) -> None:
        """For ever."""
        while True:
            mark, answerable = f"order-{len(self.questions)}@", self._chance.random() < 0.8
            request_id = self._system.ask(
                tool=self._chance.choice(["pay_invoice", "send_email"]),
                arguments={"to": mark},
                timeout_seconds=LONG if answerable else self._chance.uniform(4, 10),
            )
            self.questions.append(Question(request_id, mark=mark, answerable=answerable))
            await asyncio.sleep(self._chance.uniform(0.2, 0.8))

    async def click_now_and_then(self, user: str) -> None:
        """For ever: press any button of any card that can be answered, now and then after another person."""
        while True:
            await asyncio.sleep(self._chance.uniform(0.05, 0.4))
            waiting = self.waiting()
            if waiting:
                question = self._chance.choice(waiting[:3])
                await self._press(user, question, self._chance.choice(list(VERDICTS)))

    def waiting(self) -> list[Question]:
        """What people could answer now, by what its cards look like."""
        open_cards = [said(card) for card in self.all_cards() if buttons(card)]
        return [q for q in self.questions if q.answerable and any(q.mark in text for text in open_cards)]

    async def _press(self, user: str, question: Question, button: str) -> None:
        began = time.monotonic()
        try:
            result = await self._system.press(user, self.cards(question)[0], button)
        except CannotDo:
            return
        question.history.append(
            Pressed(
                user=user,
                verdict=VERDICTS[button],
                began=began,
                ended=time.monotonic(),
                acknowledged=result.ok,
            )
        )


def _is_card(message: Message) -> bool:
    kind = (message.metadata or {}).get("event_type")
    is_digest = message.text[:1].isdigit() or message.text.startswith("Nothing more waits")
    return kind == "nod_card" and not is_digest
