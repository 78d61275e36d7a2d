"""The desk as chats see it: every kind of click, each handed to the file that knows it."""

from __future__ import annotations

from collections.abc import Callable

from bot.approval import Claim, Vote
from bot.desk import Asked, Click
from bot.flow import Count
from bot.flow.check import Check
from bot.flow.claim import TakeOn
from bot.flow.decide import Decide
from bot.flow.explain import Explain
from bot.flow.sights import Sights
from bot.policy import Policy
from bot.ports import Clock
from bot.seal import Seal
from bot.store import Store


class FrontDesk:
    """Implements `bot.desk.Desk`."""

    def __init__(
        self,
        *,
        store: Store,
        policy: Callable[[], Policy],
        seal: Seal,
        clock: Clock,
        count: Count,
        sights: Sights | None = None,
        look_up: Callable[[], None] = lambda: None,
    ) -> None:
        """`look_up` has people looked up again, in the background."""
        check = Check(store=store, policy=policy, seal=seal, clock=clock, count=count, look_up=look_up)
        self._decide = Decide(
            check=check,
            store=store,
            policy=policy,
            seal=seal,
            clock=clock,
            count=count,
            sights=sights or Sights(),
        )
        self._claim = TakeOn(check=check, store=store, clock=clock, count=count)
        self._explain = Explain(check=check, policy=policy, clock=clock)

    async def decide(self, click: Click) -> Vote:
        """Returns once the vote is committed. Raises Refused, for this person only; the audit has it too."""
        return await self._decide.decide(click)

    async def ask(self, click: Click) -> Asked:
        """What a form for this click shows. Raises Refused if this person could not decide now."""
        return await self._decide.ask(click)

    async def look(self, click: Click) -> Asked | None:
        """What `ask` would answer, with no row of the audit; None for somebody who may not decide."""
        return await self._decide.look(click)

    async def claim(self, click: Click) -> Claim:
        """Returns once the claim is committed. Raises Refused."""
        return await self._claim.claim(click)

    async def next(self, click: Click, *, after: str | None = None) -> Asked:
        """The next request on a digest that this person may decide. Raises Refused when there is none."""
        return await self._decide.next(click, after=after)

    async def explain(self, click: Click) -> tuple[str, ...]:
        """Why this card is here, who may decide, what is missing, and for this person why not."""
        return await self._explain.explain(click)
