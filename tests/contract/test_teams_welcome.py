"""Where the app comes to, Nod says how nod.yaml names the place; and it answers `help`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from sandbox.teams.messages import Message
from sandbox.teams.people import APPROVALS, CHAT, TEAM, cast
from tests.contract.teams_rig import Rig, open_rig, texts


def said(message: Message) -> str:
    return " | ".join(texts(message.card))


def of_nod(rig: Rig, place: str) -> list[str]:
    """What Nod said in a place, in threads too."""
    return [said(message) for message in rig.system.messages(place) if message.author is None]


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0.01)


async def settled(rig: Rig) -> None:
    """What the events of the beginning bring has been brought."""
    await until(lambda: bool(of_nod(rig, TEAM)) and bool(of_nod(rig, CHAT)))


async def test_a_team_is_told_what_its_channels_are_called() -> None:
    """Once, although Teams tells of one arrival twice; a group chat by its own name, a person not at all."""
    async with open_rig() as rig:
        await settled(rig)
        (team,), (chat,) = of_nod(rig, TEAM), of_nod(rig, CHAT)
        assert "the channels of this team are: teams:approvals, teams:finance-approvals, teams:general" in team
        assert "this chat is: teams:on-call" in chat
        assert [] == of_nod(rig, APPROVALS) == of_nod(rig, rig.system.personal("ann").id)


async def test_a_restart_is_no_arrival() -> None:
    """What the bot knew before is not greeted again; what it left and comes back to is."""
    async with open_rig() as rig:
        await settled(rig)
        await rig.system.events.announce()
        await rig.system.events.uninstall(CHAT)
        await until(lambda: CHAT not in rig.kept.refs)
        await rig.system.events.install(CHAT)
        await until(lambda: len(of_nod(rig, CHAT)) == 2)
        assert 1 == len(of_nod(rig, TEAM))


async def test_help_is_answered_in_its_thread() -> None:
    """With the place, once in a while; what else people write is nothing to Nod."""
    async with open_rig() as rig:
        await settled(rig)
        await rig.system.events.say("ann", APPROVALS, "is anybody there?")
        await rig.system.events.say("ann", APPROVALS, "  Help ")
        await until(lambda: bool(of_nod(rig, APPROVALS)))
        await rig.system.events.say("bob", APPROVALS, "help")
        (question,) = [m for m in rig.system.messages(APPROVALS) if m.text == "  Help "]
        (answer,) = [m for m in rig.system.messages(APPROVALS) if m.author is None]
        assert question.id == answer.root
        assert "this channel is: teams:approvals" in said(answer)


async def test_help_tells_a_person_who_they_are_in_nod_yaml() -> None:
    """By the id that an administrator would have to look up."""
    async with open_rig() as rig:
        room = rig.system.personal("eve").id
        await rig.system.events.say("eve", room, "help")
        await until(lambda: bool(of_nod(rig, room)))
        assert f"{{teams: {cast()['eve'].aad}}}" in of_nod(rig, room)[0]


@pytest.mark.parametrize("text", ["help me approve this", "", "<at>Nod</at>", "HELP!", "<at>" * 50])
async def test_only_the_one_word_is_answered(text: str) -> None:
    """A person's own sentence is none of Nod's business."""
    async with open_rig() as rig:
        await settled(rig)
        room = rig.system.personal("ann").id
        result = await rig.system.events.say("ann", room, text)
        assert 200 == result.status
        await rig.system.events.say("ann", room, "help")
        await until(lambda: bool(of_nod(rig, room)))
        assert 1 == len(of_nod(rig, room))
