"""Presses of Approve as Slack sends them, signed, many at once."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode

import aiohttp

from benchmarks.bots import SIGNING_SECRET
from benchmarks.outside import Card, Outside
from sandbox.slack.signing import signed_headers

USER = "U024BE7LH"


@dataclass(slots=True, kw_only=True)
class Pressed:
    """When each click left and when it was acknowledged, by request; moments of time.perf_counter."""

    at: dict[str, float] = field(default_factory=dict)
    acked: dict[str, float] = field(default_factory=dict)
    refused: int = 0  #: answers other than 200

    def acks(self) -> list[float]:
        """Seconds from each click to its acknowledgement."""
        return [moment - self.at[one] for one, moment in self.acked.items()]

    def acks_per_s(self) -> float:
        """From the first click to the last acknowledgement."""
        return len(self.acked) / (max(self.acked.values()) - min(self.at.values())) if self.acked else 0.0


def request_of(card: Card, url: str) -> tuple[bytes, dict[str, str]]:
    """The body and headers of a press of Approve on this card."""
    blocks = card.blocks()
    block, button = next(
        (block, element)
        for block in blocks
        if block["type"] == "actions"
        for element in block["elements"]
        if "Approve" in element["text"]["text"]
    )
    kept = {name: button[name] for name in ("type", "action_id", "text", "value", "style") if name in button}
    payload = {
        "type": "block_actions",
        "user": {"id": USER, "username": "ann", "name": "ann", "team_id": "T1"},
        "team": {"id": "T1", "domain": "acme"},
        "api_app_id": "A1",
        "trigger_id": "1.2.3",
        "container": {
            "type": "message",
            "message_ts": card.ts,
            "channel_id": card.channel,
            "is_ephemeral": False,
        },
        "channel": {"id": card.channel, "name": "approvals"},
        "message": {"type": "message", "ts": card.ts, "bot_id": "B1", "text": "", "blocks": blocks},
        "state": {"values": {}},
        "response_url": f"{url}/slack/response/{card.ts}",
        "actions": [{**kept, "block_id": block.get("block_id", "b"), "action_ts": f"{time.time():.6f}"}],
    }
    body = urlencode({"payload": json.dumps(payload)}).encode()
    return body, signed_headers(secret=SIGNING_SECRET, timestamp=str(int(time.time())), body=body)


async def press(bot: str, outside: Outside, ids: Iterable[str], *, at_once: int) -> Pressed:
    """Approve these, so many at a time; each click is made when it is sent."""
    pressed, turns = Pressed(), asyncio.Semaphore(at_once)

    async def one(request_id: str) -> None:
        async with turns:
            body, headers = request_of(outside.cards[request_id], outside.url)
            pressed.at[request_id] = time.perf_counter()
            async with session.post(f"{bot}/slack/events", data=body, headers=headers) as answer:
                await answer.read()
                if answer.status == 200:
                    pressed.acked[request_id] = time.perf_counter()
                else:
                    pressed.refused += 1

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        await asyncio.gather(*map(one, ids))
    return pressed


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which this share of them lies; nan of none."""
    return sorted(values)[min(int(share * len(values)), len(values) - 1)] if values else float("nan")
