"""Cards are deleted in Slack: each is found within a minute, and posted again."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.servers.system import ANN, POLICY, open_system, until

WITHOUT_LADDER = POLICY.replace("    ladder: [{at: 50%, do: ping, who: [olu]}]\n", "")


@pytest.mark.parametrize(("cards", "deleted"), [(1, 1), pytest.param(50, 5, marks=pytest.mark.slow)])
async def test_a_deleted_card_is_up_again_within_a_minute(cards: int, deleted: int, tmp_path: Path) -> None:
    """Without any change of it; the new one can be pressed."""
    async with open_system(tmp_path, post_burst=None, policy=WITHOUT_LADDER) as system:
        asked = [system.ask(timeout_seconds=1_800 + n, agent_id=f"agent-{n}") for n in range(cards)]
        await system.shown(count=cards, within=cards * 1.5 + 10)
        gone = [system.cards()[-1 - n] for n in range(deleted)]
        began = time.monotonic()
        for card in gone:
            system.sandbox.workspace.conversations.remove(card)
        await until(lambda: len(system.cards()) == cards, within=65 if cards > 1 else 10, what="the cards")
        print(f"{deleted} of {cards} cards up again after {time.monotonic() - began:.1f} s")
        exposed = system.nod.metrics.exposition()[0].decode()
        assert f"nod_time_to_card_seconds_count {cards}.0" in exposed  # of each request, its first card
        looks = [call.at for call in system.sandbox.workspace.called("chat.getPermalink")]
        assert all(later - first >= 60 for first, later in zip(looks, looks[60:], strict=False))
        assert (await system.press(ANN, system.cards()[-1], "approve")).ok
        await until(lambda: any(system.effects(one) for one in asked), what="the platform to be told")
