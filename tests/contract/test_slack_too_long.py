"""A card that Slack finds too long goes up all the same, to be viewed before it is approved."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from bot.call import Line
from tests.contract.slack_rig import CHANNEL, Rig, open_rig

#: A call that fits by every documented limit.
LINES = tuple(Line(key=f"key{n}", value="x" * 80) for n in range(80))


def buttons(rig: Rig, ref: str) -> list[str]:
    (message,) = [one for one in rig.workspace.messages(CHANNEL) if one.ts == ref]
    rows = [block["elements"] for block in message.blocks if block["type"] == "actions"]
    return [button["action_id"] for row in rows for button in row]


def too_long(rig: Rig, method: str) -> None:
    body = {"ok": False, "error": "msg_blocks_too_long"}
    rig.faults.add(path=f"/api/{method}", times=1, status=200, body=body)


@pytest.mark.parametrize("method", ["chat.postMessage", "chat.update"])
async def test_what_slack_finds_too_long_is_viewed_before_it_is_approved(method: str) -> None:
    """One more try with a part of the call: View all in place of Approve."""
    async with open_rig() as rig:
        card, chat = replace(rig.desk.card, call=LINES), rig.slack.chat
        if method == "chat.update":
            ref = await chat.post(rig.desk.card, CHANNEL)
            too_long(rig, method)
            await chat.update(card, CHANNEL, ref)
        else:
            too_long(rig, method)
            ref = await chat.post(card, CHANNEL)
        assert "nod_view_all" in buttons(rig, ref)
        assert "nod_approve" not in buttons(rig, ref)
        assert "nod_reject" in buttons(rig, ref)


async def test_a_message_keeps_well_below_what_slack_was_seen_to_refuse() -> None:
    """At most 12,000 characters over all blocks."""
    async with open_rig() as rig:
        lines = tuple(Line(key=f"key{n}", value="y" * 90) for n in range(160))
        await rig.slack.chat.post(replace(rig.desk.card, call=lines), CHANNEL)
        (call,) = rig.workspace.called("chat.postMessage")
        assert len(json.dumps(call.args["blocks"], ensure_ascii=False)) <= 12_000
        assert call.error is None
