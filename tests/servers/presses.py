"""What people do in a walk: they press what they see or saw, twice, together, or in the middle of something."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from bot.approval import Claim, Vote
from bot.card import Button
from bot.desk import Acknowledged, Click, NextRequest, Voted
from bot.seal import Pages
from bot.surface import Surface
from tests.servers.fake_clock_bot import SEAL
from tests.servers.flaky import FlakyChat
from tests.servers.random_walk import PEOPLE, Step, Walk


@dataclass(frozen=True)
class Press(Step):
    """A person presses a button that they see, or saw in an earlier look of that message, once or twice."""

    who: str
    surface: Surface
    button: Button
    message: int = 0  #: counted from the newest that has the button
    look: int = 0  #: counted from the latest
    twice: bool = False

    async def done(self, walk: Walk) -> None:
        await self.press(walk)
        await walk.pass_time(0)

    async def press(self, walk: Walk) -> None:
        """The press alone."""
        chat, account = walk.chat(self.surface), PEOPLE[self.who].accounts.get(self.surface)
        looked = [
            (ref, looks[-1 - self.look][1])
            for ref, looks in reversed(chat.cards.items())
            if ref not in chat.deleted and len(looks) > self.look
        ]
        pressable = [(ref, card) for ref, card in looked if self.button in card.buttons]
        if not pressable or account is None:
            return
        ref, card = pressable[self.message % len(pressable)]
        value = card.buttons[self.button]
        click = Click(
            surface=self.surface, account=account, home=True, value=value,
            channel=channel_of(chat, card.card_id), ref=ref, verb=self.button,
        )  # fmt: skip
        await asyncio.gather(*[pressed(walk, click) for _ in range(2 if self.twice else 1)])


@dataclass(frozen=True)
class Together(Step):
    """Two people press at the same moment."""

    one: Press
    other: Press

    async def done(self, walk: Walk) -> None:
        await asyncio.gather(self.one.press(walk), self.other.press(walk))
        await walk.pass_time(0)


@dataclass(frozen=True)
class Next(Step):
    """A person opens the next one of a digest, and answers it there."""

    who: str
    surface: Surface
    button: Button

    async def done(self, walk: Walk) -> None:
        chat, account = walk.chat(self.surface), PEOPLE[self.who].accounts.get(self.surface)
        for ref, looks in reversed(chat.digests.items()):
            card = looks[-1][1]
            if account is None or Button.NEXT not in card.buttons:
                continue
            channel = channel_of(chat, card.digest_id)
            click = Click(
                surface=self.surface, account=account, home=True, value=card.buttons[Button.NEXT],
                channel=channel, ref=ref, verb=Button.NEXT,
            )  # fmt: skip
            reply = await walk.desk.press(click)
            if not isinstance(reply, NextRequest):
                continue
            value = reply.form.card.buttons.get(self.button)
            if value is not None:
                look = (
                    reply.form.reading.sealed(Pages(seen=0, count=1)) if self.button is Button.APPROVE else None
                )
                await pressed(walk, replace(click, value=value, verb=self.button, look=look))
        await walk.pass_time(0)


@dataclass(frozen=True)
class During(Step):
    """Something happens in the middle of the next call of one part of the world."""

    part: str
    step: Step

    async def done(self, walk: Walk) -> None:
        async def meanwhile() -> None:
            step = self.step
            await (step.press(walk) if isinstance(step, Press) else step.done(walk))

        walk.part(self.part).meanwhile.append(meanwhile)


async def pressed(walk: Walk, click: Click) -> None:
    """What the desk says to a click; what counted is kept, with whether it may have."""
    desk, work = walk.desk, walk.work
    match await desk.press(replace(click, form=True)):
        case Voted(vote=vote):
            got: Vote | Claim = vote
        case Acknowledged(claim=claim):
            got = claim
        case _:
            return
    policy = work.policy
    person = policy.person_behind(click.surface, click.account)
    sealed = SEAL.open(click.value)
    placement = await work.store.placements.get(sealed.card_id) if sealed else None
    approval = await work.store.approvals.get(placement.approval_id) if placement else None
    assert approval is not None
    may = person is not None and person.handle in {*policy.groups["finance"], *approval.widened} - {"gus"}
    same = sealed is not None and sealed.digest == approval.request.digest
    walk.counted.append((got, may and same and got.at < approval.deadline.at))


def channel_of(chat: FlakyChat, mark: str) -> str:
    """The place of the message with this mark."""
    return next(channel for channel, known in chat.marks if known == mark)
