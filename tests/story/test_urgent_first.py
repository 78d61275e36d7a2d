"""More requests than a channel takes cards: its turns go to the earliest deadlines, gathered or not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.servers.system import POLICY, System, open_system, said, until

URGENT = 10
#: Cards that may come before the last urgent one: what was under way while the digest went up.
UNDER_WAY = 5
WITHOUT_LADDER = POLICY.replace("    ladder: [{at: 50%, do: ping, who: [olu]}]\n", "")


@pytest.mark.parametrize("slow", [30, pytest.param(290, marks=pytest.mark.slow)])
async def test_urgent_cards_are_not_behind_slow_ones(slow: int, tmp_path: Path) -> None:
    """Ten of 60 s come behind many of 300 s, and have cards of their own before those."""
    async with open_system(tmp_path, post_burst=3, policy=WITHOUT_LADDER) as system:
        began = system.sandbox.workspace.now().timestamp()
        for n in range(slow):
            system.ask(timeout_seconds=300, agent_id=f"slow-{n}")
        for n in range(URGENT):
            system.ask(timeout_seconds=60, agent_id=f"urgent-{n}")
        await until(lambda: len(urgent(system)) == URGENT, within=55, what="the urgent cards")
        last = urgent(system)[-1]
        posts = [card for card in system.cards() if "nod_card" in str(card.metadata)]
        before = [card for card in posts if card.ts < last and "urgent-" not in said(card)]
        print(f"{URGENT} urgent cards up within {float(last) - began:.1f} s, {len(before)} slow ones before")
        assert UNDER_WAY >= len(before)
        assert 429 not in {call.status for call in system.sandbox.workspace.called("chat.postMessage")}


def urgent(system: System) -> list[str]:
    """When each urgent card went up, in order."""
    cards = [card for card in system.cards() if "nod_card" in str(card.metadata)]
    return [card.ts for card in cards if "urgent-" in said(card)]
