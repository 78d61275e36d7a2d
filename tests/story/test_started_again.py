"""A bot that is started again goes on with what the one before had under way."""

from __future__ import annotations

from pathlib import Path

from sandbox.servers import open_sandbox
from tests.servers.system import ANN, System, open_bot, until

#: Seconds. A POST that is under way is nobody else's for twenty (`bot.flow.deliver.LEASE`).
AT_ONCE = 8.0


async def test_a_post_that_a_stop_cut_off_is_sent_at_once(tmp_path: Path) -> None:
    """The process that was to hear its answer is gone: nobody waits until its turn would be over."""
    async with open_sandbox() as sandbox:
        system = System(sandbox=sandbox, folder=tmp_path)
        system.sandbox.faults.add(method="POST", path="/agents/hitl/decision", times=1, delay=60)
        (hangs,) = system.sandbox.faults.rules
        async with open_bot(system, tmp_path):
            request_id = system.ask(timeout_seconds=300)
            card = await system.shown()
            await system.press(ANN, card, "skip")
            await until(lambda: hangs.hits == 1, what="the POST")
        assert [] == system.effects(request_id)
        async with open_bot(system, tmp_path):
            await until(lambda: system.effects(request_id) == ["skipped"], within=AT_ONCE, what="the decision")
