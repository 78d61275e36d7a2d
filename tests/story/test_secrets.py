"""No secret leaves: not on a card, in a form, a reply, an alert, a log line, a refusal or the audit."""

from __future__ import annotations

import json
from pathlib import Path

from sandbox.servers import open_sandbox
from tests.faults.child import open_child
from tests.faults.launcher import said_in
from tests.secrets_planted import PLANTED
from tests.servers.system import ANN, EVE, POLICY, System, until

#: Calls that carry them, so many secrets in each.
PER_CALL = 12


async def test_no_planted_secret_leaves(tmp_path: Path) -> None:
    """Every kind of secret in real calls: shown, explained, refused, skipped, alerted; found nowhere."""
    assert len({planted.kind for planted in PLANTED}) >= 40
    async with open_sandbox(post_burst=None) as sandbox:
        system = System(sandbox=sandbox, folder=tmp_path)
        async with open_child(system, tmp_path, policy=POLICY) as bot:
            batches = [PLANTED[n : n + PER_CALL] for n in range(0, len(PLANTED), PER_CALL)]
            for batch in batches:  # in windows that are long enough for a card of its own for each
                system.ask(arguments={f"field_{n}": p.text for n, p in enumerate(batch)}, timeout_seconds=900)
            await until(lambda: len(system.cards()) == len(batches), within=40, what="all cards")
            sandbox.faults.add(method="POST", path="/agents/hitl/decision", times=1, status=403)
            for card in system.cards():
                await system.press(EVE, card, "why")
                await system.press(EVE, card, "skip")
                await system.press(ANN, card, "skip")
            await until(lambda: len(sandbox.platform.decisions) == len(batches), within=40, what="all answers")
            await until(lambda: bool(system.alerts()), within=20, what="an alert")
            calls = [call.args for call in sandbox.workspace.calls]
            sent = json.dumps(calls, default=str, ensure_ascii=False)
            kept = json.dumps(system.audit(), ensure_ascii=False)
            written = said_in(bot.log)

    assert "card_shown" in written
    assert "vote_counted" in written
    for planted in PLANTED:
        for place in (sent, written, kept):
            assert planted.secret not in place, planted.kind
