"""More decisions in a minute than Slack takes changes of messages: each pressed card changes at once."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from sandbox.slack.messages import Message
from tests.servers.system import ANN, POLICY, System, open_system, until

WITHOUT_LADDER = POLICY.replace("    ladder: [{at: 50%, do: ping, who: [olu]}]\n", "")
#: Seconds from a press to a card that says so.
SHOWN_WITHIN = 3.0


@pytest.mark.parametrize(
    ("presses", "updates", "every", "within"),
    [(8, 2, 0.1, 30.0), pytest.param(60, 50, 0.95, SHOWN_WITHIN, marks=pytest.mark.slow)],
)
async def test_each_pressed_card_shows_it_at_once(
    presses: int, updates: int, every: float, within: float, tmp_path: Path
) -> None:
    """Slack takes fewer changes a minute than there are decisions, and none of its changes is used up.

    Through chat.update the last ones would take a minute; the short form leaves room for a loaded machine.
    """
    async with open_system(
        tmp_path, post_burst=None, updates_a_minute=updates, policy=WITHOUT_LADDER
    ) as system:
        for n in range(presses):
            system.ask(timeout_seconds=1_800, agent_id=f"agent-{n}")
        await system.shown(count=presses, within=presses * 1.5 + 10)
        cards = system.cards()
        took = await asyncio.gather(*(pressed(system, card, after=n * every) for n, card in enumerate(cards)))
        print(f"press to card, seconds: median {sorted(took)[len(took) // 2]:.2f}, most {max(took):.2f}")
        writes = sum(len(system.now(card).history) for card in cards)
        print(f"changes of cards: {writes} for {presses} decisions")
        assert within >= max(took)
        assert [] == system.sandbox.workspace.called("chat.update")


async def pressed(system: System, card: Message, *, after: float) -> float:
    """Seconds from Ann's press until the card says that it is decided; how it ended follows."""
    await asyncio.sleep(after)
    began = time.monotonic()
    assert (await system.press(ANN, card, "approve")).ok
    await until(lambda: bool(system.now(card).history), within=30, what="the card to change")
    took = time.monotonic() - began
    await system.says(card, "Approved", within=30)
    return took
