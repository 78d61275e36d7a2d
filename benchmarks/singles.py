"""One request and one click at a time, on a bot that has nothing else to do: how long each takes."""

from __future__ import annotations

import asyncio
import random
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp

from benchmarks.bots import NOD, POLL_EVERY, Bot, child, environment, free_port, open_bot
from benchmarks.burst import calm
from benchmarks.clicks import press, quantile
from benchmarks.outside import Outside, open_outside
from benchmarks.sizes import Figures, Sizes

TOKEN = "b7f1c09e52d84a6388aa41d9e07c6f35"  # noqa: S105 - of this measurement
#: The script of `nod` in this environment.
RELAY = "from adapters.cli import main; main()"


async def measure(sizes: Sizes) -> Figures:
    """Cards by polling, clicks on them, and cards by the relay."""
    async with open_outside() as outside, open_bot(NOD, outside.url) as bot:
        await calm(bot)
        cards = [await _card(outside, sizes) for _ in range(sizes.singles)]
        acks, decisions = [], []
        for one in list(outside.cards):
            await asyncio.sleep(0.3)
            pressed = await press(bot.url, outside, [one], at_once=1)
            await outside.until(lambda one=one: one in outside.decisions, within=sizes.within)
            acks += pressed.acks()
            decisions.append(outside.decisions[one][0] - pressed.at[one])
    relayed = await _relayed(sizes)
    return {
        "card_p50_ms": quantile(cards, 0.5) * 1e3,
        "card_p95_beyond_poll_ms": (quantile(cards, 0.95) - POLL_EVERY) * 1e3,
        "ack_p50_ms": quantile(acks, 0.5) * 1e3,
        "decision_p50_ms": quantile(decisions, 0.5) * 1e3,
        "relayed_card_p95_ms": quantile(relayed, 0.95) * 1e3,
    }


async def _card(outside: Outside, sizes: Sizes) -> float:
    """Seconds from a request to its card, at any moment between two polls."""
    await asyncio.sleep(random.random() * POLL_EVERY)  # noqa: S311 - no secret
    began = time.perf_counter()
    one = outside.ask(1)[0]
    await outside.until(lambda: one in outside.cards, within=sizes.within)
    return outside.cards[one].at - began


async def _relayed(sizes: Sizes) -> list[float]:
    """Seconds from the event of a run at the platform to the card, where the bot itself polls once a minute."""
    with TemporaryDirectory(prefix="nod-bench") as name:
        async with open_outside() as outside:
            more = {"poll_every": 60.0, "NOD_RELAY_TOKEN": TOKEN}
            async with open_bot(NOD, outside.url, **more) as bot:  # type: ignore[arg-type]
                port = free_port()
                env = environment(Path(name), outside.url, NOD_RELAY_TOKEN=TOKEN, NOD_PORT=str(port))
                command = [sys.executable, "-c", RELAY, "relay", "--port", str(port), "--bot", bot.url]
                async with child(command, folder=Path(name), env=env, path="/agents/hitl/pending"):
                    return await _runs(bot, outside, f"http://127.0.0.1:{port}", sizes)


async def _runs(bot: Bot, outside: Outside, relay: str, sizes: Sizes) -> list[float]:
    await calm(bot)
    found = []
    async with aiohttp.ClientSession() as session:
        for number in range(1, sizes.singles + 1):
            async with session.post(f"{relay}/agents/mail/run", json={}, headers={"X-API-Key": "k"}):
                await outside.until(lambda number=number: len(outside.cards) >= number, within=sizes.within)
                card = list(outside.cards.values())[-1]
                found.append(card.at - outside.asked)
            await asyncio.sleep(0.5)
    return found
