"""A press that takes too long or breaks: the person hears of it whatever their client shows; it is counted."""

from __future__ import annotations

import asyncio

from adapters.teams.modals import PRESS_AGAIN
from tests.contract.teams_rig import Rig, open_rig, texts


async def told(rig: Rig) -> list[str]:
    """What Ann reads in the personal chat, once there is something."""
    async with asyncio.timeout(5):
        while not rig.system.dm_of("ann"):
            await asyncio.sleep(0.01)
    return texts(rig.system.dm_of("ann")[-1].card)


async def test_an_old_client_is_told_in_time_that_its_press_is_late() -> None:
    """The fallback has the same limit; the vote goes on, and the person reads so in their own chat."""
    stored = asyncio.Event()
    async with open_rig() as rig:
        message = await rig.card_up()
        rig.teams._receiver._in_time = 0.1  # type: ignore[attr-defined]
        rig.desk.before_commit = stored.wait
        async with asyncio.timeout(3):
            assert (await rig.press("approve", message=message, old_client=True)).ok
        assert 1 == rig.counted["click_late"]
        assert [PRESS_AGAIN] == await told(rig)
        stored.set()
        assert (await rig.system.replay()).ok
        assert 1 == len(rig.desk.taken)


async def test_an_old_client_is_told_that_its_press_broke() -> None:
    """Nothing on that client would show it: what broke is counted, and said in the person's own chat."""
    async with open_rig() as rig:
        message = await rig.card_up()
        rig.desk.trouble = RuntimeError("broken")
        assert 200 == (await rig.press("approve", message=message, old_client=True)).status
        assert [PRESS_AGAIN] == await told(rig)
        assert 1 == rig.counted["click_failed"]


async def test_what_breaks_after_the_answer_is_counted() -> None:
    """A vote that fails when nobody waits for it any more is an event all the same, and is tried again."""
    goes_on = asyncio.Event()

    async def breaks() -> None:
        await goes_on.wait()
        raise RuntimeError("broken")

    async with open_rig() as rig:
        message = await rig.card_up()
        rig.teams._receiver._in_time = 0.1  # type: ignore[attr-defined]
        rig.desk.before_commit = breaks
        assert 500 == (await rig.press("approve", message=message)).answer()["statusCode"]
        assert 0 == rig.counted["click_failed"]
        goes_on.set()
        async with asyncio.timeout(5):
            while not rig.counted["click_failed"]:
                await asyncio.sleep(0.01)
        assert (1, 1) == (rig.counted["click_late"], rig.counted["click_failed"])
        rig.desk.before_commit = None
        assert 200 == (await rig.system.replay()).answer()["statusCode"]
        assert 1 == len(rig.desk.taken)


async def test_a_press_without_an_id_is_finished_too() -> None:
    """What Teams gave no id cannot be found again, and is no more cut off in its middle than any other."""
    stored = asyncio.Event()
    async with open_rig() as rig:
        await rig.press("why")
        message = await rig.card_up()
        await rig.press("approve", message=message, person="bob")
        activity = {k: v for k, v in rig.system.delivery.sent[-1].activity.items() if k != "id"}
        rig.desk.taken.clear()
        rig.teams._receiver._in_time = 0.1  # type: ignore[attr-defined]
        rig.desk.before_commit = stored.wait
        assert 500 == (await rig.system.delivery.deliver(activity)).answer()["statusCode"]
        stored.set()
        async with asyncio.timeout(5):
            while not rig.desk.taken:
                await asyncio.sleep(0.01)
        assert 1 == len(rig.desk.taken)
